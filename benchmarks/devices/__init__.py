"""The table of one device: what `python -m benchmarks --device cuda` measures, llmkit beside transformers."""

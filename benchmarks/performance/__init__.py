"""Time and memory of llmkit and its alternatives, which `python -m benchmarks` runs."""

"""Benchmarks of llmkit against peers: the same work on the same weights in one run, as a ratio."""

"""Where the time goes, ours beside what a user would pick instead: what `python -m benchmarks` runs."""

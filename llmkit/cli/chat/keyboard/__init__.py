"""What is typed: the prompt with its keys, completions and status line (`typed`), and Ctrl-C while work is done."""

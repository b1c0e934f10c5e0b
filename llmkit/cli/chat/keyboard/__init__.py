"""The keyboard: the prompt with its keys and completion, and Ctrl-C."""

"""`python -m llmkit` is the command `llmkit`."""

from llmkit.cli import main

main()

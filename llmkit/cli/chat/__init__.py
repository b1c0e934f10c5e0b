"""`llmkit chat`: lines in, events out (`session`), shown at a terminal or through a pipe."""

from llmkit.cli.chat.command import chat

__all__ = ["chat"]

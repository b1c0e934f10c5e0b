"""Markdown at a terminal, shown while it is being written; nothing that was written is ever left out."""

from llmkit.cli.chat.screen.markdown.layout import Page
from llmkit.cli.chat.screen.markdown.stream import Stream

__all__ = ["Page", "Stream"]

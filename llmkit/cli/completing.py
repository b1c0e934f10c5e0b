"""What a shell offers where Tab is pressed; where nothing here begins like the word, shells offer files."""

from __future__ import annotations


def chat_models(incomplete: str) -> list[str]:
    """Give the catalog's models that write."""
    from llmkit.models.catalog import CATALOG

    return [name for name, entry in CATALOG.items() if entry.kind == "chat" and name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Give the catalog's models."""
    from llmkit.models.catalog import CATALOG

    return [name for name in CATALOG if name.startswith(incomplete)]


def prompts(incomplete: str) -> list[str]:
    """Give the prompt texts that ship with llmkit."""
    from llmkit.prompts.library import names

    return [name for name in names() if name.startswith(incomplete)]


def summary_prompts(incomplete: str) -> list[str]:
    """Give those that summarize."""
    return [name for name in prompts(incomplete) if name.startswith("summarize-")]

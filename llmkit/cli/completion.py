"""The words that a shell offers when Tab is pressed."""

from __future__ import annotations


def chat_models(incomplete: str) -> list[str]:
    """Return the catalog's models that generate text."""
    from llmkit.models.weights.catalog import CATALOG

    return [name for name, entry in CATALOG.items() if entry.kind == "chat" and name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Return the catalog's models."""
    from llmkit.models.weights.catalog import CATALOG

    return [name for name in CATALOG if name.startswith(incomplete)]


def prompts(incomplete: str) -> list[str]:
    """Return the prompt texts that ship with llmkit."""
    from llmkit.prompts.library import list_prompts

    return [name for name in list_prompts() if name.startswith(incomplete)]


def summary_prompts(incomplete: str) -> list[str]:
    """Return the prompt texts that summarize."""
    return [name for name in prompts(incomplete) if name.startswith("summarize-")]

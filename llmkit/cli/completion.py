"""What a shell offers where Tab is pressed; where nothing here begins like the word, shells offer files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from llmkit.errors import InputError

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def check_shell(arguments: Sequence[str]) -> None:
    """Check that there is completion for the shell, where its script is asked for.

    Raises:
        InputError: there is none.
    """
    asked, _, shell = os.environ.get("_LLMKIT_COMPLETE", "").partition("_")
    if asked != "source":
        if {"--install-completion", "--show-completion"}.isdisjoint(arguments):
            return
        shell = _shell()
    if shell not in SHELLS:
        raise InputError(
            f"the shell is {shell or 'unknown'}, but completion is for bash, zsh, fish and PowerShell: call llmkit "
            "from one of them, or name one: _LLMKIT_COMPLETE=source_bash llmkit prints its script"
        )


def _shell() -> str:
    import shellingham  # type: ignore[import-untyped]  # typer brings it

    try:
        return str(shellingham.detect_shell()[0])
    except shellingham.ShellDetectionFailure:
        return ""


def chat_models(incomplete: str) -> list[str]:
    """Give the catalog's models that write."""
    from llmkit.models.weights.catalog import CATALOG

    return [name for name, entry in CATALOG.items() if entry.kind == "chat" and name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Give the catalog's models."""
    from llmkit.models.weights.catalog import CATALOG

    return [name for name in CATALOG if name.startswith(incomplete)]


def prompts(incomplete: str) -> list[str]:
    """Give the prompt texts that ship with llmkit."""
    from llmkit.prompts.library import list_prompts

    return [name for name in list_prompts() if name.startswith(incomplete)]


def summary_prompts(incomplete: str) -> list[str]:
    """Give those that summarize."""
    return [name for name in prompts(incomplete) if name.startswith("summarize-")]

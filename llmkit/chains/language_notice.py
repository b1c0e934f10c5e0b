"""The notice that a text is in a language that the model does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables.base import RunnableBindingBase

from llmkit.text.language_detection import MAX_CHARACTERS, NAMES, detect_language

_KEYS = ("text", "context", "question")


def language_notice(llm: Any, text: str) -> str | None:
    """Return the notice, or `None` if the model knows the text's language, or either language is not known."""
    while isinstance(llm, RunnableBindingBase):
        llm = llm.bound
    languages: tuple[str, ...] = getattr(llm, "languages", ())
    detected = detect_language(text) if languages else None
    if detected is None or detected.codes & set(languages):
        return None
    known = " and ".join(NAMES.get(code, code) for code in languages)
    return f"the text seems to be in {detected.name}, but {llm.model_name} knows {known}: the result may be wrong"


def text_sample(input: Any) -> str:
    """Return the beginning of the text in a chain's input; empty if there is none, such as for a URL."""
    if isinstance(input, Mapping):
        return text_sample(next((input[key] for key in _KEYS if key in input), ""))
    if isinstance(input, Document):
        return input.page_content[:MAX_CHARACTERS]
    if isinstance(input, str):
        return input[:MAX_CHARACTERS]
    if not isinstance(input, Sequence) or not input:
        return ""
    return text_sample(input[0])

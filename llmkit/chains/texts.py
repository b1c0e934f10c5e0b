"""Texts for a chain, checked."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document

from llmkit.errors import InputError

Text = str | Document


def checked(text: Text) -> str | InputError:
    """Give the words of a text, or the error that there are none."""
    words = text.page_content if isinstance(text, Document) else text
    if not isinstance(words, str):
        return InputError(f"the text is {type(text).__name__}, but must be text or a Document")
    return words if words.strip() else InputError("the text is empty")


def all_checked(texts: Sequence[Text]) -> list[str]:
    """Give the words of several texts.

    Raises:
        InputError: there are none, or one is empty; says which.
    """
    if isinstance(texts, str | Document):
        raise InputError("texts is one text, but must be a list of texts")
    if not len(texts):
        raise InputError("there are no texts to learn from")
    found = []
    for number, text in enumerate(texts, 1):
        words = checked(text)
        if isinstance(words, InputError):
            raise InputError(f"text {number}: {words}")
        found.append(words)
    return found

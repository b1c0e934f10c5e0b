"""Texts for a chain, checked."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document

from llmkit.errors import InputError

Text = str | Document


def checked(text: Text) -> str:
    """Return the words of a text.

    Raises:
        InputError: it is empty, or no text at all.
    """
    words = text.page_content if isinstance(text, Document) else text
    if not isinstance(words, str):
        raise InputError(f"the text is {type(text).__name__}, but must be text or a Document")
    if not words.strip():
        raise InputError("the text is empty")
    return words


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
        try:
            found.append(checked(text))
        except InputError as error:
            raise InputError(f"text {number}: {error}") from error
    return found

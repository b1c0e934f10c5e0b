"""What is summarized: texts and documents, divided into parts that know where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.documents import Document

from llmkit.errors import InputError
from llmkit.text.segmentation import Passage, passages

Source = str | Document | Sequence[Document]
BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class SourcePassage(Passage):
    """A passage of a source.

    Attributes:
        document: which of the documents it stands in, from 0; `start` and `end` are characters of that document.
        metadata: the document's own; no prompt contains it.
        summary: what was first made of it, or of the part of the source that it is in; empty where that is the whole.
    """

    document: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    summary: str = ""

    def at(self, piece: Passage) -> SourcePassage:
        """Give a piece of this passage's text, at its place in the document."""
        start = self.start + piece.start
        return replace(self, text=piece.text, start=start, end=start + len(piece.text), tokens=piece.tokens)


@dataclass(frozen=True)
class Part:
    """A text for a prompt, and the passages of the source that it stands on."""

    text: str
    passages: tuple[SourcePassage, ...]

    def summarized(self, text: str) -> Part:
        """Give its summary, a part that stands on the same passages."""
        return Part(text, tuple(each if each.summary else replace(each, summary=text) for each in self.passages))


@dataclass(frozen=True)
class Counter:
    """How a model counts tokens; see `llmkit.text.segmentation.TokenCounter`."""

    get_num_tokens: Callable[[str], int]
    token_offsets: Callable[[str], list[tuple[int, int]]] | None = None


def documents_of(source: Source) -> list[Document]:
    """Give the source as documents.

    Raises:
        InputError: there is no text, or what was given is neither text nor documents.
    """
    given: Any = [source] if isinstance(source, str | Document) else source
    if not isinstance(given, Sequence) or not all(isinstance(each, str | Document) for each in given):
        raise InputError(f"the source is {type(source).__name__}, but must be text, a Document or a list of Documents")
    documents = [Document(each) if isinstance(each, str) else each for each in given]
    if not any(each.page_content.strip() for each in documents):
        raise InputError("the text to summarize is empty")
    return documents


def whole(source: Source, counter: Counter) -> Part:
    """Give the source as one part."""
    stands = [
        SourcePassage(text, 0, len(text), counter.get_num_tokens(text), document=number, metadata=each.metadata)
        for number, each in enumerate(documents_of(source))
        if (text := each.page_content).strip()
    ]
    return Part(BETWEEN.join(each.text for each in stands), tuple(stands))


def cut(part: Part, counter: Counter, max_tokens: int) -> list[Part]:
    """Give a part in parts of at most about so many tokens: passages of documents, or several short documents."""
    pieces = [(passage, piece) for passage in part.passages for piece in passages(passage.text, counter, max_tokens)]
    found = [Part(piece.text, (passage.at(piece),)) for passage, piece in pieces if piece.text.strip()]
    return packed(found, counter, max_tokens)


def packed(parts: Sequence[Part], counter: Counter, max_tokens: int) -> list[Part]:
    """Join neighbours, as many as have about so many tokens together."""
    groups: list[list[Part]] = []
    between, tokens = counter.get_num_tokens(BETWEEN), 0
    for part in parts:
        size = counter.get_num_tokens(part.text) + between
        if not groups or tokens + size > max_tokens + between:
            groups.append([])
            tokens = 0
        groups[-1].append(part)
        tokens += size
    return [Part(joined(group), tuple(each for part in group for each in part.passages)) for group in groups]


def joined(parts: Sequence[Part]) -> str:
    """Give the text of several parts."""
    return BETWEEN.join(text for part in parts if (text := part.text.strip()))


def evenly(divide: Callable[[int], list[Part]], most: int) -> list[Part]:
    """Divide into as few parts as with `most`, but alike in size, so that the last is no remnant."""
    parts = divide(most)
    count = len(parts)
    if 1 < count <= 8:
        for quarter in (1, 2, 3):
            tried = divide(most * (4 * (count - 1) + quarter) // (4 * count))
            if len(tried) == count:
                return tried
    return parts

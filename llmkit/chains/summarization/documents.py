"""Sources of a summary: texts and documents, divided into passages with their offsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.documents import Document

from llmkit.chains.inputs import TextInput, parse_documents, text_of_mapping, validate_length
from llmkit.errors import InputError
from llmkit.text.segmentation import Passage, count_tokens, passages

Source = str | Document | Sequence[Document] | TextInput
SEPARATOR = "\n\n"


@dataclass(frozen=True, slots=True)
class SourcePassage(Passage):
    """A passage of a source.

    Attributes:
        document: the index of its document; `start` and `end` are offsets in that document.
        metadata: the document's metadata; no prompt contains it.
        summary: the first summary that was made of the part with this passage; empty if the source is one part.
    """

    document: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    summary: str = ""

    def subpassage(self, piece: Passage) -> SourcePassage:
        """Return a passage of this passage's text, with its offsets in the document."""
        start = self.start + piece.start
        return replace(self, text=piece.text, start=start, end=start + len(piece.text), tokens=piece.tokens)


@dataclass(frozen=True)
class Part:
    """A text for a prompt, and the passages of the source that it consists of or summarizes."""

    text: str
    passages: tuple[SourcePassage, ...]

    def with_summary(self, summary: str) -> Part:
        """Return the summary as a part with the same passages, each of which keeps its first summary."""
        return Part(summary, tuple(one if one.summary else replace(one, summary=summary) for one in self.passages))


@dataclass(frozen=True)
class ModelTokenCounter:
    """Counts tokens as a model does: a `llmkit.text.segmentation.TokenCounter`."""

    get_num_tokens: Callable[[str], int]
    token_offsets: Callable[[str], list[tuple[int, int]]] | None = None


def whole_source(source: Source, counter: ModelTokenCounter) -> Part:
    """Return the source as one part; raise `InputError` if it has no text, or one of its texts is too long."""
    documents = parse_documents(text_of_mapping(source) if isinstance(source, Mapping) else source, "source")
    for document in documents:
        validate_length(document.page_content)
    found = tuple(
        SourcePassage(text, 0, len(text), count_tokens(text, counter), document=index, metadata=document.metadata)
        for index, document in enumerate(documents)
        if (text := document.page_content).strip()
    )
    if not found:
        raise InputError("the text to summarize is empty")
    return Part(SEPARATOR.join(passage.text for passage in found), found)


def split_part(part: Part, counter: ModelTokenCounter, max_tokens: int) -> list[Part]:
    """Split a part into parts of about `max_tokens`: passages of documents, or several short documents."""
    pieces = [(passage, piece) for passage in part.passages for piece in passages(passage.text, counter, max_tokens)]
    parts = [Part(piece.text, (passage.subpassage(piece),)) for passage, piece in pieces if piece.text.strip()]
    return pack_parts(parts, counter, max_tokens)


def pack_parts(parts: Sequence[Part], counter: ModelTokenCounter, max_tokens: int) -> list[Part]:
    """Join neighbours into parts of about `max_tokens`."""
    groups: list[list[Part]] = []
    separator, tokens = counter.get_num_tokens(SEPARATOR), 0
    for part in parts:
        size = counter.get_num_tokens(part.text) + separator
        if not groups or tokens + size > max_tokens + separator:
            groups.append([])
            tokens = 0
        groups[-1].append(part)
        tokens += size
    return [Part(join_texts(group), tuple(one for part in group for one in part.passages)) for group in groups]


def join_texts(parts: Sequence[Part]) -> str:
    """Return the texts of the parts as one text."""
    return SEPARATOR.join(text for part in parts if (text := part.text.strip()))


def split_evenly(divide: Callable[[int], list[Part]], max_tokens: int) -> list[Part]:
    """Divide into as few parts as with `max_tokens`, but of similar size, so that the last one is not tiny."""
    parts = divide(max_tokens)
    count = len(parts)
    if 1 < count <= 8:
        for quarter in (1, 2, 3):
            even = divide(max_tokens * (4 * (count - 1) + quarter) // (4 * count))
            if len(even) == count:
                return even
    return parts

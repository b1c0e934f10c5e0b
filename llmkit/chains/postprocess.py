"""Clean completions: whole sentences, each once, within a number of words; also while they are being generated."""

from __future__ import annotations

import re
from dataclasses import dataclass

from langchain_core.messages import AIMessage

from llmkit.text.segmentation import sentences
from llmkit.text.words import count_words, end_of_words

_SENTENCE_END = re.compile(r"""[.!?…。！？।؟۔][\])"'”’»」』）]*$""")
_CERTAIN_END = re.compile(rf"(?<!\d){_SENTENCE_END.pattern}")  # a truncated "3." may be the beginning of 3.5
_NO_LETTERS = re.compile(r"[\W\d]*")
_CONTENT_WORD = re.compile(r"[^\W\d_]{4,}|\w*\d\w*|[^\W\d_a-z]\w+")


@dataclass(frozen=True)
class OutputForm:
    """How long a text may be: what comes after is left out, but never the first sentence."""

    max_words: float
    max_sentences: int


class CompletionCleaner:
    """Cleans a completion that comes in chunks, and says whether it was `truncated`.

    The first letter becomes a capital. A sentence is dropped if an earlier one has all its content words, and these
    are at least four. The first sentence is passed on as it comes, each later one when it is whole.
    """

    def __init__(self, max_words: int | None = None, form: OutputForm | None = None) -> None:
        self.max_words, self.form = max_words, form
        self._has_form = False  # what follows would be beyond it
        self.truncated = False
        self._pending = ""  # what follows the last whole sentence
        self._emitted = 0  # characters of the first sentence that were passed on
        self._word_count = 0.0
        self._earlier: list[frozenset[str]] = []

    def push(self, text: str) -> str:
        """Add a chunk, and return what can be shown."""
        if self.truncated or self._has_form:
            return ""
        self._pending += text
        spans = sentences(self._pending, is_whole=False)
        out, place = "", 0
        for span in spans[:-1]:
            out += self._add_sentence(self._pending[place : span.start], span.of(self._pending))
            place = span.end
        self._pending = self._pending[place:]
        if spans and not self._earlier:
            out += self._extend_first(self._pending)
        return out

    def finish(self, complete: bool) -> str:
        """Return the rest; if the completion is not `complete`, an unfinished last sentence is left out."""
        text = self._pending.strip()
        if self.truncated or self._has_form or not text:
            return ""
        if self._earlier and not complete and not _CERTAIN_END.search(text):
            self.truncated = True
            return ""
        return self._add_sentence(self._pending[: self._pending.index(text[0])], text)

    def _add_sentence(self, gap: str, text: str) -> str:
        content = _content(text)
        if self.truncated or self._has_form or any(content <= earlier for earlier in self._earlier):
            return ""
        self._has_form = self._is_beyond_form(text)
        if self._has_form:
            return ""
        if not self._earlier:
            out = self._extend_first(text)
        else:
            self._word_count += count_words(text)
            self.truncated = self.max_words is not None and self._word_count > self.max_words
            out = "" if self.truncated else gap + text
        self._earlier.append(content)
        return out

    def _is_beyond_form(self, text: str) -> bool:
        if self.form is None or not self._earlier:
            return False
        words = self._word_count + count_words(text)
        return len(self._earlier) >= self.form.max_sentences or words > self.form.max_words

    def _extend_first(self, text: str) -> str:
        """Return what is new of the first sentence."""
        text = text.strip()
        text = text[:1].upper() + text[1:]
        end = None if self.max_words is None else end_of_words(text, self.max_words)
        if end is not None:
            self.truncated = True
            text = text[:end].rstrip()
        self._word_count = count_words(text)
        new, self._emitted = text[self._emitted :], len(text)
        return new


def clean_completion(
    completion: str, complete: bool, max_words: int | None = None, form: OutputForm | None = None
) -> tuple[str, bool]:
    """Clean a whole completion, and say whether it was cut to `max_words` or an unfinished sentence was left out."""
    cleaner = CompletionCleaner(max_words, form)
    text = cleaner.push(completion) + cleaner.finish(complete)
    return text, cleaner.truncated


def content_words(sentence: str) -> list[str]:
    """Return the case-folded words that carry content, roughly: long ones, numbers, names."""
    return [word.casefold() for word in _CONTENT_WORD.findall(sentence[:1].lower() + sentence[1:])]


def _content(sentence: str) -> frozenset[str]:
    words = frozenset(content_words(sentence))
    return words if len(words) >= 4 else frozenset([" ".join(sentence.casefold().split())])


def is_sentence(text: str) -> bool:
    """Return whether a text ends like a sentence, and is more than the number of a list item."""
    return bool(_SENTENCE_END.search(text)) and not _NO_LETTERS.fullmatch(text)


def is_complete(answer: AIMessage) -> bool:
    """Return whether the model ended its completion itself."""
    return answer.response_metadata.get("finish_reason") != "length"

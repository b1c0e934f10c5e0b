"""A model's answer made fit to print, while it is still being written."""

from __future__ import annotations

import re

from langchain_core.messages import AIMessage

from llmkit.text.segmentation import sentences

_END = re.compile(r"""[.!?…。！？।؟۔][\])"'”’»」』）]*$""")
_ENDED = re.compile(rf"(?<!\d){_END.pattern}")  # in an answer that was cut, "3." may have been to be 3.5
_NUMBER = re.compile(r"[\W\d]*")
_WORD = re.compile(r"\S+")
_CONTENT = re.compile(r"[^\W\d_]{4,}|\w*\d\w*|[^\W\d_a-z]\w+")


class Tidy:
    """Whole sentences, each said once, at most so many words, and a capital letter at the beginning.

    A sentence is said already when an earlier one has all its words that matter, and these are not few.

    The first sentence is passed on as it comes, each later one when it is whole. However an answer is divided into
    pieces, what is passed on is the same.

    Attributes:
        cut: whether something was left out at the end.
    """

    def __init__(self, max_words: int | None = None) -> None:
        self.max_words = max_words
        self.cut = False
        self._pending = ""  # what follows the last whole sentence
        self._shown = 0  # characters of the first sentence that were passed on
        self._words = 0
        self._said: list[frozenset[str]] = []

    def push(self, text: str) -> str:
        """Take some more of the answer; give what can be shown."""
        if self.cut:
            return ""
        self._pending += text
        spans = sentences(self._pending)
        out, at = "", 0
        for span in spans[:-1]:
            out += self._close(self._pending[at : span.start], span.of(self._pending))
            at = span.end
        self._pending = self._pending[at:]
        if spans and not self._said:
            out += self._begin(self._pending)
        return out

    def end(self, complete: bool) -> str:
        """Give the rest; if the answer is not complete, a last sentence that broke off is left out."""
        text = self._pending.strip()
        if self.cut or not text:
            return ""
        if self._said and not complete and not _ENDED.search(text):
            self.cut = True
            return ""
        return self._close(self._pending[: self._pending.index(text[0])], text)

    def _close(self, gap: str, text: str) -> str:
        says = _content(text)
        if self.cut or any(says <= each for each in self._said):
            return ""
        if not self._said:
            out = self._begin(text)
        else:
            self._words += len(text.split())
            self.cut = self.max_words is not None and self._words > self.max_words
            out = "" if self.cut else gap + text
        self._said.append(says)
        return out

    def _begin(self, text: str) -> str:
        """Give what is new of the first sentence."""
        text = text.strip()
        text = text[:1].upper() + text[1:]
        words = [match.end() for match in _WORD.finditer(text)]
        self._words = len(words)
        if self.max_words is not None and self._words > self.max_words:
            self.cut = True
            text = text[: words[self.max_words - 1]]
        new, self._shown = text[self._shown :], len(text)
        return new


def content_words(sentence: str) -> list[str]:
    """Give the words of a sentence that say something, roughly: long ones, numbers, names."""
    return [word.casefold() for word in _CONTENT.findall(sentence[:1].lower() + sentence[1:])]


def _content(sentence: str) -> frozenset[str]:
    words = frozenset(content_words(sentence))
    return words if len(words) >= 4 else frozenset([" ".join(sentence.casefold().split())])


def tidy(answer: str, complete: bool, max_words: int | None = None) -> tuple[str, bool]:
    """Give a whole answer made tidy, and whether something was left out at its end."""
    keeper = Tidy(max_words)
    text = keeper.push(answer) + keeper.end(complete)
    return text, keeper.cut


def is_sentence(text: str) -> bool:
    """Tell whether a text ends as sentences do, and is more than the number of an item."""
    return bool(_END.search(text)) and not _NUMBER.fullmatch(text)


def is_complete(answer: AIMessage) -> bool:
    """Tell whether the model ended its answer itself."""
    return answer.response_metadata.get("finish_reason") != "length"

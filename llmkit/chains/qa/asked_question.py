"""What a question asks for, by its words: an amount, a time, a person, a place, a reason or a manner. English only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import regex

from llmkit.text.word_forms import content_words, recognize_language, stems
from llmkit.text.words import terms

_FLAGS = regex.VERBOSE | regex.IGNORECASE
_AMOUNT = regex.compile(
    r"""\bhow\s+(?:many|much|long|old|far|often|big|large|tall|high|deep|wide|fast|heavy|early|late|frequently)\b
    | \bwhat\s+(?:percent|percentage|number|amount|age|price|cost|size|rate|speed|distance|share|total)\b
    | \bwhat\s+(?:is|was|were|are)\s+the\s+(?:\w+\s+){0,2}(?:percentage|number|population|price|cost|age|length|height|
      size)\b""",
    _FLAGS,
)
_TIME = regex.compile(
    r"""\bwhen\b | \b(?:what|which)\s+(?:year|years|month|day|date|decade|century|time|season|era|
    period|weekday)\b | \bsince\s+when\b | \bhow\s+long\s+ago\b""",
    _FLAGS,
)
_PERSON = regex.compile(r"\bwho(?:m|se)?\b | \b(?:what|which)\s+(?:person|king|queen|president|author)\b", _FLAGS)
_PLACE = regex.compile(r"\bwhere\b | \b(?:what|which)\s+(?:city|country|town|place|state|region|river)\b", _FLAGS)
_REASON = regex.compile(r"\bwhy\b | \bfor\s+what\s+reason\b | \bwhat\s+(?:caused|causes)\b", _FLAGS)
_MANNER = regex.compile(r"\bhow\b", _FLAGS)
_ASKED_NOUN = regex.compile(r"\b(?:what|which)\s+(?:(?:kinds?|types?|sorts?)\s+of\s+)?(\w+)", _FLAGS)


@dataclass(frozen=True)
class AskedQuestion:
    """A question, the language of its text as the Snowball stemmer names it, and what it asks for."""

    text: str
    language: str

    @classmethod
    def about(cls, question: str, text: str) -> AskedQuestion:
        """Return a question about a text, whose language is recognized."""
        return cls(question, recognize_language(terms(text)))

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of its content words."""
        return frozenset(stems(content_words(terms(self.text), self.language), self.language))

    def share_in(self, text: str) -> float:
        """Return the share of its content words that a text has in any form."""
        return len(self.stems.intersection(stems(terms(text), self.language))) / max(len(self.stems), 1)

    @cached_property
    def asked_noun(self) -> str | None:
        """The stem of the noun after "what" or "which", as in "which treaty"."""
        found = _ASKED_NOUN.search(self.text) if self.language == "english" else None
        kept = content_words(terms(found[1]), self.language) if found else []
        return stems(kept[:1], self.language)[0] if kept else None

    @cached_property
    def asks_for(self) -> str | None:
        """The type of its answer: "amount", "time", "person", "place", "reason" or "manner"; `None` where unknown."""
        if self.language != "english" or recognize_language(terms(self.text)) != "english":
            return None
        patterns = {"amount": _AMOUNT, "time": _TIME, "person": _PERSON, "place": _PLACE, "reason": _REASON}
        patterns["manner"] = _MANNER
        return next((name for name, pattern in patterns.items() if pattern.search(self.text)), None)

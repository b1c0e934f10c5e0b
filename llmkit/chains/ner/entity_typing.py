"""What a mention is: how likely the model goes on with each kind, once it has named it.

Behind a text stands `"Paris" is` for each mention, and behind that the words for each kind: `a person`, `a city`, `a
thing`. All mentions of a text with all kinds are one tree. What speaks for a kind is how much likelier it is than "a
thing"; half of that for words which are no names is the model's bias, and is taken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from llmkit.chains.calibration import Matrix
from llmkit.chains.labels import Labels
from llmkit.chains.scoring import Row, score_continuations
from llmkit.chains.tuning import NEUTRAL_SENTENCES
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.context_budget import ContextBudget
from llmkit.text.words import words

WORDS: Mapping[str, str] = {
    "person": "a person, a man, a woman",
    "organization": "an organization, a company, a team, a group",
    "location": "a place, a location, a city, a country",
}
"""What is scored for the usual labels, where the caller gives no description."""

TAGS = {"per": "person", "org": "organization", "organisation": "organization", "loc": "location"}
"""The usual labels, as corpora and British write them."""

ELSE = "a thing"
PRIOR_SHARE = 0.5
"""How much of the bias is taken off: none, or all, did worse on two corpora, for one word a label and for several."""


@dataclass(frozen=True)
class Kinds:
    """Scores mentions against the labels.

    Attributes:
        phrases: the words of each label, of which each counts.
    """

    llm: Any
    prompt: TaskPrompt
    phrases: tuple[tuple[str, ...], ...]
    context_window: int | None

    @classmethod
    def over(cls, llm: Any, prompt: TaskPrompt, labels: Labels, context_window: int | None) -> Kinds:
        """Give a scorer for labels whose descriptions are phrases, divided by commas.

        Raises:
            InputError: a description says nothing.
            ContextWindowExceeded: the window does not even hold a short sentence.
        """
        spoken = [
            _usual(words) if words == name.strip() else words
            for name, words in zip(labels.names, labels.verbalized, strict=True)
        ]
        phrases = tuple(tuple(_with_article(part) for part in words.split(",") if part.strip()) for words in spoken)
        if not all(phrases):
            raise InputError(f"the description of {labels.names[phrases.index(())]!r} has only commas: say what it is")
        kinds = cls(llm, prompt, phrases, context_window)
        for text in NEUTRAL_SENTENCES:
            kinds.fit(text)
        return kinds

    @cached_property
    def room(self) -> int:
        """The most tokens that stand behind a mention."""
        return int(max(self.llm.get_num_tokens(f'" is {phrase}') for phrase in self._told)) + 4

    @cached_property
    def max_tokens(self) -> int:
        """The longest text whose prompt has room for any part of it again."""
        window = ContextBudget(self.llm, 0, self.context_window).window
        return max((window - self.fit(".").tokens - self.room) // 2 - 4, 1)

    def fit(self, text: str) -> FittedPrompt:
        """Give the prompt for a text, with room for any part of it.

        Raises:
            ContextWindowExceeded: the window does not hold the text twice.
        """
        room = self.room + self.llm.get_num_tokens(text)
        return self.prompt.fit(text, model=self.llm, max_new_tokens=room, context_window=self.context_window)

    def scores(self, prompts: Sequence[FittedPrompt], mentions: Sequence[Sequence[str]]) -> list[Matrix]:
        """Give what speaks for each label, in nats, for the mentions of each text: [mentions, labels]."""
        return [each - PRIOR_SHARE * self.prior for each in self._raw(prompts, mentions)]

    @cached_property
    def prior(self) -> Row:
        """What speaks for each label where nothing is named."""
        told = [[word.of(text) for word in words(text)] for text in NEUTRAL_SENTENCES]
        return np.asarray(np.concatenate(self._raw([self.fit(text) for text in NEUTRAL_SENTENCES], told)).mean(axis=0))

    @property
    def _told(self) -> list[str]:
        return [ELSE, *(phrase for phrases in self.phrases for phrase in phrases)]

    def _raw(self, prompts: Sequence[FittedPrompt], mentions: Sequence[Sequence[str]]) -> list[Matrix]:
        told = [[f'{mention}" is {phrase}' for mention in each for phrase in self._told] for each in mentions]
        rows = score_continuations(self.llm, prompts, told, prefix=' "')
        return [self._settled(row.reshape(-1, len(self._told))) for row in rows]

    def _settled(self, scores: Matrix) -> Matrix:
        """Give the mean likelihood of each label's phrases over that of anything else."""
        ends = np.cumsum([len(phrases) for phrases in self.phrases])
        parts = np.split(scores[:, 1:], ends[:-1], axis=1)
        columns = [np.logaddexp.reduce(part, axis=1) - np.log(part.shape[1]) for part in parts]
        return np.stack(columns, axis=1) - scores[:, :1]


def _usual(label: str) -> str:
    known = label.lower()
    return WORDS.get(TAGS.get(known, known), label)


def _with_article(words: str) -> str:
    words = words.strip()
    if words.split()[0].lower() in ("a", "an", "the"):
        return words
    return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"

"""What a candidate is: the log-likelihoods of the labels' phrases after it.

The model reads the text and then `"Paris" is` for each candidate; the phrases of each label follow: `a person`, `a
city`. All candidates of a text with all phrases are one token tree. A label's score is the mean likelihood of its
phrases over that of a reference phrase, in nats, less a share of the same for words that name nothing, the prior. So
is that of other readings, such as `a month`: see `evidence`. How likely the candidate is quoted at all comes with
these: see `mentions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.messages import BaseMessage
from numpy.typing import NDArray

from llmkit.chains.base import attempt
from llmkit.chains.calibration import Matrix
from llmkit.chains.labels import Labels, preview
from llmkit.chains.ner.evidence import READINGS
from llmkit.chains.ner.tuning import NERTuning
from llmkit.chains.ner.values import stands_for_amounts, stands_for_names
from llmkit.chains.scoring import Row, score_continuations
from llmkit.chains.tuning import NEUTRAL_SENTENCES
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.context_budget import ContextBudget
from llmkit.text.words import with_article, words

LABEL_PHRASES: Mapping[str, str] = {
    "person": "a person, a man, a woman",
    "organization": "an organization, a company, a team, a group",
    "location": "a place, a location, a city, a country",
}
"""What is scored for the usual labels, where the caller gives no description."""

ALIASES = {"per": "person", "org": "organization", "organisation": "organization", "loc": "location"}
"""The usual labels as corpora abbreviate them, and in British spelling."""

USUAL_LABELS = {*LABEL_PHRASES, *ALIASES}
"""The labels that the numbers of `NERTuning` were fitted on."""

_MARGIN = 4
"""Tokens that are reserved beside what was counted: texts that are joined may have other tokens than alone."""


@dataclass(frozen=True)
class EntityTyper:
    """Scores candidates as each label, by all of the label's phrases."""

    llm: Any
    prompt: TaskPrompt
    phrases: tuple[tuple[str, ...], ...]
    tuning: NERTuning
    context_window: int | None

    @classmethod
    def from_labels(
        cls, llm: Any, prompt: TaskPrompt, labels: Labels, tuning: NERTuning, context_window: int | None
    ) -> EntityTyper:
        """Return a typer for labels whose descriptions are phrases, divided by commas, if the window is big enough."""
        described = [
            LABEL_PHRASES.get(ALIASES.get(words.lower(), words.lower()), words) if words == name.strip() else words
            for name, words in zip(labels.names, labels.verbalized, strict=True)
        ]
        parts = [[part.strip() for part in text.split(",")] for text in described]
        phrases = tuple(tuple(_as_noun_phrase(part) for part in row if part) for row in parts)
        if not all(phrases):
            raise InputError(f"the description of {labels.names[phrases.index(())]!r} has only commas: say what it is")
        if twins := [name for name, row in zip(labels.names, phrases, strict=True) if phrases.count(row) > 1]:
            raise InputError(f"the labels {preview(twins)} are the same to the model: leave all but one out")
        typer = cls(llm, prompt, phrases, tuning, context_window)
        _ = typer._neutral_prompts
        return typer

    @property
    def person(self) -> int | None:
        """The index of the label for people, if there is one."""
        return next((place for place, phrases in enumerate(self.phrases) if "a person" in phrases), None)

    @cached_property
    def usual(self) -> tuple[str | None, ...]:
        """The usual label that has the same phrases as each label, or `None`: [labels]."""
        names = {frozenset(phrases.split(", ")): name for name, phrases in LABEL_PHRASES.items()}
        return tuple(names.get(frozenset(phrases)) for phrases in self.phrases)

    @cached_property
    def of_names(self) -> NDArray[np.bool_]:
        """Whether each label stands for people, organizations or places, which no number or date is: [labels]."""
        return np.array([stands_for_names(phrases) for phrases in self.phrases])

    @cached_property
    def of_amounts(self) -> NDArray[np.bool_]:
        """Whether each label stands for prices, amounts or numbers, which no name with a number is: [labels]."""
        return np.array([stands_for_amounts(phrases) for phrases in self.phrases])

    @cached_property
    def max_text_tokens(self) -> int:
        """Tokens of the longest text whose prompt leaves enough for any part of it and the longest phrase."""
        window = ContextBudget(self.llm, 0, self.context_window).window
        return max((window - self.fit(".").tokens - self._phrase_tokens) // 2 - _MARGIN, 1)

    def fit(self, text: str) -> FittedPrompt:
        """Return the prompt for a text, with tokens reserved for any part of it and the longest phrase."""
        reserved = self._phrase_tokens + self.llm.get_num_tokens(text)
        return self.prompt.fit(text, model=self.llm, max_new_tokens=reserved, context_window=self.context_window)

    def encode_ahead(self, texts: Sequence[str]) -> None:
        """Encode the prompts of texts together, before they are fitted one by one."""
        budget = ContextBudget(self.llm, 0, self.context_window)
        fitting = (text for text in texts if not budget.estimate_too_long(text))
        prompts = [attempt(self._messages, text) for text in fitting]
        budget.encode_ahead([messages for messages in prompts if not isinstance(messages, Exception)])

    def _messages(self, text: str) -> list[BaseMessage]:
        return self.prompt.format_messages(input=text)

    def scores(self, prompts: Sequence[FittedPrompt], candidates: Sequence[Sequence[str]]) -> list[Matrix]:
        """Return scores, in nats, for the candidates of each prompt: [candidates, labels, `READINGS` and 1].

        The last column is the log-likelihood of the candidate as a quoted part of the text, whatever follows.
        """
        rows = self._scores_with_prior(prompts, candidates)
        return [scores - self.tuning.prior_share * self.prior for scores in rows]

    @cached_property
    def prior(self) -> Row:
        """The mean of each score over the words of sentences that name nothing; 0 for the last, which has none."""
        candidates = [[word.of(text) for word in words(text)] for text in NEUTRAL_SENTENCES]
        rows = self._scores_with_prior(self._neutral_prompts, candidates)
        return np.append(np.concatenate(rows).mean(axis=0)[:-1], 0.0)

    @cached_property
    def _neutral_prompts(self) -> list[FittedPrompt]:
        return [self.fit(text) for text in NEUTRAL_SENTENCES]

    @cached_property
    def _continuations(self) -> list[str]:
        phrases = (phrase for phrases in self.phrases for phrase in phrases)
        return list(dict.fromkeys([self.tuning.reference_phrase, *phrases, *READINGS]))

    @cached_property
    def _phrase_tokens(self) -> int:
        return int(max(self.llm.get_num_tokens(f'" is {phrase}') for phrase in self._continuations)) + _MARGIN

    def _scores_with_prior(self, prompts: Sequence[FittedPrompt], candidates: Sequence[Sequence[str]]) -> list[Matrix]:
        texts = [[f'{name}" is {phrase}' for name in names for phrase in self._continuations] for names in candidates]
        rows = score_continuations(self.llm, prompts, texts, prefix=' "')
        return [self._label_scores(row.reshape(-1, len(self._continuations))) for row in rows]

    def _label_scores(self, scores: Matrix) -> Matrix:
        """Return the mean likelihood of each label's phrases over that of the reference phrase, and of each reading.

        The last column is the likelihood of all readings together.
        """
        places = [[self._continuations.index(phrase) for phrase in phrases] for phrases in self.phrases]
        columns = [np.logaddexp.reduce(scores[:, row], axis=1) - np.log(len(row)) for row in places]
        readings = scores[:, [self._continuations.index(reading) for reading in READINGS]]
        mention = np.logaddexp.reduce(np.column_stack([scores[:, :1], readings]), axis=1)
        return np.column_stack([np.column_stack([*columns, readings]) - scores[:, :1], mention])


def _as_noun_phrase(phrase: str) -> str:
    return phrase if phrase.split()[0].lower() in ("a", "an", "the") else with_article(phrase)

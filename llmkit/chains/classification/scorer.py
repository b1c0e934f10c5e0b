"""How likely a model finds each label after each text: all labels of a text in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.language_models import BaseLLM

from llmkit.chains.calibration import Matrix
from llmkit.chains.labels import Labels
from llmkit.errors import InputError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.context_budget import ContextBudget

ELSE = ("other", "something else", "general", "personal", "opinion", "a question", "a story", "information")
"""What else a text could be. Small models do not understand "not" (measured: "is not Sports" is as likely of a text on
sports as of any other), so the negation of a label is all of this, and the other labels."""

Row = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class LabelScorer:
    """A prompt whose answer is left open, and the words that could follow.

    Attributes:
        spoken: the words of each label.
        several: whether any number of labels may hold.
        room: tokens of the longest words.
    """

    llm: Any
    prompt: TaskPrompt
    spoken: tuple[str, ...]
    several: bool
    room: int
    context_window: int | None = None

    @classmethod
    def over(cls, llm: Any, prompt: TaskPrompt, labels: Labels, context_window: int | None = None) -> LabelScorer:
        """Give a scorer with room for the longest words.

        Raises:
            InputError: a label's words are longer than the window.
        """
        window = ContextBudget(llm, 0, context_window).window
        words = (*labels.verbalized, *(ELSE if labels.multi_label else ()))
        sizes = [llm.get_num_tokens(f" {each}") for each in words]
        if max(sizes) >= window:
            longest = words[int(np.argmax(sizes))]
            raise InputError(
                f"the label {longest[:40]!r}… has {max(sizes)} tokens, more than the model's context window of "
                f"{window}: give it a shorter name or description"
            )
        return cls(llm, prompt, labels.verbalized, labels.multi_label, max(sizes), window)

    @property
    def continuations(self) -> list[str]:
        """What is scored: the words of each label and, where several may hold, what else a text could be."""
        lead = " " if self.prompt.wording.output_label or self.prompt.wording.output_start else ""
        return [f"{lead}{words}" for words in (*self.spoken, *(ELSE if self.several else ()))]

    def settled(self, scores: Matrix) -> Matrix:
        """Give the labels' scores, [texts, labels], out of those of all continuations.

        Where several labels may hold, that is the log-odds of each against all that the text could be instead.
        """
        if not self.several:
            return scores
        columns = []
        for place in range(len(self.spoken)):
            rest = np.delete(scores, place, axis=1)
            columns.append(scores[:, place] - np.logaddexp.reduce(rest, axis=1) + np.log(rest.shape[1]))
        return np.stack(columns, axis=1)

    def fit(self, text: str) -> FittedPrompt:
        """Give the prompt for a text, as many examples in it as fit."""
        return self.prompt.fit(text, model=self.llm, max_new_tokens=self.room, context_window=self.context_window)

    def scores(self, texts: Sequence[str]) -> Matrix:
        """Give the log-likelihood of each continuation after each text, in nats: [texts, continuations].

        Raises:
            ContextWindowExceeded: a text and the longest label do not fit the window together.
        """
        return self.scored([self.fit(text) for text in texts])

    def scored(self, prompts: Sequence[FittedPrompt]) -> Matrix:
        """Give the scores behind prompts that fit."""
        plain = isinstance(self.llm, BaseLLM)
        inputs = [each.text if plain else each.messages for each in prompts]
        return np.asarray(self.llm.score(inputs, self.continuations))

    def attempts(self, texts: Sequence[str]) -> list[Row | Exception]:
        """Give each text's scores, or the error that kept it from being scored."""
        prompts: list[FittedPrompt | InputError] = []
        for text in texts:
            try:
                prompts.append(self.fit(text))
            except InputError as error:
                prompts.append(error)
        fine = [each for each in prompts if isinstance(each, FittedPrompt)]
        rows = iter(self.scored(fine) if fine else ())
        return [next(rows) if isinstance(each, FittedPrompt) else each for each in prompts]

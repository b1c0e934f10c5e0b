"""How many examples fit beside the input and the tokens reserved for the completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Literal

from langchain_core.messages import BaseMessage
from pydantic import ConfigDict

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.prompts.context_budget import ContextBudget
from llmkit.prompts.rendering import (
    Layout,
    PromptParts,
    RenderedPrompt,
    Turn,
    fill,
    render,
    render_input,
    render_output,
    stop_strings,
    transcript,
)
from llmkit.prompts.report import LeftOut, Part, Reason, Report
from llmkit.prompts.selectors import Candidate, same_text
from llmkit.prompts.validation import Example

_PLENTY = 16  # tokens of an example that its estimate may miss
_MAX_TOKEN_CHARACTERS = 8  # of most tokens: longer texts are not tried first

ExampleOrder = Literal["best_last", "best_first"]
"""Where the best example is: next to the input, or first."""


class FittedPrompt(RenderedPrompt):
    """A prompt that fits: `tokens` and those reserved for the completion are within the model's window.

    Attributes:
        messages: what the model gets, as in `llm.invoke(fitted.messages)`; plain text is one message.
        text: the same as plain text; chat messages are under the names of their roles.
        tokens: of the whole prompt as the model receives it, chat markup included.
        examples: those that are in it, in their order.
        report: how the window is used, and what was left out.
        layout: how it is rendered.
        stop: strings at which a completion in this layout is over.
    """

    model_config = ConfigDict(frozen=True)

    tokens: int
    examples: tuple[Example, ...]
    report: Report
    layout: Layout
    stop: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return f'{self.report._repr_html_()}<pre style="white-space: pre-wrap">{escape(self.text)}</pre>'


@dataclass(frozen=True)
class UnfittedPrompt:
    """A prompt whose examples are still to be chosen.

    Attributes:
        ranked: the examples, the best first.
        k: the most to take; `None` is as many as fit.
    """

    parts: PromptParts
    turn: Turn
    budget: ContextBudget
    order: ExampleOrder
    ranked: Sequence[Candidate]
    k: int | None

    def likely_messages(self) -> list[BaseMessage]:
        """Return the messages with all examples that may be taken, if they are few enough to fit; else without."""
        return self._messages(self._tried_first)

    @property
    def may_fit(self) -> bool:
        """Whether the input is not far too long, which is seen without encoding all of it."""
        return self.budget.estimate_too_long(self.turn.input) is None

    @property
    def rendered_input(self) -> str:
        """The input with its label and its question."""
        return render_input(self.parts, self.turn, self.budget.layout)

    @cached_property
    def _usable(self) -> list[Candidate]:
        return [one for one in self.ranked if not same_text(one.example["input"], self.turn.input)]

    @property
    def _tried_first(self) -> list[Candidate]:
        kept = self._usable[: self.k]
        size = sum(len(candidate.example["input"]) for candidate in kept)
        return kept if size <= _MAX_TOKEN_CHARACTERS * self.budget.available else []

    def fit(self) -> FittedPrompt:
        """Take the best examples that fit, by rank; after one that is too long a shorter one may still fit.

        Raises:
            ContextWindowExceeded: even without examples the prompt does not fit.
            PromptError: an example is longer than the window by itself.
        """
        if estimated := self.budget.estimate_too_long(self.turn.input):
            raise self._too_long(estimated)
        usable, kept = self._usable, self._tried_first
        # With plenty of space for all of them, `_choose` would take the same ones, but measure further prompts.
        tokens = self._measure(kept) if kept else self.budget.window
        costs = {}
        if tokens > self.budget.available - _PLENTY * (len(kept) + 1):
            base = self._measure(())
            if base > self.budget.available:
                raise self._too_long(base)
            costs = {candidate.number: self._example_tokens(candidate) for candidate in usable}
            kept, tokens = self._choose(usable, costs, self.k, base)
        costs = costs or {candidate.number: self._example_tokens(candidate) for candidate in usable}
        messages = self._messages(kept)
        left_out = _left_out(self.ranked, kept, costs, is_full=self.k is not None and len(kept) >= self.k)
        return FittedPrompt(
            messages=messages,
            text=transcript(messages) if self.budget.layout == "chat" else str(messages[0].content),
            tokens=tokens,
            examples=tuple(self._ordered(kept)),
            report=Report(
                self._parts_used(kept, costs, tokens), left_out, self.budget.window, self.budget.changes(messages)
            ),
            layout=self.budget.layout,
            stop=stop_strings(self.parts, self.turn.values, self.budget.layout),
        )

    def _too_long(self, tokens: int) -> ContextWindowExceeded:
        """Return the error of a prompt of so many tokens, with what can make it fit."""
        needed, window = tokens + self.budget.reserved, self.budget.window
        alone = replace(self, turn=replace(self.turn, input=""))._measure(())
        if alone < window:
            return ContextWindowExceeded(needed, window)
        advice = f"without any input the prompt has {alone}: shorten the prompt, or choose a model with a larger window"
        return ContextWindowExceeded(needed, window, advice=advice)

    def _ordered(self, kept: Sequence[Candidate]) -> list[Example]:
        """Return the examples in the order of the prompt; `kept` has the best first."""
        best_first = [candidate.example for candidate in kept]
        return best_first[::-1] if self.order == "best_last" else best_first

    def _messages(self, kept: Sequence[Candidate]) -> list[BaseMessage]:
        turns = [Turn.from_example(example, self.turn.values) for example in self._ordered(kept)]
        return render(self.parts, [*turns, self.turn], self.budget.layout)

    def _measure(self, kept: Sequence[Candidate]) -> int:
        """Return the tokens of the whole prompt with these examples."""
        return self.budget.count(self._messages(kept))

    def _example_tokens(self, candidate: Candidate) -> int:
        """Return the tokens of an example's texts, without markup; more than the whole window are refused."""
        turn = Turn.from_example(candidate.example, self.turn.values)
        texts = (render_input(self.parts, turn, self.budget.layout), render_output(self.parts, turn))
        tokens = sum(map(self.budget.count_cached, texts))
        if tokens > self.budget.window:
            raise PromptError(
                f"example {candidate.number} has {tokens} tokens, more than the model's context window of "
                f"{self.budget.window}: shorten it, or leave it out"
            )
        return tokens

    def _choose(
        self, usable: Sequence[Candidate], tokens_of: Mapping[int, int], k: int | None, base: int
    ) -> tuple[list[Candidate], int]:
        """Return the examples to take, and the tokens of the whole prompt with them.

        The sum of the parts is only an estimate, for tokens may join over a border between parts: so the whole is
        counted, and the choice made again with the difference.
        """
        if not usable or k == 0:
            return [], base
        markup = self._measure(usable[:1]) - base - tokens_of[usable[0].number]
        costs = {number: max(1, tokens + markup) for number, tokens in tokens_of.items()}
        available = self.budget.available

        def greedy(left: int) -> list[Candidate]:
            kept: list[Candidate] = []
            for candidate in usable:
                if costs[candidate.number] <= left and (k is None or len(kept) < k):
                    kept.append(candidate)
                    left -= costs[candidate.number]
            return kept

        def estimate(kept: Sequence[Candidate]) -> int:
            return sum(costs[candidate.number] for candidate in kept)

        kept = greedy(available - base)
        tokens = self._measure(kept)
        spare = base + estimate(kept) - tokens
        if spare > 0 and (wider := greedy(available - base + spare)) != kept:
            measured = self._measure(wider)
            if measured <= available:
                return wider, measured
        while tokens > available:
            kept = greedy(estimate(kept) - (tokens - available))
            tokens = self._measure(kept)
        return kept, tokens

    def _parts_used(self, kept: Sequence[Candidate], costs: Mapping[int, int], tokens: int) -> tuple[Part, ...]:
        """Return the parts of the window, of which the prompt takes `tokens`."""
        parts, turn, budget = self.parts, self.turn, self.budget
        texts = [
            Part("instruction", budget.count_cached(fill(parts.instruction, turn.values))),
            *(Part(str(candidate), costs[candidate.number]) for candidate in kept),
            Part("input", budget.count_text(self.rendered_input)),
            Part("output start", budget.count_cached(render_output(parts, turn))),
        ]
        return (
            *(part for part in texts if part.tokens),
            Part("markup", tokens - sum(part.tokens for part in texts)),
            Part("reserved for the completion", budget.reserved),
            Part("free", budget.available - tokens),
        )


def _left_out(
    ranked: Sequence[Candidate], kept: Sequence[Candidate], costs: Mapping[int, int], is_full: bool
) -> tuple[LeftOut, ...]:
    taken = {candidate.number for candidate in kept}
    left, more = [], len(kept)
    for candidate in ranked:
        if candidate.number in taken:
            more -= 1
        elif candidate.number not in costs:
            left.append(LeftOut(candidate, 0, "equals the input"))
        else:
            # After the last of the k best that were taken, nothing else was tried.
            reason: Reason = "is beyond the k best" if is_full and more == 0 else "does not fit"
            left.append(LeftOut(candidate, costs[candidate.number], reason))
    return tuple(left)

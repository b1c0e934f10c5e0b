"""How a long source becomes one summary: in one prompt, by map-reduce, or by refining from part to part.

Every strategy is a generator of rounds: it yields questions, is sent their answers, and returns the last question, or
the summary, if sentences about the parts are chosen for it. It ends: each level of map-reduce has fewer parts than the
one before, and refining has a round for each part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from llmkit.chains.lockstep import Question, Rounds
from llmkit.chains.postprocess import is_complete, is_sentence, tidy
from llmkit.chains.summarization.documents import (
    Counter,
    Part,
    Source,
    SourcePassage,
    cut,
    evenly,
    joined,
    packed,
    whole,
)
from llmkit.chains.summarization.extractive import select
from llmkit.errors import ContextWindowExceeded, GenerationError, ReductionError
from llmkit.prompts import TaskPrompt
from llmkit.prompts.context_budget import ContextBudget
from llmkit.text.segmentation import sentences

Strategy = Literal["stuff", "map_reduce", "refine"]

PARTS_AT_ONCE = 4
"""A prompt that combines summaries has room for so many at their longest."""
LEAST_TOKENS = 8
"""In less room a summary of a part can say nothing."""
MAX_LEVELS = 12
"""Enough for millions of parts."""
BORDERS = 16
"""Tokens to spare where texts that were counted alone stand side by side."""


@dataclass(frozen=True)
class LastQuestion:
    """The question whose answer is the summary."""

    question: Question
    passages: tuple[SourcePassage, ...]
    strategy: Strategy


@dataclass(frozen=True)
class Chosen:
    """The summary: sentences about the parts; not complete, if the model ended none of them."""

    text: str
    complete: bool
    passages: tuple[SourcePassage, ...]
    strategy: Strategy


End = LastQuestion | Chosen


@dataclass(frozen=True)
class Prompts:
    """What a model is asked.

    Attributes:
        part: asks for the summary of a part, or of a source that is whole.
        combine: asks for one summary of several; `None` where sentences of these are chosen.
        refine: asks for a summary of a part and of what was before it, its field `summary`.
    """

    part: TaskPrompt
    combine: TaskPrompt | None
    refine: TaskPrompt


@dataclass(frozen=True)
class Reduction:
    """The strategies. The `last` question has prompts of its own, which say how long the summary may be.

    Attributes:
        settings: what every call of the model is to have.
    """

    llm: BaseChatModel
    prompts: Prompts
    last: Prompts
    max_new_tokens: int
    max_words: int | None = None
    max_passage_tokens: int | None = None
    context_window: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chooses(self) -> bool:
        """Whether map-reduce chooses sentences, and asks no last question."""
        return self.last.combine is None

    def auto(self, source: Source) -> Rounds[End]:
        """Take the whole source where it fits and is no longer than two passages may be, else map-reduce."""
        size = self._counter.get_num_tokens(whole(source, self._counter).text)
        if size <= 2 * self._limited(size):  # what is cut in two must be put together again, which costs more
            with suppress(ContextWindowExceeded):
                return (yield from self.stuff(source))
        return (yield from self.map_reduce(source))

    def stuff(self, source: Source) -> Rounds[End]:
        """Ask once, with the whole source."""
        yield from ()
        part = whole(source, self._counter)
        return LastQuestion(self._ask(self.last.part, part.text), part.passages, "stuff")

    def map_reduce(self, source: Source) -> Rounds[End]:
        """Summarize parts, and combine their summaries, level by level, until one prompt holds them.

        Without a prompt for that, choose among the sentences of the first level.
        """
        combine, between = self.last.combine, self.prompts.combine
        tokens = self._tokens_of_a_part(self.last.part if combine is None else combine)
        everything = whole(source, self._counter)
        parts, questions = self._fit(self.prompts.part, tokens, lambda most: cut(everything, self._counter, most))
        if len(parts) == 1:
            return (yield from self.stuff(source))
        for _ in range(MAX_LEVELS):
            parts = _summarized(parts, (yield questions))
            passages = tuple(each for part in parts for each in part.passages)
            if combine is None or between is None:
                return Chosen(*self._chosen(parts), passages, "map_reduce")
            try:
                return LastQuestion(self._ask(combine, joined(parts)), passages, "map_reduce")
            except ContextWindowExceeded:
                parts, questions = self._combine(between, parts, tokens)
        raise ReductionError(f"after {MAX_LEVELS} levels there are still {len(parts)} summaries of parts")

    def refine(self, source: Source) -> Rounds[End]:
        """Summarize the first part; then, part by part, the summary so far and what comes next."""
        tokens = self._tokens_of_a_part(self.last.refine)
        space = min(self._space(self.last.part), self._space(self.last.refine)) - BORDERS
        everything, most = whole(source, self._counter), self._limited(space - self.max_new_tokens - tokens)
        first, *rest = evenly(lambda size: cut(everything, self._counter, size), most)
        if not rest:
            return (yield from self.stuff(source))
        question = self._ask(self.prompts.part, first.text, tokens)
        passages: list[SourcePassage] = []
        reading = first
        while rest:
            [done] = _summarized([reading], (yield [question]))
            passages += done.passages
            question, rest = self._go_on(done.text, rest, tokens)
            reading = rest.pop(0)
        return LastQuestion(question, (*passages, *reading.passages), "refine")

    def _go_on(self, summary: str, rest: list[Part], tokens: int) -> tuple[Question, list[Part]]:
        """Ask about the first part that is left, which gets shorter where the summary so far is longer than usual."""
        while True:
            last = len(rest) == 1
            try:
                if last:
                    return self._ask(self.last.refine, rest[0].text, summary=summary), rest
                return self._ask(self.prompts.refine, rest[0].text, tokens, summary=summary), rest
            except ContextWindowExceeded as error:
                size = self._counter.get_num_tokens(rest[0].text)
                most = size - (error.needed - error.available) - BORDERS
                if most < LEAST_TOKENS:
                    raise _passed_over(tokens, self._counter.get_num_tokens(summary)) from error
                rest = [*cut(rest[0], self._counter, most), *rest[1:]]

    def _chosen(self, parts: list[Part]) -> tuple[str, bool]:
        """Give the sentences about the parts that tell most of the whole, as many as there is room for."""
        text, _ = tidy(joined(parts), complete=True)
        everything = [span.of(text) for span in sentences(text)]
        told = [each for each in everything if is_sentence(each)]
        complete, told = bool(told), told or everything
        if self.max_words is not None:
            sizes, room = [len(each.split()) for each in told], self.max_words
        else:
            sizes, room = [self._counter.get_num_tokens(each) for each in told], self.max_new_tokens
        between = " " if complete else "\n"
        return between.join(told[place] for place in select(told, sizes, room)), complete

    def _combine(self, prompt: TaskPrompt, parts: list[Part], tokens: int) -> tuple[list[Part], list[Question]]:
        """Group neighbours; each group's summaries are to become one."""
        size = max(self._counter.get_num_tokens(part.text) for part in parts)
        try:
            groups, questions = self._fit(prompt, tokens, lambda most: packed(parts, self._counter, max(most, size)))
        except ContextWindowExceeded as error:
            raise _passed_over(tokens, size) from error
        if len(groups) >= len(parts):
            raise ReductionError(f"{len(parts)} summaries of parts, of up to {size} tokens, stay as many")
        return groups, questions

    def _fit(
        self, prompt: TaskPrompt, tokens: int, divide: Callable[[int], list[Part]]
    ) -> tuple[list[Part], list[Question]]:
        """Divide into as few parts as fit the prompt, alike in size."""
        most = self._limited(self._space(prompt) - tokens)
        while True:
            parts = evenly(divide, most)
            try:
                return parts, [self._ask(prompt, part.text, tokens) for part in parts]
            except ContextWindowExceeded as error:  # counted together, texts may have more tokens than alone
                most -= max(error.needed - error.available, BORDERS)
                if most < LEAST_TOKENS:
                    raise

    def _limited(self, most: int) -> int:
        return min(most, self.max_passage_tokens or most)

    def _tokens_of_a_part(self, prompt: TaskPrompt) -> int:
        """The room for the summary of a part.

        Raises:
            ContextWindowExceeded: there is none, or none for the text beside it.
        """
        space = min(self._space(self.last.part), self._space(prompt)) - BORDERS
        tokens = min(self.max_new_tokens, (space - self.max_new_tokens) // PARTS_AT_ONCE)
        if tokens < LEAST_TOKENS:
            window = self._room.window
            needed = window - space + self.max_new_tokens + PARTS_AT_ONCE * LEAST_TOKENS
            raise ContextWindowExceeded(needed, window, "the instruction, some text and the room for its summary")
        return tokens

    def _space(self, prompt: TaskPrompt) -> int:
        """The tokens that a prompt leaves for its input and the answer; its examples take up to half the window."""
        fields: dict[str, Any] = {name: "" for name in prompt.fields if name == "summary"}
        half = self._room.window // 2
        for reserve in (half, 0):
            try:
                empty = prompt.fit(
                    "", model=self.llm, max_new_tokens=reserve, context_window=self.context_window, **fields
                )
                break
            except ContextWindowExceeded:
                if not reserve:
                    raise
        return self._room.window - empty.tokens

    def _ask(self, prompt: TaskPrompt, text: str, tokens: int | None = None, **fields: Any) -> Question:
        room = self.max_new_tokens if tokens is None else tokens
        fitted = prompt.fit(text, model=self.llm, max_new_tokens=room, context_window=self.context_window, **fields)
        return Question(fitted, room, self.settings)

    @cached_property
    def _room(self) -> ContextBudget:
        return ContextBudget(self.llm, self.max_new_tokens, self.context_window)

    @cached_property
    def _counter(self) -> Counter:
        return Counter(self._room.count_text, getattr(self._room.model, "token_offsets", None))


def _summarized(parts: list[Part], answers: list[AIMessage]) -> list[Part]:
    texts = [tidy(answer.text, is_complete(answer))[0] for answer in answers]
    if not any(texts):
        raise GenerationError("the model gave an empty summary of every part: try another prompt or model")
    return [part.summarized(text) for part, text in zip(parts, texts, strict=True)]


def _passed_over(tokens: int, size: int) -> ReductionError:
    return ReductionError(f"a summary that may have {tokens} tokens has {size}")

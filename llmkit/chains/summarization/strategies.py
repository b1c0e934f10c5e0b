"""How a long source becomes one summary: in one prompt, or by map-reduce.

Every strategy is a generator of `Steps`: it yields model calls, is sent their answers, and returns an `Outcome`. It
ends, because each level of map-reduce has fewer parts than the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from llmkit.chains.lockstep import ModelCall, Steps
from llmkit.chains.postprocess import clean_completion, is_complete, is_sentence
from llmkit.chains.summarization.documents import (
    ModelTokenCounter,
    Part,
    Source,
    SourcePassage,
    join_texts,
    pack_parts,
    split_evenly,
    split_part,
    whole_source,
)
from llmkit.chains.summarization.extractive import select_sentences
from llmkit.errors import ContextWindowExceeded, GenerationError, ReductionError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.context_budget import ContextBudget
from llmkit.text.segmentation import count_tokens, sentences
from llmkit.text.words import count_words

Strategy = Literal["stuff", "map_reduce", "source"]
StrategyChoice = Literal["auto", "stuff", "map_reduce"]

MAX_TITLE_WORDS = 10  # a text of so few words is a title or a remark: a summary of it would only add to it
MIN_SUMMARIES = 4  # a prompt that combines summaries must have space for so many of the longest ones
MIN_TOKENS = 8  # a summary of a part cannot say anything in fewer
MAX_LEVELS = 12  # enough for millions of parts
MARGIN = 16  # tokens that stay free, because texts that are joined may have more tokens than alone


@dataclass(frozen=True)
class Evidence:
    """A part of the source, and the prompt in which the model reads it."""

    text: str
    prompt: FittedPrompt


@dataclass(frozen=True)
class Outcome:
    """What a strategy returns.

    Attributes:
        call: the model call whose answer is the summary; `None` if `text` is it.
        text: the summary, if there is no call; with "stuff" the source, which may be shorter than its summary.
        complete: whether the model finished any of the selected sentences.
        evidence: the parts of the source that the model reads.
    """

    strategy: Strategy
    passages: tuple[SourcePassage, ...]
    call: ModelCall | None = None
    text: str = ""
    complete: bool = True
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Prompts:
    """Prompts for the summary of a part or the whole, and to combine summaries; `None` to select their sentences."""

    part: TaskPrompt
    combine: TaskPrompt | None


@dataclass(frozen=True)
class Summarizer:
    """The strategies.

    Attributes:
        prompts: for summaries of parts.
        final_prompts: for the final summary; they tell the model how long it may be.
        max_new_tokens, max_words: of the final summary.
        max_passage_tokens: the longest passage, even where the window has space for more.
        relevance: see `SummarizationTuning`.
        settings: generation settings of every model call.
    """

    llm: BaseChatModel
    prompts: Prompts
    final_prompts: Prompts
    max_new_tokens: int
    max_words: int | None = None
    max_passage_tokens: int | None = None
    context_window: int | None = None
    relevance: float = 0.7
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def selects_sentences(self) -> bool:
        """Whether map-reduce selects sentences, without a final model call."""
        return self.final_prompts.combine is None

    def steps(self, strategy: StrategyChoice, source: Source) -> Steps[Outcome]:
        """Summarize by a strategy; give a title, which cannot be shorter, back."""
        whole = whole_source(source, self._counter)
        if self._is_title(whole.text):
            return Outcome("source", whole.passages, text=whole.text.strip())
        if strategy == "auto":
            return (yield from self._auto(whole))
        return (yield from (self._stuff(whole) if strategy == "stuff" else self._map_reduce(whole)))

    def _auto(self, whole: Part) -> Steps[Outcome]:
        """Read the whole source if it fits and is at most two passages long, else map-reduce."""
        size = whole.passages[0].tokens if len(whole.passages) == 1 else count_tokens(whole.text, self._counter)
        if size <= 2 * self._limit(size):  # two parts would have to be combined again, which costs more
            with suppress(ContextWindowExceeded):
                return (yield from self._stuff(whole))
        return (yield from self._map_reduce(whole))

    def _stuff(self, whole: Part) -> Steps[Outcome]:
        """Put the whole source into one prompt."""
        yield from ()
        call, text = self._call(self.final_prompts.part, whole.text), whole.text.strip()
        return Outcome("stuff", whole.passages, call, text, evidence=(Evidence(text, call.prompt),))

    def _map_reduce(self, whole: Part) -> Steps[Outcome]:
        """Summarize parts and combine their summaries, level by level, until one prompt holds them; or select."""
        combine, combine_some = self.final_prompts.combine, self.prompts.combine
        tokens = self._part_tokens(self.final_prompts.part if combine is None else combine)
        parts, calls = self._divide(self.prompts.part, tokens, lambda size: split_part(whole, self._counter, size))
        if len(parts) == 1:
            return (yield from self._stuff(whole))
        evidence = tuple(Evidence(part.text, call.prompt) for part, call in zip(parts, calls, strict=True))
        for _ in range(MAX_LEVELS):
            parts = _summarized(parts, (yield calls))
            passages = tuple(passage for part in parts for passage in part.passages)
            if combine is None or combine_some is None:
                return Outcome("map_reduce", passages, None, *self._select(parts), evidence)
            try:
                return Outcome("map_reduce", passages, self._call(combine, join_texts(parts)), evidence=evidence)
            except ContextWindowExceeded:
                parts, calls = self._combine(combine_some, parts, tokens)
        raise ReductionError(f"after {MAX_LEVELS} levels there are still {len(parts)} summaries of parts")

    def _select(self, parts: list[Part]) -> tuple[str, bool]:
        """Return the sentences that say most about the whole, within the limit, and whether any is complete."""
        text, _ = clean_completion(join_texts(parts), complete=True)
        found = [span.of(text) for span in sentences(text)]
        complete = [sentence for sentence in found if is_sentence(sentence)]
        candidates = complete or found
        count = self._counter.get_num_tokens if self.max_words is None else count_words
        sizes = [count(sentence) for sentence in candidates]
        selected = select_sentences(candidates, sizes, self.max_words or self.max_new_tokens, self.relevance)
        return (" " if complete else "\n").join(candidates[index] for index in selected), bool(complete)

    def _combine(self, prompt: TaskPrompt, parts: list[Part], tokens: int) -> tuple[list[Part], list[ModelCall]]:
        """Group neighbours, and ask for one summary of each group."""
        longest = max(self._counter.get_num_tokens(part.text) for part in parts)
        try:
            groups, calls = self._divide(
                prompt, tokens, lambda size: pack_parts(parts, self._counter, max(size, longest))
            )
        except ContextWindowExceeded as error:
            raise ReductionError(f"a summary that may have {tokens} tokens has {longest}") from error
        if len(groups) >= len(parts):
            raise ReductionError(f"{len(parts)} summaries of parts, of up to {longest} tokens, stay as many")
        return groups, calls

    def _divide(
        self, prompt: TaskPrompt, tokens: int, divide: Callable[[int], list[Part]]
    ) -> tuple[list[Part], list[ModelCall]]:
        """Divide into as few parts of similar size as fit the prompt, and return them with their model calls."""
        size = self._limit(self._space(prompt) - tokens)
        while True:
            parts = split_evenly(divide, size)
            try:
                return parts, [self._call(prompt, part.text, tokens) for part in parts]
            except ContextWindowExceeded as error:  # joined texts may have more tokens than each alone
                size -= max(error.needed - error.available, MARGIN)
                if size < MIN_TOKENS:
                    raise

    def _is_title(self, text: str) -> bool:
        """Return whether a text is so short that no summary is shorter, and within the limits of a summary."""
        if count_words(text) > min(MAX_TITLE_WORDS, self.max_words or MAX_TITLE_WORDS):
            return False
        return self._counter.get_num_tokens(text) <= self.max_new_tokens

    def _limit(self, tokens: int) -> int:
        return min(tokens, self.max_passage_tokens or tokens)

    def _part_tokens(self, prompt: TaskPrompt) -> int:
        """Return the tokens of the summary of a part; raise `ContextWindowExceeded` if the window has too few."""
        space = min(self._space(self.final_prompts.part), self._space(prompt)) - MARGIN
        tokens = min(self.max_new_tokens, (space - self.max_new_tokens) // MIN_SUMMARIES)
        if tokens < min(MIN_TOKENS, self.max_new_tokens):
            needed = self._budget.window - space + self.max_new_tokens + MIN_SUMMARIES * MIN_TOKENS
            what = "the instruction, some text and the tokens reserved for its summary"
            raise ContextWindowExceeded(needed, self._budget.window, what)
        return tokens

    def _space(self, prompt: TaskPrompt) -> int:
        """Return the tokens of the window beside the prompt, whose examples take up to half of it."""
        window = self._budget.window
        try:
            return window - self._fit(prompt, "", window // 2).tokens
        except ContextWindowExceeded:
            return window - self._fit(prompt, "", 0).tokens

    def _fit(self, prompt: TaskPrompt, text: str, reserve: int) -> FittedPrompt:
        return prompt.fit(text, model=self.llm, max_new_tokens=reserve, context_window=self.context_window)

    def _call(self, prompt: TaskPrompt, text: str, tokens: int | None = None) -> ModelCall:
        reserve = self.max_new_tokens if tokens is None else tokens
        return ModelCall(self._fit(prompt, text, reserve), reserve, self.settings)

    @cached_property
    def _budget(self) -> ContextBudget:
        return ContextBudget(self.llm, self.max_new_tokens, self.context_window)

    @cached_property
    def _counter(self) -> ModelTokenCounter:
        return ModelTokenCounter(self._budget.count_text, getattr(self._budget.model, "token_offsets", None))


def _summarized(parts: list[Part], answers: list[AIMessage]) -> list[Part]:
    summaries = [clean_completion(answer.text, is_complete(answer))[0] for answer in answers]
    if not any(summaries):
        raise GenerationError("the model gave an empty summary of every part: try another prompt or model")
    return [part.with_summary(summary) for part, summary in zip(parts, summaries, strict=True)]

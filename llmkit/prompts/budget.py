"""How many examples fit beside the input and the room for the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.prompts.context_budget import ContextBudget
from llmkit.prompts.examples import Candidate, Example, same_text
from llmkit.prompts.fields import fill
from llmkit.prompts.rendering import Case, Layout, Wording, answer, ask, lay_out, solved, stops, transcript
from llmkit.prompts.report import LeftOut, Part, Report


@dataclass(frozen=True)
class FittedPrompt:
    """A prompt that fits: `tokens` and the room for the answer are within the model's window.

    Attributes:
        messages: what the model gets, as in `llm.invoke(fitted.messages)`; plain text is one message.
        text: the same as plain text; chat turns stand under the names of their roles.
        tokens: of the whole prompt as the model receives it, chat markup included.
        examples: those that are in it, in the order in which they stand.
        report: how the window is spent, and what was left out.
        layout: how it is laid out.
        stop: strings at which an answer in this layout is over.
    """

    messages: list[BaseMessage]
    text: str
    tokens: int
    examples: tuple[Example, ...]
    report: Report
    layout: Layout
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A prompt whose examples are still to be chosen."""

    wording: Wording
    case: Case
    room: ContextBudget
    best_last: bool

    def ordered(self, kept: Sequence[Candidate]) -> list[Example]:
        """Give the examples in the order in which they stand; `kept` has the best first."""
        return [each.example for each in (reversed(kept) if self.best_last else kept)]

    def messages(self, kept: Sequence[Candidate]) -> list[BaseMessage]:
        """Lay the prompt out with these examples."""
        cases = [solved(example, self.case.values) for example in self.ordered(kept)]
        return lay_out(self.wording, cases, self.case, self.room.layout)

    def measure(self, kept: Sequence[Candidate]) -> int:
        """Give the tokens of the whole prompt with these examples."""
        return self.room.count(self.messages(kept))

    def words(self, candidate: Candidate) -> int:
        """Give the tokens of an example's words, without markup.

        Raises:
            PromptError: they are more than the model's whole window.
        """
        case = solved(candidate.example, self.case.values)
        turns = (ask(self.wording, case, self.room.layout), answer(self.wording, case))
        tokens = sum(self.room.remembered(turn) for turn in turns)
        if tokens > self.room.window:
            raise PromptError(
                f"example {candidate.number} has {tokens} tokens, more than the model's context window of "
                f"{self.room.window}: shorten it, or leave it out"
            )
        return tokens


def fit(draft: Draft, ranked: Sequence[Candidate], most: int | None) -> FittedPrompt:
    """Take the best examples that fit, by rank; after one that is too long a shorter one may still fit.

    Raises:
        ContextWindowExceeded: even without examples the prompt does not fit.
        PromptError: an example is longer than the window by itself.
    """
    room, case = draft.room, draft.case
    base = draft.measure(())
    if base > room.available:
        raise ContextWindowExceeded(base + room.reserve, room.window)
    usable = [each for each in ranked if not same_text(each.example["input"], case.input)]
    words = {each.number: draft.words(each) for each in usable}
    kept, tokens = _choose(draft, usable, words, most, base)
    messages = draft.messages(kept)
    full = most is not None and len(kept) >= most
    return FittedPrompt(
        messages=messages,
        text=transcript(messages) if room.layout == "chat" else str(messages[0].content),
        tokens=tokens,
        examples=tuple(draft.ordered(kept)),
        report=Report(_parts(draft, kept, words, tokens), _left_out(ranked, kept, words, full), room.window),
        layout=room.layout,
        stop=stops(draft.wording, case.values, room.layout),
    )


def _choose(
    draft: Draft, usable: Sequence[Candidate], words: Mapping[int, int], most: int | None, base: int
) -> tuple[list[Candidate], int]:
    """The examples to take, and the tokens of the whole prompt with them.

    Parts are counted once and added up. The sum is only near the truth, for tokens may join over a border
    between parts: so the whole is counted, and the choice made again with the difference.
    """
    if not usable or most == 0:
        return [], base
    markup = draft.measure(usable[:1]) - base - words[usable[0].number]
    costs = {number: max(1, tokens + markup) for number, tokens in words.items()}
    available = draft.room.available

    def greedy(room: int) -> list[Candidate]:
        kept: list[Candidate] = []
        for each in usable:
            if costs[each.number] <= room and (most is None or len(kept) < most):
                kept.append(each)
                room -= costs[each.number]
        return kept

    def cost(kept: Sequence[Candidate]) -> int:
        return sum(costs[each.number] for each in kept)

    kept = greedy(available - base)
    tokens = draft.measure(kept)
    spare = base + cost(kept) - tokens
    if spare > 0 and (wider := greedy(available - base + spare)) != kept:
        measured = draft.measure(wider)
        if measured <= available:
            return wider, measured
    while tokens > available:
        kept = greedy(cost(kept) - (tokens - available))
        tokens = draft.measure(kept)
    return kept, tokens


def _parts(draft: Draft, kept: Sequence[Candidate], words: Mapping[int, int], tokens: int) -> tuple[Part, ...]:
    wording, case, room = draft.wording, draft.case, draft.room
    spoken = [
        Part("instruction", room.remembered(fill(wording.instruction, case.values))),
        *(Part(str(each), words[each.number]) for each in kept),
        Part("input", room.count_text(ask(wording, case, room.layout))),
        Part("start of the answer", room.remembered(answer(wording, case))),
    ]
    return (
        *(part for part in spoken if part.tokens),
        Part("markup", tokens - sum(part.tokens for part in spoken)),
        Part("kept for the answer", room.reserve),
        Part("free", room.available - tokens),
    )


def _left_out(
    ranked: Sequence[Candidate], kept: Sequence[Candidate], words: Mapping[int, int], full: bool
) -> tuple[LeftOut, ...]:
    taken = {each.number for each in kept}
    left, more = [], len(kept)
    for each in ranked:
        if each.number in taken:
            more -= 1
        elif each.number not in words:
            left.append(LeftOut(each, 0, "equals the input"))
        else:
            beyond = full and more == 0  # the k best were found before this one
            left.append(LeftOut(each, words[each.number], "is beyond the k best" if beyond else "does not fit"))
    return tuple(left)

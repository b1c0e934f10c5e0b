"""How many examples fit beside the input and the room for the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.prompts.counting import Room
from llmkit.prompts.examples import Candidate, Example, same_text
from llmkit.prompts.fields import fill
from llmkit.prompts.layout import Case, Layout, Wording, answer, ask, stops, to_messages, to_text
from llmkit.prompts.report import LeftOut, Part, Report


@dataclass(frozen=True)
class FittedPrompt:
    """A prompt that fits: `tokens` and the room for the answer are within the model's window.

    Attributes:
        messages: what the model gets, `llm.invoke(fitted.messages)`; one message in the layouts of plain text.
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


def fit(
    wording: Wording, case: Case, ranked: Sequence[Candidate], *, most: int | None, room: Room, best_last: bool
) -> FittedPrompt:
    """Take the best examples that fit, by rank; after one that is too long a shorter one may still fit.

    Raises:
        ContextWindowExceeded: even without examples the prompt does not fit.
        PromptError: an example is longer than the window by itself.
    """

    def lay_out(chosen: Sequence[Candidate]) -> list[BaseMessage]:
        cases = [case_of(each.example, case.values) for each in (reversed(chosen) if best_last else chosen)]
        if room.layout == "chat":
            return to_messages(wording, cases, case)
        return alone(to_text(wording, cases, case, room.layout))

    base = room.count(lay_out(()))
    if base > room.available:
        raise ContextWindowExceeded(base + room.reserve, room.window)
    usable = [each for each in ranked if not same_text(each.example["input"], case.input)]
    costs = {each.number: _cost(wording, case, each, room) for each in usable}
    kept, tokens = _choose(usable, costs, most, base, room.available, lambda chosen: room.count(lay_out(chosen)))
    messages = lay_out(kept)
    return FittedPrompt(
        messages=messages,
        text=transcript(messages) if room.layout == "chat" else str(messages[0].content),
        tokens=tokens,
        examples=tuple(each.example for each in (reversed(kept) if best_last else kept)),
        report=_report(wording, case, ranked, kept, costs, tokens, room, full=most is not None and len(kept) >= most),
        layout=room.layout,
        stop=stops(wording, case.values, room.layout),
    )


def _cost(wording: Wording, case: Case, candidate: Candidate, room: Room) -> int:
    """The tokens of an example's words, without chat markup."""
    solved = case_of(candidate.example, case.values)
    tokens = room.remembered(ask(wording, solved, room.layout)) + room.remembered(answer(wording, solved))
    if tokens > room.window:
        raise PromptError(
            f"example {candidate.number} has {tokens} tokens, more than the model's whole context window of "
            f"{room.window}: shorten it, or leave it out"
        )
    return tokens


def _choose(
    usable: Sequence[Candidate],
    costs: Mapping[int, int],
    most: int | None,
    base: int,
    available: int,
    measure: Callable[[Sequence[Candidate]], int],
) -> tuple[list[Candidate], int]:
    """The examples to take, and the tokens of the whole prompt with them.

    Parts are counted once and added up; the sum is only near the truth, for tokens may join over a border between
    parts. So the whole is counted, and the choice made again with the difference.
    """
    if not usable or most == 0:
        return [], base
    markup = measure(usable[:1]) - base - costs[usable[0].number]

    def greedy(room: int) -> list[Candidate]:
        kept = []
        for each in usable:
            cost = max(1, costs[each.number] + markup)
            if cost <= room and (most is None or len(kept) < most):
                kept.append(each)
                room -= cost
        return kept

    def estimate(kept: Sequence[Candidate]) -> int:
        return sum(max(1, costs[each.number] + markup) for each in kept)

    kept = greedy(available - base)
    tokens = measure(kept)
    spare = base + estimate(kept) - tokens
    if spare > 0 and (wider := greedy(available - base + spare)) != kept:
        measured = measure(wider)
        if measured <= available:
            return wider, measured
    while tokens > available:
        kept = greedy(estimate(kept) - (tokens - available))
        tokens = measure(kept)
    return kept, tokens


def _report(
    wording: Wording,
    case: Case,
    ranked: Sequence[Candidate],
    kept: Sequence[Candidate],
    costs: Mapping[int, int],
    tokens: int,
    room: Room,
    *,
    full: bool,
) -> Report:
    words = {
        "instruction": room.remembered(fill(wording.instruction, case.values)),
        **{str(each): costs[each.number] for each in kept},
        "input": room.count_text(ask(wording, case, room.layout)),
        "start of the answer": room.remembered(answer(wording, case)),
    }
    parts = [Part(name, count) for name, count in words.items() if count]
    parts.append(Part("markup", tokens - sum(words.values())))
    parts.append(Part("kept for the answer", room.reserve))
    parts.append(Part("free", room.available - tokens))
    last = max((ranked.index(each) for each in kept), default=-1)
    left = []
    for place, each in enumerate(ranked):
        if each in kept:
            continue
        if each.number not in costs:
            left.append(LeftOut(each, 0, "equals the input"))
        else:
            left.append(LeftOut(each, costs[each.number], "is beyond the k best" if full and place > last else "does not fit"))
    return Report(tuple(parts), tuple(left), room.window)


def alone(text: str) -> list[BaseMessage]:
    """Give plain text as the only message, which models without a chat template take as it is."""
    return [HumanMessage(text)]


def transcript(messages: Sequence[BaseMessage]) -> str:
    """Give chat turns as text, each under the name of its role."""
    names = {"system": "System", "human": "User", "ai": "Assistant"}
    return "\n\n".join(f"{names[message.type]}:\n{message.content}" for message in messages)


def case_of(example: Example, values: Mapping[str, str]) -> Case:
    """Give an example as a solved case; its own values of fields go before the prompt's."""
    own = {name: value for name, value in example.items() if name not in ("input", "output")}
    return Case(example["input"], {**values, **own}, example["output"])

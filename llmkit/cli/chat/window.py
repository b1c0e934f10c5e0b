"""What the model sees of a conversation, and which turns go when its window gets full."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from llmkit.cli.chat.conversation.history import History, Turn, transcript
from llmkit.errors import ContextWindowExceeded, ReductionError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from llmkit.models.chat import HuggingFaceChat

ROOM = 512
KEPT = 0.75
"""When turns have to go, so many go that this share of the window beside the answer's room is enough for the rest.

Whatever goes changes what stands right after the system text, and the model reads all that follows anew. If only as
much went as must, each later turn would be as slow as that one; so it is one in many.
"""
LONGEST, SHORTEST = 192, 16
"""Tokens of a summary of the oldest turns; where there is no room for the fewest, there is none."""
_SPEAKERS = {"system": "system", "human": "you", "ai": "model"}


def laid_out(history: History) -> list[BaseMessage]:
    """Give the messages that the model gets: an answer that has begun is last, and left open.

    A summary begins the first message that is still seen: every chat template takes that, and the system text stays
    as it is, with what was computed for it.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    messages: list[BaseMessage] = [SystemMessage(history.system)] if history.system else []
    seen = history.turns[history.forgotten :]
    head = _head(history)
    for turn in seen:
        if turn.answer:
            messages += [HumanMessage(head + turn.said), AIMessage(turn.answer)]
            head = ""
    if seen and not seen[-1].answer:
        messages.append(HumanMessage(head + seen[-1].said))
    return messages


def _head(history: History) -> str:
    return f"Earlier in this conversation: {history.summary}\n\n" if history.summary else ""


def tokens(llm: HuggingFaceChat, history: History) -> int:
    """Count the tokens that the model gets, chat markup included."""
    messages = laid_out(history)
    return llm.get_num_tokens_from_messages(messages) if messages else 0


def room(llm: HuggingFaceChat) -> int:
    """Give the tokens that are kept free for an answer."""
    return llm.settings.max_new_tokens or min(ROOM, llm.context_window // 4)


def to_forget(llm: HuggingFaceChat, history: History, reserve: int = 0) -> int:
    """Give how many turns the model is not to see, so that the last one and its answer fit.

    The history ends with the turn that is to be answered; `reserve` tokens are kept free beside the room for it.

    Raises:
        ContextWindowExceeded: the last turn does not fit even alone.
    """
    last, window = len(history.turns) - 1, llm.context_window
    most = window - room(llm) - reserve

    def first(limit: float) -> int:
        return bisect_left(
            range(last), True, lo=history.forgotten, key=lambda n: _tokens_from(llm, history, n) <= limit
        )

    if history.forgotten > last or _tokens_from(llm, history, history.forgotten) + room(llm) <= window:
        return history.forgotten
    if (count := first(most * KEPT)) < last or (count := first(most)) < last:
        return count
    begun = history.turns[-1].answer != ""  # it goes on as far as there is room
    needed = _tokens_from(llm, history, last) + (1 if begun else llm.settings.max_new_tokens or 1)
    if needed > window:
        what = "the message and its answer so far" if begun else "the message and the room for its answer"
        raise ContextWindowExceeded(needed, window, what)
    return last


def less_room(llm: HuggingFaceChat, messages: list[BaseMessage]) -> dict[str, int]:
    """Give the settings for an answer that goes on where the window has less room than they say."""
    left = llm.context_window - llm.get_num_tokens_from_messages(messages)
    if left < 1:
        return {}
    asked = {name: getattr(llm.settings, name) for name in ("max_new_tokens", "min_new_tokens")}
    return {name: left for name, count in asked.items() if count and count > left}


def _tokens_from(llm: HuggingFaceChat, history: History, count: int) -> int:
    summary = history.summary if count == history.forgotten else ""
    return tokens(llm, replace(history, forgotten=count, summary=summary))


def spent(llm: HuggingFaceChat, history: History) -> list[tuple[str, int]]:
    """Give how the window is spent, part by part; the parts' tokens add up to those of the conversation."""
    parts: list[tuple[str, int]] = []
    head = _head(history)
    for message in laid_out(history):
        text = str(message.text)
        if head and text.startswith(head):
            parts.append((f"summary of {history.forgotten} turns", llm.get_num_tokens(head)))
            text, head = text.removeprefix(head), ""
        parts.append((f"{_SPEAKERS[message.type]}: {text}", llm.get_num_tokens(text)))
    if parts:  # what the template puts around them, a system text of its own where there is no other
        parts.append(("chat markup", tokens(llm, history) - sum(count for _, count in parts)))
    return parts


def check_system(llm: HuggingFaceChat, text: str, room: int | None = None) -> None:
    """Check that a system text leaves room for a message and an answer, of `room` tokens or as the settings say.

    Raises:
        ContextWindowExceeded: it does not.
    """
    least = History(system=text, turns=(Turn("?"),))
    needed = tokens(llm, least) + (room or llm.settings.max_new_tokens or 1)
    if needed > llm.context_window:
        raise ContextWindowExceeded(needed, llm.context_window, "the system text and the room for an answer")


def shortened(llm: HuggingFaceChat, after: History) -> tuple[int, str]:
    """Give how many of the first turns are to become a summary, and that summary, with that of earlier ones in it.

    Raises:
        LlmkitError: the summary cannot be made, or is too long to be worth it.
    """
    from llmkit.chains import SummarizationChain

    head = llm.get_num_tokens(_head(replace(after, summary="?")))
    length = _length(llm, after, head)
    if length < SHORTEST:
        raise ReductionError("a summary of the oldest turns has no place")
    count = to_forget(llm, after, reserve=length + head)
    old = f"{after.summary}\n" if after.summary else ""
    text = old + transcript(after.turns[after.forgotten : count])
    summary = SummarizationChain(llm, "summarize-dialogue", max_new_tokens=length).invoke(text).text
    short = replace(after, forgotten=count, summary=summary)
    if not summary or tokens(llm, short) + room(llm) > llm.context_window:
        raise ReductionError("the summary of the oldest turns is longer than its place")
    return count, summary


def _length(llm: HuggingFaceChat, after: History, head: int) -> int:
    """Give the most tokens that a summary may have: half of what is free, with the last but one turn if there is any.

    Without room for a summary beside that turn, it becomes part of it.
    """
    last, window = len(after.turns) - 1, llm.context_window
    for count in range(max(last - 1, after.forgotten + 1), last + 1):
        free = window - room(llm) - _tokens_from(llm, after, count) - head
        if free >= SHORTEST:
            return min(LONGEST, window // 8, max(SHORTEST, free // 2))
    return 0

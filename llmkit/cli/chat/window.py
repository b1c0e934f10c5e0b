"""What the model sees of a conversation, and which turns are dropped when its context window is full."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from llmkit.cli.chat.conversation.history import History, Turn, transcript
from llmkit.errors import ContextWindowExceeded, ReductionError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from llmkit.models.chat import HuggingFaceChat

DEFAULT_RESERVE = 512
TARGET_SHARE = 0.75
"""When turns are dropped, the others take at most this share of the window that is not reserved for the answer.

Dropping a turn changes what follows the system prompt, so that the prefix cache is of no use for the rest. If as few
turns as possible were dropped, each later turn would be as slow; so several are dropped at once.
"""
MAX_SUMMARY, MIN_SUMMARY = 192, 16
"""Tokens of a summary of the oldest turns; without space for the fewest there is none."""
_SPEAKERS = {"system": "system", "human": "you", "ai": "model"}


def build_messages(history: History) -> list[BaseMessage]:
    """Return the messages for the model; an answer that has begun is the last one, to be continued.

    A summary is put before the first message that is still seen: every chat template takes that, and the system
    prompt stays in the prefix cache.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    messages: list[BaseMessage] = [SystemMessage(history.system)] if history.system else []
    seen = history.turns[history.dropped :]
    head = _head(history)
    for turn in seen:
        if turn.answer:
            messages += [HumanMessage(head + turn.message), AIMessage(turn.answer)]
            head = ""
    if seen and not seen[-1].answer:
        messages.append(HumanMessage(head + seen[-1].message))
    return messages


def _head(history: History) -> str:
    return f"Earlier in this conversation: {history.summary}\n\n" if history.summary else ""


def count_tokens(llm: HuggingFaceChat, history: History) -> int:
    """Count the tokens that the model sees, chat markup included."""
    messages = build_messages(history)
    return llm.get_num_tokens_from_messages(messages) if messages else 0


def reserved_tokens(llm: HuggingFaceChat) -> int:
    """Return how many tokens are reserved for an answer."""
    return llm.settings.max_new_tokens or min(DEFAULT_RESERVE, llm.context_window // 4)


def count_dropped(llm: HuggingFaceChat, history: History, reserve: int = 0) -> int:
    """Return how many turns to drop, so that the last turn and its answer fit.

    The history ends with the turn that is to be answered; `reserve` tokens are kept free in addition.

    Raises:
        ContextWindowExceeded: the last turn does not fit even alone.
    """
    last, window = len(history.turns) - 1, llm.context_window
    most = window - reserved_tokens(llm) - reserve

    def first(limit: float) -> int:
        return bisect_left(range(last), True, lo=history.dropped, key=lambda n: _tokens_from(llm, history, n) <= limit)

    if history.dropped > last or _tokens_from(llm, history, history.dropped) + reserved_tokens(llm) <= window:
        return history.dropped
    if (count := first(most * TARGET_SHARE)) < last or (count := first(most)) < last:
        return count
    begun = history.turns[-1].answer != ""  # it is continued as far as it fits
    needed = _tokens_from(llm, history, last) + (1 if begun else llm.settings.max_new_tokens or 1)
    if needed > window:
        what = "the message and its answer so far" if begun else "the message and the tokens reserved for its answer"
        raise ContextWindowExceeded(needed, window, what)
    return last


def remaining_limits(llm: HuggingFaceChat, messages: list[BaseMessage]) -> dict[str, int]:
    """Return lower limits for an answer that is continued, where the window has fewer tokens left than they say."""
    left = llm.context_window - llm.get_num_tokens_from_messages(messages)
    if left < 1:
        return {}
    asked = {name: getattr(llm.settings, name) for name in ("max_new_tokens", "min_new_tokens")}
    return {name: left for name, count in asked.items() if count and count > left}


def _tokens_from(llm: HuggingFaceChat, history: History, count: int) -> int:
    summary = history.summary if count == history.dropped else ""
    return count_tokens(llm, replace(history, dropped=count, summary=summary))


def token_usage(llm: HuggingFaceChat, history: History) -> list[tuple[str, int]]:
    """Return the parts of the conversation with their tokens, which add up to all that the model sees."""
    parts: list[tuple[str, int]] = []
    head = _head(history)
    for message in build_messages(history):
        text = str(message.text)
        if head and text.startswith(head):
            parts.append((f"summary of {history.dropped} turns", llm.get_num_tokens(head)))
            text, head = text.removeprefix(head), ""
        parts.append((f"{_SPEAKERS[message.type]}: {text}", llm.get_num_tokens(text)))
    if parts:  # of the chat template, which may have a default system prompt
        parts.append(("chat markup", count_tokens(llm, history) - sum(count for _, count in parts)))
    return parts


def validate_system(llm: HuggingFaceChat, text: str, max_new_tokens: int | None = None) -> None:
    """Check that a system prompt leaves enough tokens for a message and an answer.

    Raises:
        ContextWindowExceeded: it does not.
    """
    least = History(system=text, turns=(Turn("?"),))
    needed = count_tokens(llm, least) + (max_new_tokens or llm.settings.max_new_tokens or 1)
    if needed > llm.context_window:
        raise ContextWindowExceeded(
            needed, llm.context_window, "the system prompt and the tokens reserved for an answer"
        )


def summarize_oldest(llm: HuggingFaceChat, after: History) -> tuple[int, str]:
    """Summarize the oldest turns; return how many they are, and the summary, which includes the one before it.

    Raises:
        LlmkitError: the summary cannot be made, or is too long to be worth it.
    """
    from llmkit.chains import SummarizationChain

    head = llm.get_num_tokens(_head(replace(after, summary="?")))
    length = _summary_length(llm, after, head)
    if length < MIN_SUMMARY:
        raise ReductionError("there is no space for a summary of the oldest turns")
    count = count_dropped(llm, after, reserve=length + head)
    old = f"{after.summary}\n" if after.summary else ""
    text = old + transcript(after.turns[after.dropped : count])
    summary = SummarizationChain(llm, "summarize-dialogue", max_new_tokens=length).invoke(text).text
    summarized = replace(after, dropped=count, summary=summary)
    if not summary or count_tokens(llm, summarized) + reserved_tokens(llm) > llm.context_window:
        raise ReductionError("the summary of the oldest turns is too long")
    return count, summary


def _summary_length(llm: HuggingFaceChat, after: History, head: int) -> int:
    """Return the most tokens of a summary: half of what is free beside the last two turns, or beside the last one."""
    last, window = len(after.turns) - 1, llm.context_window
    for count in range(max(last - 1, after.dropped + 1), last + 1):
        free = window - reserved_tokens(llm) - _tokens_from(llm, after, count) - head
        if free >= MIN_SUMMARY:
            return min(MAX_SUMMARY, window // 8, max(MIN_SUMMARY, free // 2))
    return 0

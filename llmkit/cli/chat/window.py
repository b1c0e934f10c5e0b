"""What the model sees of a conversation, and which turns are dropped when its context window is full."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from llmkit.cli.chat.history import History, Turn
from llmkit.errors import ContextWindowExceeded

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from llmkit.models.chat import HuggingFaceChat

DEFAULT_RESERVE = 512
TARGET_SHARE = 0.75
"""When turns are dropped, the others take at most this share of the window that is not reserved for the answer.

Dropping turns makes the prefix cache useless behind the system prompt: dropping more at once makes that rare."""
_SPEAKERS = {"system": "system", "human": "you", "ai": "model"}


def build_messages(history: History) -> list[BaseMessage]:
    """Return the messages for the model; an answer that has begun is the last one, to be continued."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    messages: list[BaseMessage] = [SystemMessage(history.system)] if history.system else []
    seen = history.turns[history.dropped :]
    for turn in seen:
        if turn.answer:
            messages += [HumanMessage(turn.message), AIMessage(turn.answer)]
    if seen and not seen[-1].answer:
        messages.append(HumanMessage(seen[-1].message))
    return messages


def count_tokens(llm: HuggingFaceChat, history: History) -> int:
    """Count the tokens that the model sees, chat markup included."""
    messages = build_messages(history)
    return llm.get_num_tokens_from_messages(messages) if messages else 0


def reserved_tokens(llm: HuggingFaceChat) -> int:
    """Return how many tokens are reserved for an answer."""
    return llm.settings.max_new_tokens or min(DEFAULT_RESERVE, llm.context_window // 4)


def count_dropped(llm: HuggingFaceChat, history: History) -> int:
    """Return how many turns to drop, so that the last turn, which is to be answered, and its answer fit.

    Raises:
        ContextWindowExceeded: the last turn does not fit even alone.
    """
    last, window, reserved = len(history.turns) - 1, llm.context_window, reserved_tokens(llm)

    def tokens_from(count: int) -> int:
        return count_tokens(llm, replace(history, dropped=count))

    def first(limit: float) -> int:
        return bisect_left(range(last), True, lo=history.dropped, key=lambda count: tokens_from(count) <= limit)

    if history.dropped > last or tokens_from(history.dropped) + reserved <= window:
        return history.dropped
    if (count := first((window - reserved) * TARGET_SHARE)) < last or (count := first(window - reserved)) < last:
        return count
    begun = history.turns[-1].answer != ""  # it is continued as far as it fits
    needed = tokens_from(last) + (1 if begun else llm.settings.max_new_tokens or 1)
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


def token_usage(llm: HuggingFaceChat, history: History) -> list[tuple[str, int]]:
    """Return the parts of the conversation with their tokens, which add up to all that the model sees."""
    texts = [(_SPEAKERS[message.type], str(message.text)) for message in build_messages(history)]
    parts = [(f"{speaker}: {text}", llm.get_num_tokens(text)) for speaker, text in texts]
    if parts:  # of the chat template, which may have a default system prompt
        parts.append(("chat markup", count_tokens(llm, history) - sum(count for _, count in parts)))
    return parts


def validate_system(llm: HuggingFaceChat, text: str, max_new_tokens: int | None = None) -> None:
    """Check that a system prompt leaves enough tokens for a message and an answer."""
    least = History(system=text, turns=(Turn("?"),))
    needed, window = count_tokens(llm, least) + (max_new_tokens or llm.settings.max_new_tokens or 1), llm.context_window
    if needed > window:
        raise ContextWindowExceeded(needed, window, "the system prompt and the tokens reserved for an answer")

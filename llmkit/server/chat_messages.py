"""Messages as OpenAI's API has them -> LangChain's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_messages

from llmkit.models.tokens.content_blocks import with_plain_text_blocks
from llmkit.server.errors import Refusal

_ROLES = ("system", "developer", "user", "assistant", "tool")


def read_messages(given: Sequence[dict[str, Any]]) -> list[BaseMessage]:
    """Return messages as LangChain's.

    Raises:
        Refusal: one is no message.
    """
    try:
        return with_plain_text_blocks(convert_to_messages([_checked(message) for message in given]))
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise Refusal(400, f"messages cannot be read ({reason:.200})", param="messages") from error


def _checked(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message that has all that its role needs; one with calls of tools needs no content."""
    role = message.get("role")
    if role not in _ROLES:
        reason = f"a message has the role {role!r:.60}, but must have one of {', '.join(_ROLES)}"
        raise Refusal(400, reason, param="messages")
    if role == "assistant" and message.get("tool_calls"):
        message = {"content": None, **message}
    for name in ("content", "tool_call_id") if role == "tool" else ("content",):
        if name not in message:
            raise Refusal(400, f"a message of the role {role!r} has no {name}: give one", param="messages")
    return message

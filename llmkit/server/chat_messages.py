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
    for message in given:
        if (role := message.get("role")) not in _ROLES:
            raise Refusal(
                400, f"a message has the role {role!r:.60}, but must have one of {', '.join(_ROLES)}", param="messages"
            )
    try:
        return with_plain_text_blocks(convert_to_messages(list(given)))
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise Refusal(400, f"messages cannot be read ({reason:.200})", param="messages") from error

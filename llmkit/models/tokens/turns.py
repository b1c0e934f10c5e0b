"""Messages as turns: the dictionaries that chat templates read, and plain text for models without a template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError
from llmkit.models.tokens.content_blocks import read_text

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

Turn = dict[str, Any]
"""One message as chat templates read it: `role`, `content`, and for tools `tool_calls`, `tool_call_id` and `name`."""

_TYPES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "AIMessageChunk": "assistant"}
"""The role of common chat templates for each type of LangChain's messages."""

USUAL_ROLES = ("user", "assistant", "tool", "system")
"""The roles of common chat templates."""

ROLES = {
    **{"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant"},
    **{"developer": "system", "function": "tool"},
}
"""The same for roles that other APIs have."""

NO_MESSAGES = "the message list is empty: give at least one message"


def message_to_dict(message: BaseMessage) -> Turn:
    """Convert a message into the dictionary that chat templates read.

    The result of a tool that failed begins with "Error: ", as chat templates do not render the status.

    Raises:
        InputError: the message is not only text, or is a `RemoveMessage`.
    """
    if message.type == "remove":
        raise InputError(
            "the messages have a RemoveMessage, which changes a history and has no text: apply it with langgraph's "
            "add_messages, or leave it out"
        )
    role = _TYPES.get(message.type) or str(getattr(message, "role", message.type))
    turn: Turn = {"role": role, "content": read_text(message)}
    if is_unmarked_error(message):
        turn["content"] = f"Error: {turn['content']}".rstrip()
    calls = [*getattr(message, "tool_calls", ()), *getattr(message, "invalid_tool_calls", ())]
    if calls:
        turn["tool_calls"] = [
            {"type": "function", "id": call["id"], "function": {"name": call["name"], "arguments": call["args"]}}
            for call in calls
        ]
    if message.name or role == "tool":
        turn["name"] = message.name
    if role == "tool":
        turn["tool_call_id"] = getattr(message, "tool_call_id", None)
    return turn


def is_unmarked_error(message: BaseMessage) -> bool:
    """Return whether this is the result of a tool that failed, whose text does not begin with that."""
    failed = getattr(message, "status", None) == "error"
    return failed and not read_text(message).lstrip().casefold().startswith("error")


def sender_names(turns: Sequence[Turn]) -> list[str]:
    """Return the name of each turn's sender that has to be in the prompt, or an empty text.

    The name of a tool is in its call, if the conversation has that.
    """
    calls = [(call["id"], call["function"]["name"]) for turn in turns for call in turn.get("tool_calls") or ()]
    names = []
    for turn in turns:
        name = str(turn.get("name") or "").strip()
        if name and ROLES.get(turn["role"], turn["role"]) == "tool":
            called = (tool == name and turn.get("tool_call_id") in (None, call_id) for call_id, tool in calls)
            name = "" if any(called) else name
        names.append(name)
    return names


def with_sender(name: str, content: str) -> str:
    """Return a text after the name of its sender, as in a transcript."""
    return f"{name}: {content}".rstrip() if name else content


def write_call(name: str, arguments: Any) -> str:
    """Return a tool call as text, in the format of Hermes (Nous Research), which most models know."""
    given = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f'<tool_call>\n{{"name": "{name}", "arguments": {given}}}\n</tool_call>'


def tool_turns_to_text(turns: Sequence[Turn]) -> list[Turn]:
    """Write tool calls and their results as text, in the turns of the assistant and the user."""
    written: list[Turn] = []
    for turn, name in zip(turns, sender_names(turns), strict=True):
        sender = {"name": name} if name else {}
        if turn.get("tool_calls"):
            calls = (write_call(**call["function"]) for call in turn["tool_calls"])
            content = "\n".join(filter(None, (turn["content"], *calls)))
            written.append({"role": turn["role"], "content": content, **sender})
        elif ROLES.get(turn["role"], turn["role"]) == "tool":
            content = f"<tool_response>\n{with_sender(name, turn['content'])}\n</tool_response>"
            written.append({"role": "user", "content": content})
        else:
            written.append(turn)
    return written


def turns_to_text(turns: Sequence[Mapping[str, Any]]) -> str:
    """Render turns as plain text, system texts first; a single user turn without its role.

    The name of a turn's sender comes before its text.
    """
    if not turns:
        raise InputError(NO_MESSAGES)
    named = [(turn, with_sender(str(turn.get("name") or ""), turn["content"])) for turn in turns]
    standard = [(ROLES.get(turn["role"], turn["role"]), content) for turn, content in named]
    system = [content for role, content in standard if role == "system"]
    dialogue = [(role, content) for role, content in standard if role != "system"]
    if len(dialogue) == 1 and dialogue[0][0] == "user":
        return "\n\n".join([*system, dialogue[0][1]])
    lines = [f"{role.capitalize()}: {content}" for role, content in dialogue]
    if not dialogue or dialogue[-1][0] != "assistant":
        lines.append("Assistant:")
    return "\n\n".join([*system, "\n".join(lines)])


def messages_to_text(messages: Sequence[BaseMessage]) -> str:
    """Render a conversation as plain text, with its tool calls; a single user message without its role."""
    return turns_to_text(tool_turns_to_text([message_to_dict(message) for message in messages]))

"""Conversations made simpler for chat templates that refuse them, or that leave parts of them out.

Many templates take only what a model was trained on: a system message at the beginning or none, users and assistants
in turn, no tools. Served models and gateways repair other conversations in the same ways, such as LiteLLM
and LangChain's integrations of Anthropic, Google and Mistral.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from llmkit.models.tokens.turns import ROLES, USUAL_ROLES, Turn, sender_names, tool_turns_to_text, with_sender

_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")  # what Mistral's templates take


class Step(NamedTuple):
    """A way to simplify a conversation, and the sentence that says so."""

    apply: Callable[[Sequence[Turn]], list[Turn]]
    note: str


def _leave_out_only_name(turns: Sequence[Turn]) -> list[Turn]:
    """Leave out the assistant's name if all its turns have the same one: an agent's, which a model would repeat."""
    names = {turn["name"] for turn in turns if turn["role"] == "assistant" and turn.get("name")}
    return [_without_name(turn) if turn["role"] == "assistant" and len(names) == 1 else turn for turn in turns]


def _write_names(turns: Sequence[Turn]) -> list[Turn]:
    """Write the names of senders before their texts: most chat templates have no place for them."""
    return [
        {**_without_name(turn), "content": with_sender(name, turn["content"])} if name else turn
        for turn, name in zip(turns, sender_names(turns), strict=True)
    ]


def _without_name(turn: Turn) -> Turn:
    return {key: item for key, item in turn.items() if key != "name"}


def _name_roles(turns: Sequence[Turn]) -> list[Turn]:
    """Use the roles that all templates know; the name of any other role comes before its text."""
    named = []
    for turn in turns:
        role = ROLES.get(turn["role"], turn["role"])
        if role not in USUAL_ROLES:
            turn = {**turn, "content": f"{role}: {turn['content']}"}
            role = "user"
        named.append({**turn, "role": role})
    return named


def _system_first(turns: Sequence[Turn]) -> list[Turn]:
    """Join the system turns at the beginning; later ones become part of the user's."""
    start = next((at for at, turn in enumerate(turns) if turn["role"] != "system"), len(turns))
    joined = "\n\n".join(turn["content"] for turn in turns[:start])
    return [*([{"role": "system", "content": joined}] if start else []), *_system_in_user(turns[start:])]


def _system_in_user(turns: Sequence[Turn]) -> list[Turn]:
    """Put each system text into the user turn after it, or before it; without one it is a user turn."""
    result: list[Turn] = []
    pending = ""
    for turn in [*turns, None]:
        if turn is not None and turn["role"] == "system":
            pending = _join(pending, turn["content"])
            continue
        if turn is not None and turn["role"] == "user":
            turn = {**turn, "content": _join(pending, turn["content"])}
        elif pending and result and result[-1]["role"] == "user":
            result[-1] = {**result[-1], "content": _join(result[-1]["content"], pending)}
        elif pending:
            result.append({"role": "user", "content": pending})
        result += [] if turn is None else [turn]
        pending = ""
    return result or [{"role": "user", "content": ""}]


def _join_roles(turns: Sequence[Turn]) -> list[Turn]:
    """Join user turns in a row, and assistant turns without tool calls."""
    joined: list[Turn] = []
    for turn in turns:
        before = joined[-1] if joined else {}
        same = turn["role"] == before.get("role") and turn["role"] in ("user", "assistant")
        if same and not turn.get("tool_calls") and not before.get("tool_calls"):
            joined[-1] = {"role": turn["role"], "content": _join(before["content"], turn["content"])}
        else:
            joined.append(turn)
    return joined


def _user_first(turns: Sequence[Turn]) -> list[Turn]:
    """Put an empty user turn before an answer that comes first, such as a greeting, or the rest of a history."""
    start = next((at for at, turn in enumerate(turns) if turn["role"] != "system"), len(turns))
    if start < len(turns) and turns[start]["role"] == "assistant":
        return [*turns[:start], {"role": "user", "content": ""}, *turns[start:]]
    return list(turns)


def _separate_calls(turns: Sequence[Turn]) -> list[Turn]:
    """Make a turn of each tool call, with its result behind it, and one of the text beside them."""
    results = {turn.get("tool_call_id"): turn for turn in turns if turn["role"] == "tool"}
    separate: list[Turn] = []
    moved: list[int] = []
    for turn in turns:
        calls = turn.get("tool_calls") or []
        if not calls or (len(calls) == 1 and not turn["content"].strip()):
            separate += [] if id(turn) in moved else [turn]
            continue
        separate += [{"role": turn["role"], "content": turn["content"]}] if turn["content"].strip() else []
        for call in calls:
            separate.append({**turn, "content": "", "tool_calls": [call]})
            result = results.get(call["id"])
            if result is not None and id(result) not in moved:
                separate.append(result)
                moved.append(id(result))
    return separate


def _shorten_ids(turns: Sequence[Turn]) -> list[Turn]:
    """Use ids of nine letters and digits for tool calls."""

    def short(call_id: str | None) -> str:
        given = str(call_id)
        return given if _CALL_ID.fullmatch(given) else hashlib.sha256(given.encode()).hexdigest()[:9]

    shortened = []
    for turn in turns:
        if turn.get("tool_calls"):
            turn = {**turn, "tool_calls": [{**call, "id": short(call["id"])} for call in turn["tool_calls"]]}
        if "tool_call_id" in turn:
            turn = {**turn, "tool_call_id": short(turn["tool_call_id"])}
        shortened.append(turn)
    return shortened


def _write_arguments(turns: Sequence[Turn]) -> list[Turn]:
    """Write the arguments of tool calls as JSON, for templates that add them to text."""

    def written(call: Turn) -> Turn:
        arguments = call["function"]["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return {**call, "function": {**call["function"], "arguments": text}}

    return [
        {**turn, "tool_calls": [written(call) for call in turn["tool_calls"]]} if turn.get("tool_calls") else turn
        for turn in turns
    ]


def _join(first: str, second: str) -> str:
    return "\n\n".join(filter(None, (first, second)))


_ONLY_NAME = Step(_leave_out_only_name, "the assistant's name is left out")
_NAMES = Step(_write_names, "names of senders come before their texts")
_ROLES = Step(_name_roles, "roles that the chat template may not have are named system, user, assistant or tool")
_FIRST = Step(
    _system_first, "system messages are joined at the beginning, and later ones are part of the user's message"
)
_IN_USER = Step(_system_in_user, "system messages are part of the user's message")
_JOINED = Step(_join_roles, "messages of one role in a row are joined")
_USER = Step(_user_first, "an empty user message comes before the first answer")
_CALLS = Step(_separate_calls, "each tool call, and the text beside it, is a message of its own")
_IDS = Step(_shorten_ids, "ids of tool calls have nine letters and digits")
_ARGUMENTS = Step(_write_arguments, "arguments of tool calls are JSON text")
_NO_TOOLS = Step(tool_turns_to_text, "tool calls and their results are text")

_ATTEMPTS: tuple[tuple[Step, ...], ...] = (
    (_ROLES,),
    (_ROLES, _FIRST),
    (_ROLES, _FIRST, _IDS),
    (_ROLES, _FIRST, _CALLS, _IDS),
    (_ROLES, _FIRST, _IDS, _ARGUMENTS),
    (_ROLES, _FIRST, _CALLS, _IDS, _ARGUMENTS),
    (_ROLES, _FIRST, _JOINED, _USER),
    (_ROLES, _FIRST, _CALLS, _IDS, _JOINED, _USER),
    (_ROLES, _IN_USER),
    (_ROLES, _IN_USER, _JOINED, _USER),
    (_ROLES, _IN_USER, _CALLS, _IDS, _JOINED, _USER),
    (_ROLES, _FIRST, _NO_TOOLS),
    (_ROLES, _FIRST, _NO_TOOLS, _JOINED, _USER),
    (_ROLES, _NO_TOOLS, _IN_USER),
    (_ROLES, _NO_TOOLS, _IN_USER, _JOINED, _USER),
)
"""What is tried, from the smallest change on."""


def repairs(turns: Sequence[Turn]) -> Iterator[tuple[list[Turn], list[str]]]:
    """Yield simpler forms of a conversation, each once, with sentences that say what was changed."""
    seen = [list(turns)]
    names = (_ONLY_NAME, _NAMES) if any(sender_names(turns)) else ()
    for steps in ((), *_ATTEMPTS) if names else _ATTEMPTS:
        current, notes = list(turns), []
        for step in (*names, *steps):
            changed = step.apply(current)
            if changed != current:
                notes.append(step.note)
            current = changed
        if current not in seen:
            seen.append(current)
            yield current, notes

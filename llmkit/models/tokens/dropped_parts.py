"""What a chat template leaves out of a conversation.

A template writes what it knows, and skips the rest without an error: a role, a message in an unusual place, a tool.
So every text is looked for in the prompt. Where that is not certain, because a text is short, occurs elsewhere or was
changed, the conversation is rendered again with a marker in place of each text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llmkit.models.tokens.template_process import TemplateError
from llmkit.models.tokens.turns import ROLES, Turn, sender_names

Render = Callable[[list[Turn], dict[str, Any]], str]
"""Renders turns with the variables of a template."""

_REASONING_ENDS = ("</think>", "</thinking>", "</reasoning>", "</thought>", "[/THINK]")
_PLAIN_TEXT = re.compile(r"[\w\s.,!?'’-]+")
_DISTINCT_LENGTH = 20  # shorter texts may arise where pieces of markup meet, if they have its characters
_SHOWN_LENGTH = 40


class Part(NamedTuple):
    """A text that has to be in the prompt, and what to call it in an error."""

    name: str
    text: str


def dropped_parts(
    rendered: str, turns: Sequence[Turn], template: Mapping[str, Any], source: str, render: Render
) -> list[str]:
    """Return names for what is not in a rendered conversation.

    Args:
        rendered: the prompt.
        turns: the conversation.
        template: the other variables of the chat template, such as `tools`.
        source: the chat template itself, which has the text of its markup.
        render: renders a conversation in which the texts are replaced by markers.
    """
    tools = list(template.get("tools") or ())
    if not any(sender_names(turns)) and _surely_has(rendered, turns, tools, template, source):
        return []
    names = [tool["function"]["name"] for tool in tools]
    parts = [*_parts(turns), *(Part(f"the tool {name!r}", name) for name in names)]
    markers = [f"zq{index}xv{index}qz" for index in range(len(parts))]
    given = iter(markers)
    marked = [_mark_turn(turn, name, given) for turn, name in zip(turns, sender_names(turns), strict=True)]
    variables = dict(template)
    if tools:
        variables["tools"] = [{**tool, "function": {**tool["function"], "name": next(given)}} for tool in tools]
    try:
        probe = render(marked, variables)
    except TemplateError:  # a template that reads the texts, such as JSON, cannot be probed
        probe = "".join(markers)
    return [
        part.name
        for part, marker in zip(parts, markers, strict=True)
        if marker not in probe.casefold() or not _stands(part.text, rendered, source)
    ]


def _surely_has(
    rendered: str, turns: Sequence[Turn], tools: Sequence[Any], template: Mapping[str, Any], source: str
) -> bool:
    """Return whether all texts are in the prompt, one after the other, and none of them can be markup instead."""
    calls = [call["function"] for turn in turns for call in turn.get("tool_calls") or ()]
    named = [template.get("tools") or (), calls]
    others = "\0".join((source, *(turn["role"] for turn in turns), json.dumps(named, ensure_ascii=False)))
    position = 0
    for turn in turns:
        if text := _required_text(turn):
            found = rendered.find(text, position) if _is_distinct(text) and text not in others else -1
            if found < 0:
                return False
            position = found + len(text)
        for call in turn.get("tool_calls") or ():
            arguments = json.dumps(call["function"]["arguments"], ensure_ascii=False)
            found = rendered.find(arguments, position) if len(arguments) > len("{}") else -1
            if found < 0 or str(call["function"]["name"]) not in rendered[position:]:
                return False
            position = found + len(arguments)
    texts = "\0".join((source, *(turn["content"] for turn in turns)))
    return all(_is_listed(tool["function"], rendered, texts, has_calls=bool(calls)) for tool in tools)


def _is_distinct(text: str) -> bool:
    return len(text) >= _DISTINCT_LENGTH or bool(_PLAIN_TEXT.fullmatch(text))


def _is_listed(tool: Mapping[str, Any], rendered: str, texts: str, *, has_calls: bool) -> bool:
    """Return whether a tool is surely in the prompt: by its description, as calls have its name too."""
    description = json.dumps(tool.get("description") or "", ensure_ascii=False)[1:-1]
    sign = description if len(description) >= _DISTINCT_LENGTH else "" if has_calls else str(tool["name"])
    return bool(sign) and sign in rendered and sign not in texts


def _required_text(turn: Turn) -> str:
    """Return the text that has to be in the prompt; templates may leave out the reasoning of earlier answers."""
    text: str = turn["content"]
    if ROLES.get(turn["role"], turn["role"]) == "assistant":
        for end in _REASONING_ENDS:
            text = text.rpartition(end)[2]
    return text.strip()


def _parts(turns: Sequence[Turn]) -> list[Part]:
    """Return the parts of a conversation, in the order in which `_mark_turn` replaces them."""
    parts = []
    for number, (turn, sender) in enumerate(zip(turns, sender_names(turns), strict=True), 1):
        if sender:
            parts.append(Part(f"the name {sender!r} of a {turn['role']} message", sender))
        if text := _required_text(turn):
            shown = text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"
            parts.append(Part(f"the {turn['role']} message {shown!r} ({number} of {len(turns)})", text))
        for call in turn.get("tool_calls") or ():
            function = call["function"]
            name = f"the call of the tool {function['name']!r}"
            parts += [Part(name, text) for text in (str(function["name"]), *_strings(function["arguments"]))]
    return parts


def _mark_turn(turn: Turn, sender: str, markers: Any) -> Turn:
    marked = dict(turn)
    if sender:
        marked["name"] = next(markers)
    if _required_text(turn):
        marked["content"] = next(markers)
    if turn.get("tool_calls"):
        calls = []
        for call in turn["tool_calls"]:
            name = next(markers)
            calls.append(
                {**call, "function": {"name": name, "arguments": _mark(call["function"]["arguments"], markers)}}
            )
        marked["tool_calls"] = calls
    return marked


def _strings(value: Any) -> list[str]:
    """Return the texts in the arguments of a call."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for item in items for text in _strings(item)]


def _mark(value: Any, markers: Any) -> Any:
    if isinstance(value, str):
        return next(markers) if value.strip() else value
    if isinstance(value, Mapping):
        return {key: _mark(item, markers) for key, item in value.items()}
    return [_mark(item, markers) for item in value] if isinstance(value, list) else value


def _stands(text: str, rendered: str, source: str) -> bool:
    """Return whether a text is in a prompt, perhaps escaped, or with other white space and punctuation.

    Words that the template itself mentions, such as `/no_think`, are instructions to it, which it may take out.
    """
    if text in rendered or json.dumps(text)[1:-1] in rendered or json.dumps(text, ensure_ascii=False)[1:-1] in rendered:
        return True
    lower, known, position = rendered.casefold(), source.casefold(), 0
    for word in re.findall(r"\w+", text.casefold()):
        found = lower.find(word, position)
        if found < 0 and word not in known:
            return False
        position = position if found < 0 else found + len(word)
    return bool(re.search(r"\w", text))

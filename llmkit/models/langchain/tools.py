"""Tools: how they are told to the model, how a call is written, and how it is read while it is being written.

A family whose chat template lays out tools is told them by its template, and writes calls in its own format. Any
other model is told in the system message, in the format of Hermes (Nous Research), which most families know.
A call is always written under a constraint, so what is read here is what a format can hold and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from llmkit.errors import ConstraintError
from llmkit.models.constraints.grammar import JSON_STYLE, forbid_extra_properties

Tool = Mapping[str, Any]
"""A tool as the common chat APIs tell it: `{"type": "function", "function": {"name", "description", "parameters"}}`."""


@dataclass(frozen=True)
class ToolFormat:
    """What stands around a call: `opening` name `middle` arguments `closing`.

    Names of control tokens in it are these tokens, where the tokenizer has them. `before` is one that may stand before
    all else, and says nothing.
    """

    opening: str
    middle: str
    closing: str
    before: str = ""

    def tokens(self, tags: Mapping[str, int]) -> frozenset[int]:
        """Give those control tokens, of all that there are, that calls are read by."""
        return frozenset(tags[name] for name in tags if name in self.opening + self.middle + self.closing)

    def write(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Give a call as text."""
        return self.opening + name + self.middle + json.dumps(arguments, ensure_ascii=False) + self.closing


HERMES = ToolFormat('<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>")
MISTRAL = ToolFormat('[TOOL_CALLS][{"name": "', '", "arguments": ', "}]")
MISTRAL_SPACED = ToolFormat('[TOOL_CALLS] [{"name": "', '", "arguments": ', "}]")  # with SentencePiece's tokens
MISTRAL_ARGS = ToolFormat("[TOOL_CALLS]", "[ARGS]", "")  # from 2025 on
LLAMA = ToolFormat('{"name": "', '", "parameters": ', "}", before="<|python_tag|>")


def described(tools: Any) -> list[Tool]:
    """Give tools in the one form that templates and grammars read; whatever LangChain takes for a tool is one.

    Raises:
        ConstraintError: something is no tool; names it.
    """
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise ConstraintError(f"tools is {tools!r}, but must be a list of tools")
    return [_described(tool) for tool in tools]


def _described(tool: Any) -> Tool:
    if isinstance(tool, Mapping) and "name" in tool:
        tool = {key: value for key, value in tool.items() if key != "type"}
    try:
        function = convert_to_openai_tool(tool).get("function")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise ConstraintError(f"{tool!r} cannot be made a tool ({reason}): {_A_TOOL}") from error
    given = function if isinstance(function, Mapping) else {}
    name, parameters = given.get("name"), given.get("parameters") or _NOTHING
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(parameters, Mapping):
        raise ConstraintError(f"{tool!r} cannot be made a tool: {_A_TOOL}")
    told = {"name": name, "description": given.get("description") or "", "parameters": parameters}
    return {"type": "function", "function": {**told, **{key: given[key] for key in given if key not in told}}}


_A_TOOL = "give a function with types, a pydantic class, or a dictionary with a name, a description and parameters"
_NAME = re.compile(r'[^"\\\x00-\x1f]+')
_NOTHING = {"type": "object", "properties": {}}


def format_of(template: str) -> ToolFormat:
    """Give the format that a chat template shows for calls; that of Hermes where it shows none."""
    if "[TOOL_CALLS]" in template:
        spaced = MISTRAL_SPACED if "[TOOL_CALLS] [" in template else MISTRAL
        return MISTRAL_ARGS if "[ARGS]" in template else spaced
    return LLAMA if "<tool_call>" not in template and '"parameters": ' in template else HERMES


def choose_tools(tools: Sequence[Tool], choice: Any) -> tuple[list[Tool], bool]:
    """Give the tools that may be called, and whether one must be; `choice` is as the common chat APIs take it.

    Raises:
        ConstraintError: the choice names no tool.
    """
    if choice in (None, "auto", False):
        return list(tools), False
    if choice == "none":
        return [], False
    if choice in ("any", "required") or choice is True:
        if not tools:
            raise ConstraintError(f"tool_choice is {choice!r}, but there are no tools: give tools, or leave it out")
        return list(tools), True
    inner = choice.get("function", choice) if isinstance(choice, Mapping) else choice
    name = inner.get("name") if isinstance(inner, Mapping) else inner
    named = [tool for tool in tools if tool["function"]["name"] == name]
    if not named:
        known = ", ".join(tool["function"]["name"] for tool in tools) or "none"
        raise ConstraintError(f"tool_choice is {choice!r}, but the tools are: {known}")
    return named, True


def grammar(
    tools: Sequence[Tool],
    style: ToolFormat,
    *,
    required: bool,
    parallel: bool = False,
    tokens: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """Give the grammar, in llguidance's Lark dialect, of an answer that calls a tool, or may do so.

    Text may stand before a call; it cannot hold what opens one. `tokens` are names that are one token each, such as
    Qwen's `<tool_call>` and Mistral's `[TOOL_CALLS]`: these the grammar asks for by their ids.
    """
    rules = []
    before = f"<[{tokens[style.before]}]>?" if style.before in tokens else ""
    for index, tool in enumerate(tools):
        function = tool["function"]
        schema = {**forbid_extra_properties(function["parameters"]), "x-guidance": JSON_STYLE}
        head = _terminals(style.opening + function["name"] + style.middle, tokens)
        rules.append(f"call_{index}: {head} %json {json.dumps(schema)} {_terminals(style.closing, tokens)}")
    names = " | ".join(f"call_{index}" for index in range(len(tools)))
    opening = re.escape(style.opening.partition("\n")[0])
    any_text = r"(.|\n)*"
    return "\n".join(
        [
            "start: calls" if required else "start: calls | TEXT | TEXT calls",
            'calls: call ("\\n" call)*' if parallel else "calls: call",
            f"call: {before} ({names})",
            *rules,
            *([] if required else [f"TEXT: /{any_text}/ & ~/{any_text}{opening}{any_text}/"]),
        ]
    )


def _terminals(text: str, tokens: Mapping[str, int]) -> str:
    names = "|".join(map(re.escape, tokens)) or r"(?!)"
    pieces = re.split(f"({names})", text)
    return " ".join(
        f"<[{tokens[piece]}]>" if piece in tokens else json.dumps(piece, ensure_ascii=False)
        for piece in pieces
        if piece
    )


_TELL = """You are a function calling AI model. Within <tools></tools> are functions that you may call to help the user:
<tools>
{tools}
</tools>
For a function call, return a JSON object with its name and its arguments within <tool_call></tool_call>, like this:
<tool_call>
{{"name": <function-name>, "arguments": <args-dict>}}
</tool_call>"""


def tell(messages: Sequence[BaseMessage], tools: Sequence[Tool]) -> list[BaseMessage]:
    """Put tools, calls and their results into words, for a chat template that knows none of them."""
    told: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, AIMessage) and message.tool_calls:
            calls = (HERMES.write(call["name"], call["args"]) for call in message.tool_calls)
            told.append(AIMessage("\n".join([*([message.text] if message.text else []), *calls])))
        elif isinstance(message, ToolMessage):
            told.append(HumanMessage(f"<tool_response>\n{message.text}\n</tool_response>"))
        else:
            told.append(message)
    if not tools:
        return told
    lines = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    return with_system(told, _TELL.format(tools=lines))


CALL_MARGIN = 2.2
"""A model that was not trained to call tools hardly ever begins a call by itself. What it knows shows in how much
likelier, in nats, the beginning of a call becomes by what the user says than by a mere greeting; a label's prior is
taken off in the same way by Zhao et al. (2021). Tried on the default model with one tool of five at a time: 10 of the
13 questions that need the tool lie above, and 30 of 30 that do not lie below; with all five at once, 9 and 5 of 6."""


def with_system(messages: Sequence[BaseMessage], text: str) -> list[BaseMessage]:
    """Add text to the system message, at its end; or give one, before all else."""
    if messages and isinstance(messages[0], SystemMessage):
        return [SystemMessage(f"{messages[0].text}\n\n{text}"), *messages[1:]]
    return [SystemMessage(text), *messages]

"""Tools: how the model reads them, and how it writes a call.

A family whose chat template renders tools reads them there, and writes calls in its own format. Any other model reads
them in the system message, in the format of Hermes (Nous Research), which most families know. A call is always
generated under a constraint, so a parser meets nothing that the format does not allow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from llmkit.errors import ConstraintError
from llmkit.models.constraints.grammar import JSON_STYLE
from llmkit.models.constraints.json_schemas import compilable, without_unique_items
from llmkit.models.langchain.class_schemas import is_typed_dict, tool_parameters, typed_dict_tool
from llmkit.models.langchain.tool_choice import Tool
from llmkit.models.langchain.tool_dictionaries import plain_tool, single_tools
from llmkit.models.tokens.content_blocks import read_text


@dataclass(frozen=True)
class ToolFormat:
    """The text around a call: `opening` name `middle` arguments `closing`.

    Names of special tokens in it are these tokens, if the tokenizer has them. `prefix` is a token that may come first,
    and has no meaning.
    """

    opening: str
    middle: str
    closing: str
    prefix: str = ""

    def special_tokens(self, tags: Mapping[str, int]) -> frozenset[int]:
        """Return the special tokens, out of names with their ids, that are part of a call."""
        return frozenset(tags[name] for name in tags if name in self.opening + self.middle + self.closing)

    def write(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Return a call as text."""
        return self.opening + name + self.middle + json.dumps(arguments, ensure_ascii=False) + self.closing


HERMES = ToolFormat('<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>")
MISTRAL = ToolFormat('[TOOL_CALLS][{"name": "', '", "arguments": ', "}]")
MISTRAL_SPACED = ToolFormat('[TOOL_CALLS] [{"name": "', '", "arguments": ', "}]")  # with SentencePiece's tokens
MISTRAL_ARGS = ToolFormat("[TOOL_CALLS]", "[ARGS]", "")  # from 2025 on
LLAMA = ToolFormat('{"name": "', '", "parameters": ', "}", prefix="<|python_tag|>")


def to_tools(tools: Any) -> list[Tool]:
    """Convert what LangChain takes as tools to the form that templates read, or raise `ConstraintError`."""
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise ConstraintError(f"tools is {tools!r}, but must be a list of tools")
    return [_to_tool(tool) for tool in single_tools(tools)]


def _to_tool(tool: Any) -> Tool:
    is_checked = not isinstance(tool, Mapping)  # by pydantic, when the call runs
    if is_typed_dict(tool):
        tool = typed_dict_tool(tool)
    if isinstance(tool, Mapping):
        tool = plain_tool(tool)
    try:
        function = convert_to_openai_tool(tool).get("function")
        own = tool_parameters(tool)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ConstraintError(f"{tool!r} cannot be made a tool ({reason}): {_A_TOOL}") from error
    given = function if isinstance(function, Mapping) else {}
    name, parameters = given.get("name"), own or given.get("parameters") or _NOTHING
    if isinstance(name, str) and not _NAME.fullmatch(name):
        raise ConstraintError(
            f"the name {name!r} of a tool cannot be used: give one of letters, digits, underscores and hyphens"
        )
    if not isinstance(name, str) or not isinstance(parameters, Mapping):
        raise ConstraintError(f"{tool!r} cannot be made a tool: {_A_TOOL}")
    parameters = without_unique_items(parameters) if is_checked else parameters
    required = {"name": name, "description": given.get("description") or "", "parameters": parameters}
    return {"type": "function", "function": {**required, **given, **required}}


_A_TOOL = "pass a function with types, a pydantic class, or a dictionary with a name, a description and parameters"
_NAME = re.compile(r'[^"\\\x00-\x1f]+')
_NOTHING = {"type": "object", "properties": {}}


def find_format(template: str) -> ToolFormat:
    """Return the format that a chat template uses for calls; that of Hermes if it has none."""
    if "[TOOL_CALLS]" in template:
        spaced = MISTRAL_SPACED if "[TOOL_CALLS] [" in template else MISTRAL
        return MISTRAL_ARGS if "[ARGS]" in template else spaced
    return LLAMA if "<tool_call>" not in template and '"parameters": ' in template else HERMES


def tool_grammar(
    tools: Sequence[Tool],
    tool_format: ToolFormat,
    *,
    required: bool,
    parallel: bool = False,
    tokens: Mapping[str, int] = MappingProxyType({}),
    answer: str | None = None,
) -> str:
    """Return the grammar, in llguidance's Lark dialect, of a completion that calls a tool, or may do so.

    Text may come before a call, unless one is required; it cannot contain what opens a call. With `answer`, a rule in
    Lark, the only text is such an answer. The grammar has the ids of
    `tokens`: names that are one token, such as Qwen's `<tool_call>`.
    """
    rules = []
    prefix = f"<[{tokens[tool_format.prefix]}]>?" if tool_format.prefix in tokens else ""
    for index, tool in enumerate(tools):
        function = tool["function"]
        schema = {**compilable(function["parameters"]), "x-guidance": JSON_STYLE}
        head = _terminals(tool_format.opening + function["name"] + tool_format.middle, tokens)
        rules.append(f"call_{index}: {head} %json {json.dumps(schema)} {_terminals(tool_format.closing, tokens)}")
    names = " | ".join(f"call_{index}" for index in range(len(tools)))
    opening = re.escape(tool_format.opening.partition("\n")[0])
    any_text = r"(.|\n)*"
    rules.append('calls: call ("\\n" call)*' if parallel else "calls: call")
    rules.append(f"call: {prefix} ({names})")
    if answer and not required:
        return "\n".join(["start: calls | answer", f"answer: {answer}", *rules])
    if not required:
        rules.append(f"TEXT: /{any_text}/ & ~/{any_text}{opening}{any_text}/")
    return "\n".join(["start: calls" if required else "start: calls | TEXT | TEXT calls", *rules])


def _terminals(text: str, tokens: Mapping[str, int]) -> str:
    names = "|".join(map(re.escape, tokens)) or r"(?!)"
    pieces = filter(None, re.split(f"({names})", text))
    return " ".join(
        f"<[{tokens[piece]}]>" if piece in tokens else json.dumps(piece, ensure_ascii=False) for piece in pieces
    )


_TOOLS_TEXT = """\
You are a function calling AI model. Within <tools></tools> are functions that you may call to help the user:
<tools>
{tools}
</tools>
For a function call, return a JSON object with its name and its arguments within <tool_call></tool_call>, like this:
<tool_call>
{{"name": <function-name>, "arguments": <args-dict>}}
</tool_call>"""


def describe_tools(messages: Sequence[BaseMessage], tools: Sequence[Tool]) -> list[BaseMessage]:
    """Describe tools in the system message, for a chat template that has none."""
    if not tools:
        return list(messages)
    lines = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    return with_system(messages, _TOOLS_TEXT.format(tools=lines))


def with_system(messages: Sequence[BaseMessage], text: str) -> list[BaseMessage]:
    """Append text to the system message, or add one."""
    if messages and isinstance(messages[0], SystemMessage):
        return [SystemMessage(f"{read_text(messages[0])}\n\n{text}"), *messages[1:]]
    return [SystemMessage(text), *messages]

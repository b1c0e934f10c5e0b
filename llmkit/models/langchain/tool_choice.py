"""Which tools a completion may call, in the forms of `tool_choice` that the common chat APIs have.

OpenAI: https://platform.openai.com/docs/guides/function-calling#tool-choice; Anthropic:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use; Bedrock:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html; Gemini:
https://ai.google.dev/api/caching#FunctionCallingConfig.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmkit.errors import ConstraintError

Tool = Mapping[str, Any]
"""A tool as in the common chat APIs: `{"type": "function", "function": {"name", "description", "parameters"}}`."""

_REQUIRED = {"auto": False, "validated": False, "any": True, "required": True}
"""Whether a tool must be called, by the words of the chat APIs."""


def choose_tools(tools: Sequence[Tool], choice: Any) -> tuple[list[Tool], bool]:
    """Return the tools that may be called, and whether one must be.

    Raises:
        ConstraintError: `choice` has none of the forms, or names a tool that is not there.
    """
    mode, names = _parse(choice)
    if mode == "none":
        return [], False
    chosen = list(tools) if names is None else [tool for tool in tools if tool["function"]["name"] in names]
    missing = set(names or ()).difference(tool["function"]["name"] for tool in tools)
    if missing or mode not in _REQUIRED:
        known = ", ".join(tool["function"]["name"] for tool in tools) or "none"
        raise ConstraintError(
            f"tool_choice is {choice!r}, but the tools are: {known} (or give 'auto', 'any', 'required' or 'none')"
        )
    if _REQUIRED[mode] and not chosen:
        raise ConstraintError(f"tool_choice is {choice!r}, but there are no tools: pass tools, or leave it out")
    return chosen, _REQUIRED[mode]


def allows_parallel_calls(choice: Any) -> bool | None:
    """Return whether one message may have several calls, as Anthropic's form says; `None` if it does not say."""
    disabled = choice.get("disable_parallel_tool_use") if isinstance(choice, Mapping) else None
    return None if disabled is None else not disabled


def _parse(choice: Any) -> tuple[str, list[str] | None]:
    """Return "auto", "any", "required" or "none", and the names of the tools if not all may be called."""
    if choice is None or choice is False:
        return "auto", None
    if choice is True:
        return "required", None
    if isinstance(choice, str):
        word = choice.lower()  # Cohere and Gemini write capitals
        return (word, None) if word in _REQUIRED or word == "none" else ("required", [choice])
    if isinstance(choice, list) and choice and all(isinstance(name, str) for name in choice):  # Gemini's names
        return "required", list(choice)
    return _parse_mapping(choice) if isinstance(choice, Mapping) else ("", None)


def _parse_mapping(choice: Mapping[str, Any]) -> tuple[str, list[str] | None]:
    named = next((choice[key] for key in ("function", "tool") if isinstance(choice.get(key), Mapping)), choice)
    if isinstance(named.get("name"), str):
        return "required", [named["name"]]
    for key in ("function_calling_config", "functionCallingConfig", "allowed_tools"):
        if isinstance(choice.get(key), Mapping):
            return _parse_allowed(choice[key])
    if choice.get("type") == "allowed_tools" or "mode" in choice:
        return _parse_allowed(choice)
    word = choice.get("type") or (next(iter(choice)) if len(choice) == 1 else "")
    return (word, None) if word in _REQUIRED or word == "none" else ("", None)


def _parse_allowed(choice: Mapping[str, Any]) -> tuple[str, list[str] | None]:
    """Read a mode with a list of tools."""
    keys = ("tools", "allowed_function_names", "allowedFunctionNames")
    listed = next((choice[key] for key in keys if isinstance(choice.get(key), Sequence)), None)
    mode = str(choice.get("mode", "auto")).lower()
    return mode, None if not listed else [_name_of(tool) for tool in listed]


def _name_of(tool: Any) -> str:
    if isinstance(tool, Mapping):
        function = tool.get("function")
        return str((function if isinstance(function, Mapping) else tool).get("name"))
    return str(tool)

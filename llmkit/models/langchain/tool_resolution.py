"""Decide which tools a completion calls, before it is generated: small models need help with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.utils.json import parse_partial_json

from llmkit.errors import InputError
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.langchain.tool_tuning import ToolTuning, tuning_for
from llmkit.models.langchain.tools import HERMES

_GREEDY: dict[str, Any] = {"n": 1, "num_beams": 1, "temperature": 0.0}


def resolve_tool_choice(
    options: CallOptions, messages: Sequence[BaseMessage], engine: Engine, tuning: ToolTuning | None = None
) -> CallOptions:
    """Return the options with "auto" decided, for a model whose template has no tools (see `ToolTuning`).

    Such a model repeats a call that it sees in the conversation: after a tool's result it has to answer. Where a call
    or a form of the answer is required, no model repeats a call right after its result.
    """
    if not messages:
        raise InputError("the message list is empty: give at least one message")
    tuning = tuning_for(engine.loaded.name, tuning)
    tools, required = options.allowed_tools
    if required or (tools and options.response_format and engine.encoder.template_accepts_tools):
        return options if tuning.repeats_calls else _without_repetition(options, messages, engine)
    if not tools or engine.encoder.template_accepts_tools:
        return options
    if isinstance(messages[-1], ToolMessage):
        return replace(options, tool_choice="none")
    prompts = [options.encode(given, engine.encoder) for given in (messages, [HumanMessage("Hello!")])]
    opening = engine.encoder.encode_continuation(HERMES.opening.partition("\n")[0])
    conditional, neutral = engine.scorer.score(prompts, [[opening], [opening]])
    return replace(options, tool_choice="required" if conditional[0] - neutral[0] > tuning.call_margin else "none")


def _without_repetition(options: CallOptions, messages: Sequence[BaseMessage], engine: Engine) -> CallOptions:
    """Leave out each tool whose likeliest call is one that has just been answered, while something else is left."""
    answered = _calls_just_answered(messages)
    while answered:
        tools, required = options.allowed_tools
        names = {tool["function"]["name"] for tool in tools}
        answered = [call for call in answered if call[0] in names]
        if not answered or (required and len(names) == 1):
            break
        repeated = _likeliest_call(options, messages, engine, {name for name, _ in answered})
        if repeated not in answered:
            break
        options = replace(options, callable_tools=tuple(t for t in tools if t["function"]["name"] != repeated[0]))
    return options


def _calls_just_answered(messages: Sequence[BaseMessage]) -> list[tuple[str, Any]]:
    """Return names and arguments of the latest calls, if nothing but their results follows."""
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            return [(call["name"], call["args"]) for call in message.tool_calls]
        if not isinstance(message, ToolMessage):
            return []
    return []


def _likeliest_call(
    options: CallOptions, messages: Sequence[BaseMessage], engine: Engine, names: set[str]
) -> tuple[str, Any]:
    """Decode greedily until the first call is complete, or is not of one of these tools."""
    settings = options.settings.override(**_GREEDY)
    constraint, parser = options.constraint(engine), options.call_parser(engine.encoder)
    prompt, visible = options.encode(messages, engine.encoder), options.visible_tokens(engine.encoder)
    request = GenerationRequest(tuple(prompt), settings, constraint, visible_tokens=visible)
    engine.validate(request)
    name, arguments = "", ""
    with closing(engine.stream(request)) as steps:
        for completion, text in steps:
            content, chunks = parser.push(text, last=completion.finish_reason is not None) if parser else (text, [])
            for chunk in chunks:
                if chunk["index"] == 0:
                    name, arguments = chunk["name"] or name, arguments + chunk["args"]
            if content or (name and name not in names) or any(chunk["index"] for chunk in chunks):
                break
    return name, parse_partial_json(arguments or "{}")

"""The options of one call: settings, tools and the response format, checked before any work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from llmkit.errors import ConstraintError, InputError, SettingsError
from llmkit.models.constraints.grammar import JSON_STYLE, Constraint, ConstraintFactory
from llmkit.models.constraints.json_schemas import compilable
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.langchain.tool_tuning import ToolTuning, tuning_for
from llmkit.models.langchain.tools import (
    HERMES,
    Tool,
    ToolFormat,
    calls_just_answered,
    choose_tools,
    describe_tools,
    find_format,
    to_tools,
    tool_grammar,
    with_system,
)
from llmkit.models.tokens.chat_template import PromptEncoder

_RESERVED = {"messages", "conversation", "tools", "tokenize", "add_generation_prompt", "continue_final_message"}

_WITHOUT_EFFECT = (
    "ls_structured_output_format",
    "max_retries",
    "strict",  # a call always fits its schema here
    "stream_usage",  # the last chunk always has it
    "stream_options",
    "user",
    "safety_identifier",
    "service_tier",
    "store",
    "prompt_cache_key",
)
"""Options for tracers, and for models behind a network, that callers of several providers pass."""

_REPETITION = -5.0
"""A tool is left out if the same call as before is likelier than this, in nats, once a call has begun."""

_SCHEMA_TEXT = "Answer with JSON that fits this schema, and nothing else:\n{schema}"


@dataclass(frozen=True)
class CallOptions:
    """The options of one call, next to its messages.

    Attributes:
        callable_tools: the tools that the completion may call, where these are not all.
        response_format: what the completion is constrained to:
            `{"type": "json_schema", "json_schema": {"schema": …}}`, `{"type": "json_object"}` (with an optional
            `"schema"`), `{"type": "regex", "pattern": …}` or `{"type": "choice", "options": […]}`.
        logprobs: how many of the likeliest tokens to report at each position; `None` reports no log-probabilities.
        template: further variables for the chat template, such as `enable_thinking`.
        timeout: seconds that the call may take; `None` leaves it to the model.
    """

    settings: GenerationSettings
    tools: tuple[Tool, ...] = ()
    tool_choice: Any = None
    callable_tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool = False
    response_format: Mapping[str, Any] | None = None
    logprobs: int | None = None
    template: Mapping[str, Any] | None = None
    timeout: float | None = None

    @classmethod
    def parse(cls, settings: GenerationSettings, stop: Sequence[str] | None, options: Mapping[str, Any]) -> CallOptions:
        """Sort the keyword arguments of `invoke` and its like.

        Raises:
            SettingsError: one is unknown, or out of range.
            ConstraintError: a tool or the response format is not one.
        """
        rest = dict(options)
        for name in _WITHOUT_EFFECT:
            rest.pop(name, None)
        if (sequences := rest.pop("stop_sequences", None)) is not None:
            if stop is not None:
                raise SettingsError("stop and stop_sequences are given: they are two names of one setting, give one")
            stop = sequences
        response_format, template = rest.pop("response_format", None), rest.pop("chat_template_kwargs", None)
        if response_format is not None and not isinstance(response_format, Mapping):
            raise ConstraintError(f"response_format is {response_format!r}, but must be a dictionary with a type")
        if not isinstance(template or {}, Mapping):
            raise SettingsError(f"chat_template_kwargs is {template!r}, but must be a dictionary")
        if reserved := _RESERVED.intersection(template or ()):
            raise SettingsError(f"chat_template_kwargs has {sorted(reserved)[0]!r}, which the model itself decides")
        parsed = {
            "tools": tuple(to_tools(rest.pop("tools", None) or ())),
            "tool_choice": rest.pop("tool_choice", None),
            "parallel_tool_calls": bool(rest.pop("parallel_tool_calls", False)),
            "logprobs": _parse_logprobs(rest.pop("logprobs", None), rest.pop("top_logprobs", None)),
            "timeout": _validate_timeout(rest.pop("timeout", None)),
        }
        if stop is not None:
            rest["stop"] = stop
        return cls(settings.override(**rest), response_format=response_format, template=template, **parsed)

    @property
    def is_constrained(self) -> bool:
        """Whether the completion is constrained from its first token on."""
        if self.tools and self.tool_choice != "none":
            return choose_tools(self.tools, self.tool_choice)[1] or self.response_format is not None
        return self.response_format is not None

    def tool_format(self, encoder: PromptEncoder) -> ToolFormat | None:
        """Return how calls are written, or `None` without tools."""
        if not self.tools:
            return None
        return find_format(str(encoder.tokenizer.chat_template) if encoder.template_accepts_tools else "")

    def visible_tokens(self, encoder: PromptEncoder) -> frozenset[int]:
        """Return the special tokens that tool calls are parsed by, which the completion's text has to show."""
        tool_format = self.tool_format(encoder)
        return tool_format.special_tokens(encoder.special_token_ids) if tool_format else frozenset()

    def encode(self, messages: Sequence[BaseMessage], encoder: PromptEncoder) -> list[int]:
        """Return the prompt's tokens: the messages, the tools, and the schema if there is one."""
        messages, template = self.prompt(messages, encoder)
        return encoder.encode_messages(messages, **template)

    def prompt(
        self, messages: Sequence[BaseMessage], encoder: PromptEncoder
    ) -> tuple[Sequence[BaseMessage], dict[str, Any]]:
        """Return the messages with the schema, and the variables of the chat template, with the tools."""
        template = dict(self.template or {})
        if self.response_format and self.response_format.get("type") == "json_schema":
            schema = json.dumps(_schema_of(self.response_format), ensure_ascii=False)
            messages = with_system(messages, _SCHEMA_TEXT.format(schema=schema))
        if encoder.template_accepts_tools:
            template.update({"tools": list(self.tools)} if self.tools else {})
        else:
            messages = describe_tools(messages, self.tools)
        return messages, template

    def resolve_tool_choice(
        self, messages: Sequence[BaseMessage], engine: Engine, tuning: ToolTuning | None = None
    ) -> CallOptions:
        """Return the options with "auto" decided, for a model whose template has no tools (see `ToolTuning`).

        Such a model repeats a call that it sees in the conversation: after a tool's result it has to answer.
        """
        if not messages:
            raise InputError("the message list is empty: give at least one message")
        tools, required = choose_tools(self.tools, self.tool_choice)
        if required:
            return self._without_repetition(messages, tools, engine)
        if not tools or engine.encoder.template_accepts_tools:
            return self
        if isinstance(messages[-1], ToolMessage):
            return replace(self, tool_choice="none")
        prompts = [self.encode(given, engine.encoder) for given in (messages, [HumanMessage("Hello!")])]
        opening = engine.encoder.encode_continuation(HERMES.opening.partition("\n")[0])
        conditional, neutral = engine.scorer.score(prompts, [[opening], [opening]])
        margin = tuning_for(engine.loaded.name, tuning).call_margin
        return replace(self, tool_choice="required" if conditional[0] - neutral[0] > margin else "none")

    def _without_repetition(self, messages: Sequence[BaseMessage], tools: list[Tool], engine: Engine) -> CallOptions:
        """Leave out the tools that a required call would call again with the same arguments, if there are others."""
        tool_format = self.tool_format(engine.encoder)
        calls = calls_just_answered(messages)
        names = {tool["function"]["name"] for tool in tools}
        texts = {call["name"]: tool_format.write(call["name"], call["args"]) for call in calls} if tool_format else {}
        if not tool_format or not texts or len(names) < 2:
            return self
        encode = engine.encoder.encode_continuation
        opening = encode(tool_format.opening)
        tokens = [opening, *(encode(text) for text in texts.values())]
        [scores] = engine.scorer.score([self.encode(messages, engine.encoder)], [tokens])
        repeated = {name for name, score in zip(texts, scores[1:], strict=True) if score - scores[0] > _REPETITION}
        kept = tuple(tool for tool in self.tools if tool["function"]["name"] not in repeated)
        return replace(self, callable_tools=kept) if repeated and kept else self

    def constraint(self, engine: Engine, *, continues_prompt: bool = False) -> Constraint | None:
        """Return what constrains the completion, which may continue the prompt's text, or raise `ConstraintError`."""
        if self.tools:
            tools, required = choose_tools(self.callable_tools or self.tools, self.tool_choice)
            tool_format = self.tool_format(engine.encoder)
            if tools and tool_format:
                answer = _lark_answer(self.response_format) if self.response_format else None
                parallel, tags = self.parallel_tool_calls, engine.encoder.special_token_ids
                rules = tool_grammar(
                    tools, tool_format, required=required, parallel=parallel, tokens=tags, answer=answer
                )
                return engine.constraints.lark(rules)
        if not self.response_format:
            return None
        constraints = engine.constraints.for_continuations if continues_prompt else engine.constraints
        return _compile(self.response_format, constraints)


def _parse_logprobs(asked: Any, top: Any) -> int | None:
    if not asked and not top:
        return None
    count = top if top is not None else 0 if asked is True else asked
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 100:
        raise SettingsError(f"top_logprobs is {count!r}, but must be a whole number from 0 to 100")
    return count


def _validate_timeout(timeout: Any) -> float | None:
    if timeout is None or (isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout > 0):
        return timeout
    raise SettingsError(f"timeout is {timeout!r}, but must be a number of seconds, more than 0")


def _compile(response_format: Mapping[str, Any], constraints: ConstraintFactory) -> Constraint | None:
    match response_format:
        case {"type": "json_schema"}:
            return constraints.json_schema(_schema_of(response_format))
        case {"type": "json_object"}:
            has_schema = response_format.get("schema")
            return constraints.json_schema(_schema_of(response_format) if has_schema else {"type": "object"})
        case {"type": "regex", "pattern": str(pattern)}:
            return constraints.regex(pattern)
        case {"type": "choice", "options": [*options]} if all(isinstance(option, str) for option in options):
            return constraints.choice(options)
        case {"type": "text"}:
            return None
    raise ConstraintError(f"response_format is {dict(response_format)!r}, but must be one of {_FORMS}")


def _lark_answer(response_format: Mapping[str, Any]) -> str | None:
    """Return a response format as a rule in Lark, to stand beside the calls; `None` for free text."""
    match response_format:
        case {"type": "text"}:
            return None
        case {"type": "json_schema"} | {"type": "json_object", "schema": _}:
            schema = _schema_of(response_format)
        case {"type": "json_object"}:
            schema = {"type": "object"}
        case {"type": "choice", "options": [*options]} if options and all(isinstance(one, str) for one in options):
            return " | ".join(json.dumps(option, ensure_ascii=False) for option in options)
        case {"type": "regex", "pattern": str(pattern)}:
            return "/" + pattern.replace("/", "\\/") + "/"
        case _:
            raise ConstraintError(f"response_format is {dict(response_format)!r}, but must be one of {_FORMS}")
    return "%json " + json.dumps({**compilable(schema), "x-guidance": JSON_STYLE})


_FORMS = (
    '{"type": "json_schema", "json_schema": {"schema": …}}, {"type": "json_object"}, {"type": "regex", "pattern": …}, '
    '{"type": "choice", "options": […]} and {"type": "text"}'
)


def _schema_of(response_format: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = response_format.get("json_schema", response_format)
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    if not isinstance(schema, Mapping):
        raise ConstraintError(f"response_format is {dict(response_format)!r}, but its schema must be a dictionary")
    return schema

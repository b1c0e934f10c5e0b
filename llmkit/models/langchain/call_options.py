"""The options of one call: settings, tools and the response format, checked before any work."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from llmkit.errors import SettingsError
from llmkit.models.constraints.grammar import Constraint
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.settings import NAMES, GenerationSettings
from llmkit.models.langchain.message_parser import ToolCallParser
from llmkit.models.langchain.option_names import WITHOUT_EFFECT, rename_options
from llmkit.models.langchain.response_formats import (
    compile_response_format,
    lark_rule,
    read_response_format,
    response_schema,
)
from llmkit.models.langchain.tool_choice import Tool, allows_parallel_calls, choose_tools
from llmkit.models.langchain.tools import (
    ToolFormat,
    describe_tools,
    find_format,
    to_tools,
    tool_grammar,
    with_system,
)
from llmkit.models.tokens.chat_template import PromptEncoder
from llmkit.models.tokens.token_ids import check_token_ids

_RESERVED = {"messages", "conversation", "tools", "tokenize", "add_generation_prompt", "continue_final_message"}

_SCHEMA_TEXT = "Answer with JSON that fits this schema, and nothing else:\n{schema}"


@dataclass(frozen=True)
class CallOptions:
    """The options of one call, next to its messages.

    Attributes:
        callable_tools: the tools that the completion may call; `None` are all.
        response_format: what the completion is constrained to, as `read_response_format` gives it:
            `{"type": "json_schema", "json_schema": {"schema": …}}`, `{"type": "json_object"}` (with an optional
            `"schema"`), `{"type": "regex", "pattern": …}` or `{"type": "choice", "options": […]}`.
        logprobs: how many of the likeliest tokens to report at each position; `None` reports no log-probabilities.
        logprob_token_ids: tokens whose log-probability is reported at each position, beside the likeliest ones.
        template: further variables for the chat template, such as `enable_thinking`.
        timeout: seconds that the call may take; `None` leaves it to the model.
    """

    settings: GenerationSettings
    tools: tuple[Tool, ...] = ()
    tool_choice: Any = None
    callable_tools: tuple[Tool, ...] | None = None
    parallel_tool_calls: bool = False
    response_format: Mapping[str, Any] | None = None
    logprobs: int | None = None
    logprob_token_ids: tuple[int, ...] = ()
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
        for name in WITHOUT_EFFECT:
            rest.pop(name, None)
        stop = rename_options(rest, stop)
        response_format = read_response_format(rest.pop("response_format", None))
        template = rest.pop("chat_template_kwargs", None)
        if not isinstance(template or {}, Mapping):
            raise SettingsError(f"chat_template_kwargs is {template!r}, but must be a dictionary")
        if reserved := _RESERVED.intersection(template or ()):
            raise SettingsError(f"chat_template_kwargs has {sorted(reserved)[0]!r}, which the model itself decides")
        parsed = {
            "tools": tuple(to_tools(rest.pop("tools", None) or ())),
            "tool_choice": (tool_choice := rest.pop("tool_choice", None)),
            "parallel_tool_calls": _parse_parallel(rest.pop("parallel_tool_calls", None), tool_choice),
            "logprobs": _parse_logprobs(rest.pop("logprobs", None), rest.pop("top_logprobs", None)),
            "logprob_token_ids": (asked := tuple(rest.pop("logprob_token_ids", None) or ())),
            "timeout": _validate_timeout(rest.pop("timeout", None)),
        }
        if asked and parsed["logprobs"] is None:
            parsed["logprobs"] = 0
        if stop is not None:
            rest["stop"] = stop
        _check_names(rest, [*parsed, "response_format", "chat_template_kwargs", "top_logprobs", *WITHOUT_EFFECT])
        return cls(settings.override(**rest), response_format=response_format, template=template, **parsed)

    @property
    def is_constrained(self) -> bool:
        """Whether the completion is constrained from its first token on."""
        return self.response_format is not None or self.allowed_tools[1]

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
            schema = json.dumps(response_schema(self.response_format), ensure_ascii=False)
            messages = with_system(messages, _SCHEMA_TEXT.format(schema=schema))
        if encoder.template_accepts_tools:
            template.update({"tools": list(self.tools)} if self.tools else {})
        else:
            messages = describe_tools(messages, self.tools)
        return messages, template

    @property
    def allowed_tools(self) -> tuple[list[Tool], bool]:
        """The tools that the completion may call, and whether it must call one."""
        return choose_tools(self.tools if self.callable_tools is None else self.callable_tools, self.tool_choice)

    def tokens_to_report(self, vocab_size: int) -> tuple[int, ...]:
        """Return `logprob_token_ids`, or raise `InputError` if one is no token of a model with so many."""
        return tuple(check_token_ids(self.logprob_token_ids, vocab_size)) if self.logprob_token_ids else ()

    def call_parser(self, encoder: PromptEncoder) -> ToolCallParser | None:
        """Return what finds the calls in the completion's text, or `None` if it has none."""
        tool_format, (tools, required) = self.tool_format(encoder), self.allowed_tools
        if not tool_format or not tools:
            return None
        only_first = required or self.response_format is not None
        return ToolCallParser(tool_format, [tool["function"]["name"] for tool in tools], only_first=only_first)

    def constraint(self, engine: Engine, *, continues_prompt: bool = False) -> Constraint | None:
        """Return what constrains the completion, which may continue the prompt's text, or raise `ConstraintError`."""
        if self.tools:
            tools, required = self.allowed_tools
            tool_format = self.tool_format(engine.encoder)
            if tools and tool_format:
                answer = lark_rule(self.response_format) if self.response_format else None
                parallel, tags = self.parallel_tool_calls, engine.encoder.special_token_ids
                rules = tool_grammar(
                    tools, tool_format, required=required, parallel=parallel, tokens=tags, answer=answer
                )
                return engine.constraints.lark(rules)
        if not self.response_format:
            return None
        constraints = engine.constraints.for_continuations if continues_prompt else engine.constraints
        return compile_response_format(self.response_format, constraints)


def _check_names(settings: Mapping[str, Any], options: Sequence[str]) -> None:
    """Raise `SettingsError` for what is no setting, but close to the name of an option."""
    for name in set(settings).difference(NAMES):
        near = difflib.get_close_matches(name, [*NAMES, *options], n=1, cutoff=0.75)
        if near and near[0] in options:
            raise SettingsError(f"unknown option {name}={settings[name]!r}: did you mean {near[0]}?")


def _parse_parallel(asked: Any, tool_choice: Any) -> bool:
    if asked is not None and not isinstance(asked, bool):
        raise SettingsError(f"parallel_tool_calls is {asked!r}, but must be True or False")
    return bool(allows_parallel_calls(tool_choice) if asked is None else asked)


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

"""What a caller asks of one call: settings, tools and the form of the answer, checked before any work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage, ToolMessage

from llmkit.errors import ConstraintError, InputError, SettingsError
from llmkit.models.langchain.tools import (
    CALL_MARGIN,
    HERMES,
    choose_tools,
    described,
    format_of,
    grammar,
    tell,
    with_system,
)

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from llmkit.models.constraints.grammar import Constraint, ConstraintFactory
    from llmkit.models.generation.engine import Engine
    from llmkit.models.generation.settings import GenerationSettings
    from llmkit.models.langchain.tools import Tool, ToolFormat
    from llmkit.models.tokens.chat_template import PromptEncoder

_OWN = {"messages", "conversation", "tools", "tokenize", "add_generation_prompt", "continue_final_message"}

_SCHEMA = "Answer with JSON that fits this schema, and nothing else:\n{schema}"


@dataclass(frozen=True)
class Call:
    """One call's own options, next to its messages.

    Attributes:
        response_format: the form that the answer is held to:
            `{"type": "json_schema", "json_schema": {"schema": …}}`, `{"type": "json_object"}` (with an optional
            `"schema"`), `{"type": "regex", "pattern": …}` or `{"type": "choice", "options": […]}`.
        logprobs: how many of the likeliest tokens to report in the place of each token; `None` for none at all.
        template: further variables for the chat template, such as `enable_thinking`.
    """

    settings: GenerationSettings
    tools: tuple[Tool, ...] = ()
    tool_choice: Any = None
    parallel_tool_calls: bool = False
    response_format: Mapping[str, Any] | None = None
    logprobs: int | None = None
    template: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, settings: GenerationSettings, stop: Sequence[str] | None, options: Mapping[str, Any]) -> Call:
        """Sort the options of `invoke` and its kin.

        Raises:
            SettingsError: one is unknown, or out of range.
        """
        options = dict(options)
        options.pop("ls_structured_output_format", None)  # for tracers only
        own = {
            "tools": tuple(described(options.pop("tools", None) or ())),
            "tool_choice": options.pop("tool_choice", None),
            "parallel_tool_calls": bool(options.pop("parallel_tool_calls", False)),
            "response_format": options.pop("response_format", None),
            "template": options.pop("chat_template_kwargs", None),
            "logprobs": _logprobs(options.pop("logprobs", None), options.pop("top_logprobs", None)),
        }
        form = own["response_format"]
        if form is not None and not isinstance(form, Mapping):
            raise ConstraintError(f"response_format is {form!r}, but must be a dictionary with a type")
        if not isinstance(own["template"] or {}, Mapping):
            raise SettingsError(f"chat_template_kwargs is {own['template']!r}, but must be a dictionary")
        if taken := _OWN.intersection(own["template"] or ()):
            raise SettingsError(f"chat_template_kwargs has {sorted(taken)[0]!r}, which the model itself decides")
        if stop is not None:
            options["stop"] = stop
        return cls(settings.override(**options), **own)

    @property
    def is_held(self) -> bool:
        """Whether the answer is held to a form from its first token on."""
        if self.tools and self.tool_choice != "none":
            return choose_tools(self.tools, self.tool_choice)[1]
        return self.response_format is not None

    def tool_format(self, encoder: PromptEncoder) -> ToolFormat | None:
        """Give how calls are written, or `None` without tools."""
        if not self.tools:
            return None
        return format_of(str(encoder.tokenizer.chat_template) if encoder.template_accepts_tools else "")

    def shown(self, encoder: PromptEncoder) -> frozenset[int]:
        """Give the control tokens that the answer is read by."""
        style = self.tool_format(encoder)
        return style.tokens(encoder.special_token_ids) if style else frozenset()

    def encode(self, messages: Sequence[BaseMessage], encoder: PromptEncoder) -> list[int]:
        """Give the prompt's tokens: the messages, and what the model is to know of tools and form."""
        template = dict(self.template or {})
        if self.response_format and self.response_format.get("type") == "json_schema":
            messages = with_system(messages, _SCHEMA.format(schema=_compact(_schema_of(self.response_format))))
        if encoder.template_accepts_tools:
            template.update({"tools": list(self.tools)} if self.tools else {})
        else:
            messages = tell(messages, self.tools)
        return encoder.encode_messages(messages, **template)

    def decided(self, messages: Sequence[BaseMessage], engine: Engine) -> Call:
        """Give the call with "auto" resolved, for a model whose template knows no tools (see `CALL_MARGIN`).

        Such a model repeats the call that it sees it made: after a tool's result it is to answer.
        """
        if not messages:
            raise InputError("the message list is empty: give at least one message")
        tools, required = choose_tools(self.tools, self.tool_choice)
        if tools and self.response_format:
            raise ConstraintError("tools and response_format are given: an answer can be held to one of them")
        if not tools or required or engine.encoder.template_accepts_tools:
            return self
        if isinstance(messages[-1], ToolMessage):
            return replace(self, tool_choice="none")
        prompts = [self.encode(given, engine.encoder) for given in (messages, [HumanMessage("Hello!")])]
        mark = engine.encoder.encode_continuation(HERMES.opening.partition("\n")[0])
        here, anywhere = engine.scorer.score(prompts, [[mark], [mark]])
        return replace(self, tool_choice="required" if here[0] - anywhere[0] > CALL_MARGIN else "none")

    def constraint(self, engine: Engine, *, continues_prompt: bool = False) -> Constraint | None:
        """Give what the tokens of an answer are held to, which may go on from the prompt's text.

        Raises:
            ConstraintError: a schema, pattern or tool cannot be made one.
        """
        if self.tools:
            tools, required = choose_tools(self.tools, self.tool_choice)
            style = self.tool_format(engine.encoder)
            if tools and style:
                tags = engine.encoder.special_token_ids
                rules = grammar(tools, style, required=required, parallel=self.parallel_tool_calls, tokens=tags)
                return engine.constraints.lark(rules)
        if not self.response_format:
            return None
        return _constraint(
            self.response_format, engine.constraints.for_continuations if continues_prompt else engine.constraints
        )


def _logprobs(asked: Any, top: Any) -> int | None:
    if not asked and not top:
        return None
    count = top if top is not None else 0 if asked is True else asked
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 100:
        raise SettingsError(f"top_logprobs is {count!r}, but must be a whole number from 0 to 100")
    return count


def _constraint(form: Mapping[str, Any], grammars: ConstraintFactory) -> Constraint | None:
    match form:
        case {"type": "json_schema"}:
            return grammars.json_schema(_schema_of(form))
        case {"type": "json_object"}:
            return grammars.json_schema(_schema_of(form) if form.get("schema") else {"type": "object"})
        case {"type": "regex", "pattern": str(pattern)}:
            return grammars.regex(pattern)
        case {"type": "choice", "options": [*options]} if all(isinstance(option, str) for option in options):
            return grammars.choice(options)
        case {"type": "text"}:
            return None
    raise ConstraintError(f"response_format is {dict(form)!r}, but must be one of {_FORMS}")


_FORMS = (
    '{"type": "json_schema", "json_schema": {"schema": …}}, {"type": "json_object"}, {"type": "regex", "pattern": …}, '
    '{"type": "choice", "options": […]} and {"type": "text"}'
)


def _schema_of(form: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = form.get("json_schema", form)
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    if not isinstance(schema, Mapping):
        raise ConstraintError(f"response_format is {dict(form)!r}, but its schema must be a dictionary")
    return schema


def _compact(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False)

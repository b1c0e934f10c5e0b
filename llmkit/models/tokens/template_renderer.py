"""Chat templates, rendered so that nothing of a conversation is left out in silence."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from llmkit.errors import InputError, LlmkitError, PromptError
from llmkit.models.tokens.dropped_parts import Render, dropped_parts
from llmkit.models.tokens.recent import Recent
from llmkit.models.tokens.template_process import TEMPLATES, TemplateError
from llmkit.models.tokens.turn_repair import repairs
from llmkit.models.tokens.turns import NO_MESSAGES, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARKER = "zqtoolxvqz"  # the name of a tool that no template has

_READS_BLOCKS = re.compile(r"""['"]text['"]""")  # templates of models for images and text do

_IS_NOT_CONSTANT = re.compile(r"strftime_now|random|lipsum")  # templates that write the time, or anything

_KEPT_CHARACTERS = 4_000_000  # of conversations that were rendered
_CONVERSATIONS_AT_A_TIME = 64

logger = logging.getLogger(__name__)


class RenderedConversation(NamedTuple):
    """A prompt, and how the conversation was changed for it, a sentence each."""

    text: str
    changes: tuple[str, ...] = ()


class TemplateRenderer:
    """Renders turns by a tokenizer's chat template, and checks what it wrote.

    If the template refuses a conversation, or leaves a part of it out, simpler forms of it are tried (see
    `turn_repair`). The usual conversation is rendered once.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._source = str(tokenizer.chat_template or "")
        self._rendered: Recent[str] = Recent(_KEPT_CHARACTERS)  # not checked
        self._conversations: Recent[RenderedConversation] = Recent(_KEPT_CHARACTERS)
        if self._source:
            TEMPLATES.start()  # while the weights are read

    @cached_property
    def renders_tools(self) -> bool:
        """Whether tools are in the prompt: a template may mention them, and read them from somewhere else."""
        if not re.search(r"\btools\b", self._source):
            return False
        parameters = {"type": "object", "properties": {}}
        function = {"name": _MARKER, "description": "A tool.", "parameters": parameters}
        tools = [{"type": "function", "function": function}]
        system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}
        rendered = [self._try([*before, user], {"tools": tools}) for before in ((), (system,))]
        return any(isinstance(text, str) and _MARKER in text for text in rendered)

    def render(self, turns: Sequence[Turn], template: Mapping[str, Any]) -> RenderedConversation:
        """Render a conversation with further variables of the template, such as `tools`.

        If the last turn is the assistant's, it is left open.

        Raises:
            InputError: there are no turns.
            PromptError: the template refuses the conversation or leaves a part of it out, in every form.
        """
        if not turns:
            raise InputError(NO_MESSAGES)
        key = None if _IS_NOT_CONSTANT.search(self._source) else self._key(turns, template, _is_open(turns))
        conversation = self._conversations.get(key) if key else None
        if conversation is None:
            conversation = self._render(turns, template)
            if key:
                self._conversations.put(key, conversation, len(key) + len(conversation.text))
        return conversation

    def _render(self, turns: Sequence[Turn], template: Mapping[str, Any]) -> RenderedConversation:
        self._check_variables(template)
        found, first_problem = self._check(list(turns), template)
        if found is not None:
            return RenderedConversation(found)
        for changed, notes in repairs(turns):
            found, _ = self._check(changed, template)
            if found is not None:
                logger.info("the chat template does not take these messages as they are: %s", "; ".join(notes))
                return RenderedConversation(found, tuple(notes))
        raise first_problem

    def _check_variables(self, template: Mapping[str, Any]) -> None:
        for name, value in template.items():
            has_text = isinstance(value, str | list | dict) and bool(value)
            if has_text and name != "tools" and not re.search(rf"\b{re.escape(name)}\b", self._source):
                raise PromptError(
                    f"the model's chat template has no variable {name!r}, so its text would be left out: put it into a "
                    "message"
                )

    def _check(self, turns: list[Turn], template: Mapping[str, Any]) -> tuple[str | None, PromptError]:
        """Return the rendered turns, or `None` and what is wrong."""
        rendered = self._try(turns, template)
        problem = self._problem(rendered, turns, template, self._apply)
        if problem and _READS_BLOCKS.search(self._source):
            as_blocks = self._try(_as_blocks(turns), template)
            if "'type': 'text'" not in str(as_blocks) and not self._problem(
                as_blocks, turns, template, self._in_blocks
            ):
                return str(as_blocks), PromptError()
        if isinstance(rendered, Exception) or problem:
            error = PromptError(problem)
            error.__cause__ = rendered if isinstance(rendered, Exception) else None
            return None, error
        return rendered, PromptError()

    def _problem(
        self, rendered: str | Exception, turns: list[Turn], template: Mapping[str, Any], render: Render
    ) -> str:
        """Return what is wrong with rendered turns, or nothing."""
        if isinstance(rendered, TemplateError) and rendered.line is not None:
            what = f"the model's chat template is damaged: line {rendered.line}: {rendered}"
            return f"{what}; get the model's files again, or give the tokenizer another chat_template"
        if "continue_final_message" in str(rendered) and isinstance(rendered, Exception):
            return (
                "the model's chat template changes or leaves out the last message, an answer to be continued: give the "
                "tokenizer another chat_template"
            )
        if isinstance(rendered, Exception):
            return f"the model's chat template refuses these messages: {rendered}"
        if misread := self._misread_roles(turns, template, rendered):
            return f"the model's chat template reads {misread} messages as the assistant's"
        dropped = dropped_parts(rendered, turns, template, self._source, render)
        what = " and ".join(dropped[:3]) + (f" and {len(dropped) - 3} more" if len(dropped) > 3 else "")
        advice = f"leave {'them' if len(dropped) > 1 else 'it'} out, or give the tokenizer another chat_template"
        return f"the model's chat template leaves out {what}: {advice}" if dropped else ""

    def _misread_roles(self, turns: list[Turn], template: Mapping[str, Any], rendered: str) -> str:
        """Return the roles that the template takes for the assistant's: some ask only whether a turn is the user's."""
        for number, turn in enumerate(turns):
            if turn["role"] in ("user", "assistant", "tool") or (turn["role"] == "system" and number == 0):
                continue
            changed = [*turns[:number], {**turn, "role": "assistant"}, *turns[number + 1 :]]
            if self._try(changed, template, is_open=False) == rendered:
                return str(turn["role"])
        return ""

    def _try(self, turns: list[Turn], template: Mapping[str, Any], is_open: bool | None = None) -> str | Exception:
        try:
            return self._apply(turns, template, is_open)
        except TemplateError as error:
            if "tools" in template or not re.search(r"\btools\b", self._source):
                return error
            found = self._try(turns, {**template, "tools": []}, is_open)  # of a template that expects a list
            return error if isinstance(found, Exception) else found

    def render_ahead(self, conversations: Sequence[Sequence[Turn]], template: Mapping[str, Any]) -> None:
        """Render conversations in few requests, for `render`, which is asked for each of them soon.

        What the template does not take is left to `render`.
        """
        if _IS_NOT_CONSTANT.search(self._source):
            return
        requests: dict[bool, list[list[Turn]]] = {False: [], True: []}
        for turns in conversations:
            requests[_is_open(turns)].append(list(turns))
        for is_open, group in requests.items():
            for start in range(0, len(group), _CONVERSATIONS_AT_A_TIME):
                part = group[start : start + _CONVERSATIONS_AT_A_TIME]
                new = [turns for turns in part if self._rendered.get(self._key(turns, template, is_open)) is None]
                with suppress(TemplateError, LlmkitError):
                    texts = TEMPLATES.render_all(self._arguments(new, template, is_open)) if new else []
                    for turns, text in zip(new, texts, strict=True):
                        self._rendered.put(self._key(turns, template, is_open), text, len(text))

    def _apply(self, turns: list[Turn], template: Mapping[str, Any], is_open: bool | None = None) -> str:
        is_open = _is_open(turns) if is_open is None else is_open
        key = None if _IS_NOT_CONSTANT.search(self._source) else self._key(turns, template, is_open)
        known = key and self._rendered.get(key)
        if known is not None:
            return known
        text = TEMPLATES.render(self._arguments([turns], template, is_open))
        if key:
            self._rendered.put(key, text, len(text))
        return text

    def _arguments(
        self, conversations: Sequence[Sequence[Turn]], template: Mapping[str, Any], is_open: bool
    ) -> dict[str, Any]:
        try:
            source = self._tokenizer.get_chat_template(None, template.get("tools"))
        except ValueError as error:  # it has several, of which none is for this
            raise TemplateError(str(error)) from error
        return {
            **self._tokenizer.special_tokens_map,
            **template,
            "conversations": [
                [{name: value for name, value in turn.items() if value is not None} for turn in turns]
                for turns in conversations
            ],
            "chat_template": source,
            "add_generation_prompt": not is_open,
            "continue_final_message": is_open,
        }

    def _key(self, turns: Sequence[Turn], template: Mapping[str, Any], is_open: bool) -> str | None:
        """Return what a rendered conversation depends on, besides the templates; `None` if it is not JSON."""
        try:
            return json.dumps([turns, template, is_open, self._tokenizer.special_tokens_map])
        except (TypeError, ValueError, RecursionError):
            return None

    def _in_blocks(self, turns: list[Turn], template: Mapping[str, Any]) -> str:
        return self._apply(_as_blocks(turns), template)


def _is_open(turns: Sequence[Turn]) -> bool:
    """Return whether an answer continues the last turn."""
    return turns[-1]["role"] == "assistant" and not turns[-1].get("tool_calls")


def _as_blocks(turns: Sequence[Turn]) -> list[Turn]:
    """Return turns whose content is a list of blocks, which templates of models for images and text read."""
    return [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in turns]

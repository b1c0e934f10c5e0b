"""Parsers of structured output: partial values while a completion is streamed, and strict ones of what is complete.

LangChain's parsers close the brackets of JSON that was cut, which is right within a stream only.
"""

from __future__ import annotations

import json
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ValidationError

from llmkit.models.langchain.class_schemas import adapter_for, is_pydantic_class, is_typed_dict
from llmkit.models.langchain.output_schemas import is_type


class SchemaParser(JsonOutputParser):
    """Parses a completion that is JSON into a value of a schema: a class, a type, or a JSON schema."""

    target: Any

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Parse a completion, or with `partial` its beginning; that is `None` where it has no value yet.

        Raises:
            OutputParserException: the completion was cut, or is no value of the schema.
        """
        if partial and not _is_complete(result[0]):
            return _partial_value(self.target, super().parse_result(result, partial=True))
        metadata = _metadata(result[0])
        try:
            value = json.loads(result[0].text)
        except ValueError as error:
            raise _incomplete(metadata, result[0].text) from error
        if metadata.get("stop_sequence") is not None:  # within a number
            raise _incomplete(metadata, result[0].text)
        return to_value(self.target, value)


class CallParser(JsonOutputKeyToolsParser):
    """Parses the arguments of a call into a value of a schema; `None` if the model calls no tool."""

    target: Any

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Parse a completion, or with `partial` its beginning; that is `None` where it has no value yet.

        Raises:
            OutputParserException: the completion was cut, or is no value of the schema.
        """
        value = super().parse_result(result, partial=partial)
        if partial and not _is_complete(result[0]):
            return None if value is None else _partial_value(self.target, value)
        metadata, message = _metadata(result[0]), getattr(result[0], "message", None)
        is_cut = metadata.get("finish_reason") == "length" or metadata.get("stop_sequence") is not None
        if (value is None and is_cut) or (isinstance(message, AIMessage) and _has_cut_call(message)):
            raise _incomplete(metadata, str(message.content if message else ""))
        return None if value is None else to_value(self.target, value)


def to_value(target: Any, value: Any) -> Any:
    """Return parsed JSON as a value of a class or type; as it is for a JSON schema.

    It is read as JSON, in which even a strict class takes dates, enums and sets.

    Raises:
        OutputParserException: it is no value of it.
    """
    if not is_pydantic_class(target):
        if isinstance(target, type) and is_basemodel_subclass(target):  # of pydantic 1
            return PydanticOutputParser(pydantic_object=target)._parse_obj(value)
        if isinstance(target, dict) or not is_type(target):
            return value
    try:
        return adapter_for(target).validate_json(json.dumps(value))
    except ValidationError as error:
        raise OutputParserException(
            f"the completion is no {target!r}: {error}", llm_output=json.dumps(value)
        ) from error


def _partial_value(target: Any, value: Any) -> Any:
    """Return what a stream yields for the beginning of a completion: objects as far as they are known."""
    if isinstance(target, dict) or is_typed_dict(target) or not (is_type(target) or isinstance(target, type)):
        return value
    if not (isinstance(target, type) and is_basemodel_subclass(target)):
        return None
    try:
        return to_value(target, value)
    except OutputParserException:
        return None


def _metadata(generation: Generation) -> dict[str, Any]:
    return dict(generation.message.response_metadata) if isinstance(generation, ChatGeneration) else {}


def _is_complete(generation: Generation) -> bool:
    return "finish_reason" in _metadata(generation)


def _has_cut_call(message: AIMessage) -> bool:
    if message.invalid_tool_calls:
        return True
    if not isinstance(message, AIMessageChunk):
        return False
    try:
        for chunk in message.tool_call_chunks:
            json.loads(chunk["args"] or "")
    except ValueError:
        return True
    return False


def _incomplete(metadata: dict[str, Any], text: str) -> OutputParserException:
    stop = metadata.get("stop_sequence")
    if stop is not None:
        reason = f"the stop string {stop!r} ended it: leave it out"
    elif metadata.get("finish_reason") == "length":
        reason = "it reached max_new_tokens: raise that"
    else:
        reason = f"it is {text!r}"
    return OutputParserException(f"the completion is no complete JSON: {reason}", llm_output=text)

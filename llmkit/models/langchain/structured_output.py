"""Answers as objects: a schema, told to the model, held to while decoding, and read into its class."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from llmkit.errors import ConstraintError, SettingsError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

METHODS = ("json_schema", "function_calling", "json_mode")


def structured(
    llm: BaseChatModel, schema: Any, *, method: str, include_raw: bool, strict: bool | None = None, **options: Any
) -> Runnable[Any, Any]:
    """Give a runnable from a prompt to an object; see `HuggingFaceChat.with_structured_output`.

    `strict` is accepted for the sake of other models' callers: answers are always held to the schema here.

    Raises:
        SettingsError: there is no such method.
        ConstraintError: the schema is neither a class nor a JSON schema.
    """
    if method not in METHODS:
        raise SettingsError(f"method is {method!r}, but must be one of {', '.join(METHODS)}")
    try:
        described = _described(schema)
    except (ValueError, TypeError) as error:
        raise ConstraintError(f"{schema!r} is neither a pydantic class, a TypedDict nor a JSON schema") from error
    traced = {"kwargs": {"method": method}, "schema": described}
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser: Runnable[Any, Any]
    if method == "function_calling":
        if not {"properties", "$ref"} & set(described):
            raise ConstraintError(
                f"{schema!r} has no properties, as the arguments of a function must: use method='json_schema'"
            )
        name = described["title"]
        parameters = {key: item for key, item in described.items() if key not in ("title", "description")}
        tool = {"name": name, "description": described.get("description") or "", "parameters": parameters}
        tools = [{"type": "function", "function": tool}]
        bound = llm.bind_tools(tools, tool_choice=name, ls_structured_output_format=traced, **options)
        parser = (
            PydanticToolsParser(tools=[schema], first_tool_only=True)
            if is_class
            else JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
        )
    else:
        bound = llm.bind(response_format=_format(method, described), ls_structured_output_format=traced, **options)
        parser = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
    return _with_raw(bound, parser) if include_raw else bound | parser


_OTHERS = {"name", "function", "toolSpec"}
"""What a dictionary has that describes a tool, in one of the ways that LangChain reads."""

_KEYWORDS = {"type", "properties", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}


def _is_json_schema(schema: Any) -> bool:
    """Whether this is a JSON schema as it stands; LangChain would keep an object's properties and nothing else."""
    return isinstance(schema, Mapping) and not _OTHERS & set(schema) and bool(_KEYWORDS & set(schema))


def _described(schema: Any) -> dict[str, Any]:
    if _is_json_schema(schema):
        return {"title": "answer", **schema}
    told: dict[str, Any] = convert_to_json_schema(schema)
    own = schema.model_json_schema() if hasattr(schema, "model_json_schema") else {}
    return {"title": told["title"], **own} if _holds_itself(own) else told


def _holds_itself(schema: Mapping[str, Any]) -> bool:
    """Whether a definition refers to itself, as that of a tree does; LangChain would allow anything in its place."""
    parts = schema.get("$defs", {})
    inner = {name: set(_REFERENCE.findall(json.dumps(part))) for name, part in parts.items()}
    for _ in inner:
        inner = {name: refs.union(*(inner.get(ref, set()) for ref in refs)) for name, refs in inner.items()}
    return any(name in refs for name, refs in inner.items())


_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


def _format(method: str, schema: dict[str, Any]) -> dict[str, Any]:
    if method == "json_schema":
        return {"type": "json_schema", "json_schema": {"schema": schema}}
    return {"type": "json_object", "schema": schema}


def _with_raw(bound: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")

"""Completions as objects: a schema, put into the prompt, followed while decoding, and parsed into its class."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableMap, RunnableParallel, RunnablePassthrough
from langchain_core.runnables.passthrough import RunnableAssign

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.langchain.output_schemas import to_json_schema, traced_schema
from llmkit.models.langchain.structured_parsers import CallParser, SchemaParser

METHODS = ("json_schema", "function_calling", "json_mode")


def structured_output(
    llm: BaseChatModel, schema: Any, *, method: str, include_raw: bool, strict: bool | None = None, **options: Any
) -> Runnable[Any, Any]:
    """Return a runnable from a prompt to an object; see `HuggingFaceChat.with_structured_output`.

    `strict` is accepted because other models have it: here the completion always follows the schema.
    """
    if method not in METHODS:
        raise SettingsError(f"method is {method!r}, but must be one of {', '.join(METHODS)}")
    json_schema = to_json_schema(schema)
    traced = {"kwargs": {"method": method}, "schema": traced_schema(schema, json_schema)}
    target = dict(schema) if isinstance(schema, Mapping) else schema
    parser: Runnable[Any, Any]
    if method == "function_calling":
        if not {"properties", "$ref"} & set(json_schema):
            raise ConstraintError(
                f"{schema!r} has no properties, as the arguments of a function must: use method='json_schema'"
            )
        name = json_schema["title"]
        parameters = {key: item for key, item in json_schema.items() if key not in ("title", "description")}
        tool = {"name": name, "description": json_schema.get("description") or "", "parameters": parameters}
        tools = [{"type": "function", "function": tool}]
        bound = llm.bind_tools(tools, tool_choice=name, ls_structured_output_format=traced, **options)
        parser = CallParser(key_name=name, first_tool_only=True, target=target)
    else:
        inner = {"json_schema": {"schema": json_schema}} if method == "json_schema" else {"schema": json_schema}
        form = {"type": "json_schema" if method == "json_schema" else "json_object", **inner}
        bound = llm.bind(response_format=form, ls_structured_output_format=traced, **options)
        parser = SchemaParser(target=target)
    if not include_raw:
        return bound | parser
    parsed = _assign(parsed=itemgetter("raw") | parser, parsing_error=_none)
    failed = _assign(parsed=_none)
    raw: Runnable[Any, Any] = RunnableMap(raw=RunnablePassthrough())  # the model comes first, and gets a call's options
    return bound | raw | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _assign(**values: Any) -> Runnable[Any, Any]:
    return RunnableAssign(RunnableParallel(values))  # RunnablePassthrough.assign has a class that cannot be pickled


def _none(_: Any) -> None:  # no lambda, which cannot be pickled
    return None

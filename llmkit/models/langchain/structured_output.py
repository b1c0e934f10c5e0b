"""Completions as objects: a schema, put into the prompt, followed while decoding, and parsed into its class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnableParallel
from langchain_core.runnables.passthrough import RunnableAssign
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ValidationError

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.langchain.class_schemas import adapter_for, is_pydantic_class, is_typed_dict
from llmkit.models.langchain.output_schemas import is_type, to_json_schema, traced_schema

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
    validate = _validator(schema)
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
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
        parser = JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
        validate = RunnableLambda(partial(_validate, schema)) if is_class else validate
    else:
        inner = {"json_schema": {"schema": json_schema}} if method == "json_schema" else {"schema": json_schema}
        form = {"type": "json_schema" if method == "json_schema" else "json_object", **inner}
        bound = llm.bind(response_format=form, ls_structured_output_format=traced, **options)
        parser = ClassParser(pydantic_object=schema) if is_class else JsonOutputParser()
    if validate is not None:
        parser = parser | validate
    if not include_raw:
        return bound | parser
    parsed = _assign(parsed=itemgetter("raw") | parser, parsing_error=_none)
    failed = _assign(parsed=_none)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _assign(**values: Any) -> Runnable[Any, Any]:
    return RunnableAssign(RunnableParallel(values))  # RunnablePassthrough.assign has a class that cannot be pickled


def _none(_: Any) -> None:  # no lambda, which cannot be pickled
    return None


def _validator(schema: Any) -> Runnable[Any, Any] | None:
    """Return what makes the value of a type from parsed JSON; a TypedDict is a dictionary as it is parsed."""
    if isinstance(schema, Mapping) or is_typed_dict(schema) or not is_type(schema):
        return None
    return RunnableLambda(partial(_validate, schema))


def _validate(schema: Any, value: Any) -> Any:
    """Read a value as JSON, in which even a strict class takes dates, enums and sets."""
    if value is None and is_pydantic_class(schema):
        return None  # no call
    try:
        return adapter_for(schema).validate_json(json.dumps(value))
    except ValidationError as error:
        raise OutputParserException(
            f"the completion is no {schema!r}: {error}", llm_output=json.dumps(value)
        ) from error


class ClassParser(PydanticOutputParser[Any]):
    """Parses JSON into a pydantic class."""

    def _parse_obj(self, obj: Any) -> Any:
        return (
            _validate(self.pydantic_object, obj) if is_pydantic_class(self.pydantic_object) else super()._parse_obj(obj)
        )

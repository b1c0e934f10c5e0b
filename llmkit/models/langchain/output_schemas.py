"""JSON schemas of what `with_structured_output` takes: classes, types, JSON schemas and tools."""

from __future__ import annotations

import typing
import warnings
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, get_origin

import typing_extensions
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic.errors import PydanticUserError
from pydantic.json_schema import PydanticJsonSchemaWarning

from llmkit.errors import ConstraintError
from llmkit.models.constraints.json_schemas import without_unique_items
from llmkit.models.constraints.schema_keywords import RESTRICTING
from llmkit.models.langchain.class_schemas import adapter_for, class_schema, is_pydantic_class, is_typed_dict
from llmkit.models.langchain.pydantic_schemas import ParsableJsonSchema
from llmkit.models.langchain.tool_dictionaries import has_parameters, plain_tool


def to_json_schema(schema: Any) -> dict[str, Any]:
    """Return the JSON schema of a class, a type or a tool, or a JSON schema with a title.

    Raises:
        ConstraintError: it is none of these.
    """
    try:
        return _to_json_schema(schema)
    except (ValueError, TypeError, PydanticUserError, NameError) as error:
        if isinstance(error, ConstraintError):
            raise
        reason = " ".join(str(error).split())
        raise ConstraintError(
            f"{schema!r} is neither a pydantic class, a type that pydantic knows, nor a JSON schema: {reason}"
        ) from error


def traced_schema(schema: Any, json_schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that tracers expect, which LangChain converts once more."""
    without_type = {key: item for key, item in json_schema.items() if key != "type"}
    options: tuple[Any, ...] = (schema, json_schema, without_type)
    for given in options:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PydanticJsonSchemaWarning)  # of defaults that are no JSON
                converted: Mapping[str, Any] = convert_to_json_schema(given)
                convert_to_json_schema(dict(converted))
        except Exception:  # LangChain raises whatever the conversion runs into, such as a list of types
            continue
        return converted
    return {"title": json_schema.get("title", "answer")}


def is_type(schema: Any) -> bool:
    """Return whether this is a type that pydantic reads from JSON, and no class of pydantic's.

    Such are dataclasses, TypedDicts, enums, dates, and types such as `list[int]`. Any other class is for LangChain,
    which takes it as a function.
    """
    if isinstance(schema, type) and get_origin(schema) is None and not is_dataclass(schema):
        return not is_basemodel_subclass(schema) and _is_known(schema)
    return is_dataclass(schema) or get_origin(schema) is not None or isinstance(schema, _TYPE_FORMS)


_TYPE_FORMS: Any = (typing.NewType, typing_extensions.TypeAliasType)


def _is_known(schema: type) -> bool:
    try:
        adapter_for(schema).json_schema(schema_generator=ParsableJsonSchema)
    except PydanticUserError:
        return is_typed_dict(schema)
    return True


def _to_json_schema(schema: Any) -> dict[str, Any]:
    if isinstance(schema, Mapping):
        return _from_mapping(schema)
    if is_pydantic_class(schema):
        return class_schema(schema)
    if is_type(schema):
        described: dict[str, Any] = without_unique_items(
            adapter_for(schema).json_schema(schema_generator=ParsableJsonSchema)
        )
        name = getattr(schema, "__name__", "answer")
        return {"title": name if is_typed_dict(schema) or is_dataclass(schema) else "answer", **described}
    return dict(convert_to_json_schema(schema))


def _from_mapping(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Read a JSON schema, which may be within a response format, or a tool."""
    if (found := find_schema(schema)) is not None:
        return {"title": "answer", **found}
    if schema.get("type") in _JSON_TYPES:
        raise ConstraintError(f"{dict(schema)!r} is a response format without a schema")
    if isinstance(schema.get("function"), Mapping) or has_parameters(schema):
        return dict(convert_to_json_schema(dict(plain_tool(schema))))
    if RESTRICTING & set(schema):  # LangChain would keep an object's properties and nothing else
        rest = {key: item for key, item in schema.items() if key not in ("name", "strict")}
        return {"title": schema.get("name", "answer"), **rest}
    return dict(convert_to_json_schema(dict(schema)))


def find_schema(form: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema within a response format, with the name beside it as its title; `None` if it has none."""
    for key in ("format", "text", "response_format"):
        if isinstance(form.get(key), Mapping):
            return find_schema(form[key])
    if form.get("type", "json") not in _JSON_TYPES:  # a schema itself, or another form
        return None
    inner = next((form[key] for key in _SCHEMA_KEYS if isinstance(form.get(key), Mapping)), None)
    if inner is None or RESTRICTING & set(form) - {"type"}:
        return None
    outer = inner if isinstance(inner.get("schema"), Mapping) else form
    schema = inner["schema"] if outer is inner else inner
    described = {"description": outer["description"]} if outer.get("description") else {}
    return {**({"title": outer["name"]} if outer.get("name") else {}), **described, **schema}


_JSON_TYPES = ("json_schema", "json_object", "json")
_SCHEMA_KEYS = (
    *("json_schema", "schema", "value", "json", "response_schema", "responseSchema"),
    *("response_json_schema", "responseJsonSchema"),
)

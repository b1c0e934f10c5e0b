"""JSON schemas of pydantic classes and types: TypedDicts with keys that may be left out, dataclasses, unions, lists."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping
from inspect import getdoc
from typing import Annotated, Any

import typing_extensions
from langchain_core.tools import BaseTool, Tool
from langchain_core.tools.base import create_schema_from_function
from langchain_core.utils.json_schema import dereference_refs
from pydantic import BaseModel, Field, TypeAdapter

from llmkit.models.constraints.json_schemas import map_schemas, without_unique_items
from llmkit.models.langchain.pydantic_schemas import ParsableJsonSchema

_make_typed_dict: Any = typing_extensions.TypedDict
_QUALIFIERS = ("Required", "NotRequired", "ReadOnly")
_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


def is_pydantic_class(schema: Any) -> bool:
    """Return whether this is a class of pydantic 2."""
    return isinstance(schema, type) and typing_extensions.get_origin(schema) is None and issubclass(schema, BaseModel)


def class_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a pydantic class, without titles of fields, and without references where possible."""
    described: dict[str, Any] = schema.model_json_schema(schema_generator=ParsableJsonSchema)
    title = described.get("title", schema.__name__)
    if not _is_recursive(described):
        described = {key: item for key, item in dereference_refs(described).items() if key != "$defs"}
        described = map_schemas(described, lambda part: {key: item for key, item in part.items() if key != "title"})
    return {"title": title, **without_unique_items(described)}


def tool_parameters(tool: Any) -> dict[str, Any] | None:
    """Return the JSON schema of a tool's arguments, where a pydantic class describes them."""
    if isinstance(tool, Tool) and not tool.args_schema:
        return None  # it has one argument, a text
    if isinstance(tool, BaseTool):
        tool = tool.tool_call_schema
    elif not isinstance(tool, type | Mapping) and callable(tool) and hasattr(tool, "__name__"):
        options: Any = {"filter_args": (), "parse_docstring": True, "error_on_invalid_docstring": False}
        tool = create_schema_from_function(tool.__name__, tool, include_injected=False, **options)
    if not is_pydantic_class(tool):
        return None
    return {key: item for key, item in class_schema(tool).items() if key not in ("title", "description")}


def _is_recursive(schema: Mapping[str, Any]) -> bool:
    """Whether a definition refers to itself, as that of a tree does; LangChain would put "anything" in its place."""
    parts = schema.get("$defs", {})
    inner = {name: set(_REFERENCE.findall(json.dumps(part))) for name, part in parts.items()}
    for _ in inner:
        inner = {name: refs.union(*(inner.get(ref, set()) for ref in refs)) for name, refs in inner.items()}
    return any(name in refs for name, refs in inner.items())


def is_typed_dict(schema: Any) -> bool:
    """Return whether this is a TypedDict, of `typing` or `typing_extensions`."""
    return typing_extensions.is_typeddict(schema)


def adapter_for(schema: Any) -> TypeAdapter[Any]:
    """Return what makes the JSON schema of a type, and validates its values."""
    return TypeAdapter(_modern(schema, {}))


def typed_dict_tool(schema: Any) -> dict[str, Any]:
    """Return a TypedDict as a tool: its name, description and parameters."""
    parameters = adapter_for(schema).json_schema(schema_generator=ParsableJsonSchema)
    description = parameters.pop("description", "") or getdoc(schema) or ""
    return {"name": schema.__name__, "description": description, "parameters": parameters}


def _modern(annotation: Any, known: dict[Any, Any]) -> Any:
    """Return a type whose TypedDicts are those of `typing_extensions`, which pydantic needs before Python 3.12.

    Descriptions in the way of LangChain, `Annotated[str, ..., "description"]`, become pydantic's.
    """
    if is_typed_dict(annotation):
        return known[annotation] if annotation in known else _modern_typed_dict(annotation, known)
    origin: Any = typing_extensions.get_origin(annotation)
    arguments = typing_extensions.get_args(annotation)
    if origin is Annotated:
        inner, *rest = arguments
        notes = [Field(description=one) if isinstance(one, str) else one for one in rest if one is not ...]
        return Annotated[(_modern(inner, known), *notes)] if notes else _modern(inner, known)
    if not arguments or origin is typing.Literal or origin is typing_extensions.Literal:
        return annotation
    inner_types = tuple(_modern(one, known) for one in arguments)
    if getattr(origin, "__name__", getattr(origin, "_name", "")) in ("Union", "UnionType"):
        return typing.Union[inner_types]  # noqa: UP007 - of a tuple
    try:
        return origin[inner_types]
    except TypeError:
        return annotation


def _modern_typed_dict(schema: Any, known: dict[Any, Any]) -> Any:
    known[schema] = schema  # within itself, it stays what it is
    keys: dict[str, Any] = {}
    for name, hint in typing_extensions.get_type_hints(schema, include_extras=True).items():
        required, inner = name in schema.__required_keys__, hint
        while (qualifier := _qualifier(inner)) or _is_annotated(inner):
            if not qualifier:
                first, *notes = typing_extensions.get_args(inner)
                if not _qualifier(first):
                    break
                required = {"Required": True, "NotRequired": False}.get(_qualifier(first), required)
                inner = Annotated[(typing_extensions.get_args(first)[0], *notes)]
                continue
            required = {"Required": True, "NotRequired": False}.get(qualifier, required)
            [inner] = typing_extensions.get_args(inner)
        inner = _modern(inner, known)
        keys[name] = inner if required else typing_extensions.NotRequired[inner]
    made = _make_typed_dict(schema.__name__, keys)
    made.__doc__, made.__module__ = schema.__doc__, schema.__module__
    known[schema] = made
    return made


def _qualifier(hint: Any) -> str:
    name = getattr(typing_extensions.get_origin(hint), "_name", None) or ""
    return name if name in _QUALIFIERS else ""


def _is_annotated(hint: Any) -> bool:
    origin: Any = typing_extensions.get_origin(hint)
    return origin is Annotated

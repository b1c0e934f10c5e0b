"""JSON schemas of types: TypedDicts with keys that may be left out, dataclasses, unions, lists, `Literal`."""

from __future__ import annotations

import typing
from inspect import getdoc
from typing import Annotated, Any

import typing_extensions
from pydantic import Field, TypeAdapter

_make_typed_dict: Any = typing_extensions.TypedDict
_QUALIFIERS = ("Required", "NotRequired", "ReadOnly")


def is_typed_dict(schema: Any) -> bool:
    """Return whether this is a TypedDict, of `typing` or `typing_extensions`."""
    return typing_extensions.is_typeddict(schema)


def adapter_for(schema: Any) -> TypeAdapter[Any]:
    """Return what makes the JSON schema of a type, and validates its values."""
    return TypeAdapter(_modern(schema, {}))


def typed_dict_tool(schema: Any) -> dict[str, Any]:
    """Return a TypedDict as a tool: its name, description and parameters."""
    parameters = adapter_for(schema).json_schema()
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

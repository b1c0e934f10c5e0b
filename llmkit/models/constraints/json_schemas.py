"""JSON schemas in the words that the grammar compiler has: remarks left out, the rest rewritten or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from llmkit.errors import ConstraintError

_UNCHANGED = {"allOf", "not", "if", "const", "enum", "default", "examples"}
_VALUES = {"const", "enum", "default", "examples"}
_SCHEMAS_BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_COMBINING_KEYWORDS = {"allOf", "anyOf", "oneOf", "not", "if", "$ref"}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
_KEY_PATTERNS = {
    "date": r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$",
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}
_FORMATS_OF_PYDANTIC: dict[str, dict[str, Any]] = {
    "ipvanyaddress": {"anyOf": [{"type": "string", "format": name} for name in ("ipv4", "ipv6")]},
    "base64": {"pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
}
_INSTEAD = {
    "not": "say with enum, const, pattern or bounds what is allowed",
    "if": "write each case as an alternative of anyOf",
    "dependentRequired": "write an alternative of anyOf with these properties, and one without them",
    "dependentSchemas": "write an alternative of anyOf for each case",
}
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")
_REMARKS = {"type", "title", "description"}


def compilable(schema: Any) -> Any:
    """Return a JSON schema as the grammar compiler takes it, and whose objects have no extra properties.

    A `format` that the compiler does not know is a remark by the standard. `oneOf` becomes `anyOf`, `propertyNames` the
    names or patterns of properties. An alternative whose pattern has look-around is left out if there are others.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return forbid_extra_properties(map_schemas(schema, lambda part: _rewrite(part, root)))


def without_unique_items(schema: Any) -> Any:
    """Return a JSON schema without `uniqueItems`, for a caller that checks it when it parses."""
    return map_schemas(schema, lambda part: {key: item for key, item in part.items() if key != "uniqueItems"})


def map_schemas(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a schema with each schema in it changed, from the inside out."""
    if isinstance(schema, list):
        return [map_schemas(item, change) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner: dict[str, Any] = {}
    for key, item in schema.items():
        if key in _SCHEMAS_BY_NAME and isinstance(item, Mapping):
            inner[key] = {name: map_schemas(part, change) for name, part in item.items()}
        else:
            inner[key] = item if key in _VALUES else map_schemas(item, change)
    return change(inner)


def _rewrite(schema: dict[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    schema = dict(schema)
    for key, instead in _INSTEAD.items():
        if key in schema:
            raise ConstraintError(f"{key} cannot be a constraint: {instead}, or leave it out and check the answer")
    if isinstance(schema.get("format"), str) and schema["format"] not in _FORMATS:
        schema = {**_FORMATS_OF_PYDANTIC.get(schema.pop("format"), {}), **schema}
    if "uniqueItems" in schema:
        _check_unique(schema)
    if isinstance(schema.get("oneOf"), list) and "anyOf" not in schema:
        schema = {("anyOf" if key == "oneOf" else key): item for key, item in schema.items()}
    if isinstance(schema.get("anyOf"), list):
        kept = [item for item in schema["anyOf"] if not _has_look_around(item)]
        schema["anyOf"] = kept or schema["anyOf"]
    names = schema.pop("propertyNames", None)
    return schema if names in (None, True) else _with_names(schema, names, root)


def _check_unique(schema: dict[str, Any]) -> None:
    most = schema.get("maxItems")
    if schema["uniqueItems"] and not (isinstance(most, int) and most <= 1):
        raise ConstraintError(
            "uniqueItems cannot be a constraint: leave it out, or pass a pydantic class with a set, which checks it"
        )
    del schema["uniqueItems"]


def _has_look_around(schema: Any) -> bool:
    return isinstance(schema, Mapping) and bool(_LOOK_AROUND.search(str(schema.get("pattern", ""))))


def _with_names(schema: dict[str, Any], names: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's schema that allows only these names of properties."""
    names = _resolve(names, root)
    values = schema.get("additionalProperties", True)
    given = schema.get("properties") or {}
    allowed = [names["const"]] if "const" in names else names.get("enum")
    if allowed is not None and "patternProperties" not in schema:
        properties = {name: given.get(name, values) for name in allowed if name in given or values is not False}
        return {**schema, "properties": properties, "additionalProperties": False}
    rules = set(names) - _REMARKS
    pattern = names.get("pattern") if rules == {"pattern"} else None
    if rules == {"format"}:
        pattern = _KEY_PATTERNS.get(names["format"], "" if names["format"] not in _FORMATS else None)
    if rules and rules <= {"minLength", "maxLength"}:
        pattern = rf"^[\s\S]{{{names.get('minLength', 0)},{names.get('maxLength', '')}}}$"
    if not rules or pattern == "":
        return schema
    if pattern is None or given or "patternProperties" in schema:
        raise ConstraintError(
            f"propertyNames is {dict(names)!r}, but must be an enum or one pattern, beside no other properties"
        )
    return {**schema, "patternProperties": {pattern: values}, "additionalProperties": False}


def _resolve(names: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(names, Mapping) and isinstance(reference := names.get("$ref"), str) and reference.startswith("#/"):
        found: Any = root
        for key in reference[2:].split("/"):
            found = found.get(key.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}
    return names if isinstance(names, Mapping) else {"propertyNames": names}


def forbid_extra_properties(schema: Any) -> Any:
    """Return a JSON schema whose objects have only the properties it names, unless it says otherwise.

    By the standard an object may have any others, and a model would add them without end. An object that combines
    several schemas stays open, because each of them names a part of its properties.
    """
    if isinstance(schema, list):
        return [forbid_extra_properties(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = dict(schema)
    for key, item in schema.items():
        if key in _SCHEMAS_BY_NAME and isinstance(item, Mapping):
            inner[key] = {name: forbid_extra_properties(part) for name, part in item.items()}
        elif key not in _UNCHANGED:
            inner[key] = forbid_extra_properties(item)
    is_plain = isinstance(inner.get("properties"), dict) and not _COMBINING_KEYWORDS & set(inner)
    return {"additionalProperties": False, **inner} if is_plain else inner

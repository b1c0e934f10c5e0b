"""JSON schemas in the words that the grammar compiler has: remarks left out, the rest rewritten or refused."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from llmkit.errors import ConstraintError
from llmkit.models.constraints.endless_schemas import endless_references
from llmkit.models.constraints.schema_keywords import (
    SCHEMAS_BY_NAME,
    VALUES,
    check_spelling,
    without_idle_keywords,
)
from llmkit.models.constraints.string_formats import format_pattern, is_known_format, with_format

_UNCHANGED = {"allOf", "not", "if", "const", "enum", "default", "examples"}
_COMBINING_KEYWORDS = {"allOf", "anyOf", "oneOf", "not", "if", "$ref"}
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")
_REMARKS = {"type", "title", "description"}
_LARGEST = 2**63 - 1  # of the bounds that the compiler has
_BOUNDS = {"minimum": 1, "exclusiveMinimum": 1, "maximum": -1, "exclusiveMaximum": -1}

logger = logging.getLogger(__name__)


def compilable(schema: Any) -> Any:
    """Return a JSON schema as the grammar compiler takes it, and whose objects have no extra properties.

    A `format` that nobody knows is a remark by the standard. `oneOf` becomes `anyOf`, `propertyNames` the names or
    patterns of properties. An alternative whose pattern has look-around is left out if there are others.
    """
    if isinstance(schema, bool):
        if not schema:
            raise ConstraintError("the schema is false, which allows no value")
        schema = {}
    check_spelling(schema)
    root = schema if isinstance(schema, Mapping) else {}
    if "prefixItems" in str(root):  # older drafts, which `$schema` may name, have not got it
        schema = {key: item for key, item in root.items() if key != "$schema"}
    rewritten = forbid_extra_properties(map_schemas(schema, lambda part: _rewrite(part, root)))
    endless = endless_references(rewritten)
    nothing: Any = False
    return (
        map_schemas(rewritten, lambda part: nothing if part.get("$ref") in endless else part) if endless else rewritten
    )


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
        if key in SCHEMAS_BY_NAME and isinstance(item, Mapping):
            inner[key] = {name: map_schemas(part, change) for name, part in item.items()}
        else:
            inner[key] = item if key in VALUES or key.startswith("x-") else map_schemas(item, change)
    return change(inner)


def _rewrite(schema: dict[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    schema = without_idle_keywords(schema)
    if isinstance(schema.get("type"), str) and schema["type"].isupper():  # Gemini's
        schema["type"] = schema["type"].lower()
    for key in _BOUNDS:
        _check_bound(schema, key)
    if isinstance(encoding := schema.pop("contentEncoding", None), str):
        schema.setdefault("format", encoding.lower())
    if isinstance(schema.get("format"), str) and not is_known_format(schema["format"]):
        del schema["format"]
    schema = with_format(schema)
    if "uniqueItems" in schema:
        _check_unique(schema)
    if isinstance(schema.get("oneOf"), list) and "anyOf" not in schema:
        if not _are_disjoint(schema["oneOf"], root):
            logger.info("oneOf is followed as anyOf: the answer may be valid under more than one of the alternatives")
        schema = {("anyOf" if key == "oneOf" else key): item for key, item in schema.items()}
    if isinstance(schema.get("anyOf"), list):
        kept = [item for item in schema["anyOf"] if not _has_look_around(item)]
        schema["anyOf"] = kept or schema["anyOf"]
    names = schema.pop("propertyNames", None)
    return schema if names in (None, True) else _with_names(schema, names, root)


def _check_bound(schema: dict[str, Any], key: str) -> None:
    """Leave out a bound beyond 64 bits if it hardly restricts a number."""
    bound = schema.get(key)
    if isinstance(bound, bool) or not isinstance(bound, int | float) or abs(bound) < _LARGEST:
        return
    if bound * _BOUNDS[key] > 0:
        raise ConstraintError(f"{key} is {bound}, but must be less than 2 ** 63 in size: say it with a string")
    del schema[key]


def _are_disjoint(options: list[Any], root: Mapping[str, Any]) -> bool:
    """Whether no value is valid under two alternatives, as far as types and constants of properties tell."""
    resolved = [_resolve(option, root) for option in options]
    return all(_differ(first, second, root) for first, second in itertools.combinations(resolved, 2))


def _differ(first: Mapping[str, Any], second: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    values = [_values(option) for option in (first, second)]
    if all(values) and not values[0] & values[1]:
        return True
    types = [_types(option) for option in (first, second)]
    if all(types) and not types[0] & types[1]:
        return True
    shared = set(first.get("required", ())) & set(second.get("required", ()))
    parts = ([_resolve(option.get("properties", {}).get(name), root) for option in (first, second)] for name in shared)
    return any(_differ(one, other, root) for one, other in parts)


def _values(schema: Mapping[str, Any]) -> set[str]:
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    return {f"{type(value).__name__}:{value}" for value in values}


def _types(schema: Mapping[str, Any]) -> set[str]:
    given = schema.get("type", ())
    types = {given} if isinstance(given, str) else set(given)
    return types | {"integer"} if "number" in types else types


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
    rules, pattern = set(names) - _REMARKS, names.get("pattern")
    if "format" in rules:
        pattern = _anchored(format_pattern(names["format"])) if is_known_format(names["format"]) else pattern or ""
        rules -= {"pattern", "format"}
    pattern = pattern if rules <= {"pattern"} else None
    if rules and rules <= {"minLength", "maxLength"}:
        pattern = rf"^[\s\S]{{{names.get('minLength', 0)},{names.get('maxLength', '')}}}$"
    if pattern == "" or (pattern is None and not rules):
        return schema
    if pattern is None or given or "patternProperties" in schema:
        raise ConstraintError(
            f"propertyNames is {dict(names)!r}, but must be an enum or one pattern, beside no other properties"
        )
    return {**schema, "patternProperties": {pattern: values}, "additionalProperties": False}


def _anchored(pattern: str | None) -> str | None:
    return None if pattern is None else f"^{pattern}$"


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
        if key in SCHEMAS_BY_NAME and isinstance(item, Mapping):
            inner[key] = {name: forbid_extra_properties(part) for name, part in item.items()}
        elif key not in _UNCHANGED:
            inner[key] = forbid_extra_properties(item)
    has_names = any(isinstance(inner.get(key), dict) for key in ("properties", "patternProperties"))
    is_plain = has_names and not _COMBINING_KEYWORDS & set(inner)
    if not (_COMBINING_KEYWORDS | {"const", "enum", "type"}) & set(inner):
        inner = {**_implied_type(inner), **inner}
    return {"additionalProperties": False, **inner} if is_plain else inner


def _implied_type(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the type that the keywords of a schema are about; by the standard, they allow any other type too."""
    return next(({"type": name} for name, keys in _KEYWORDS_OF.items() if keys & set(schema)), {})


_KEYWORDS_OF = {
    "object": {
        *("properties", "patternProperties", "additionalProperties", "propertyNames", "required"),
        *("minProperties", "maxProperties"),
    },
    "array": {"items", "prefixItems", "additionalItems", "minItems", "maxItems"},
    "string": {"pattern", "minLength", "maxLength", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}

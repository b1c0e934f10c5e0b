"""The keywords of JSON Schema: which restrict a value, which are remarks, and which cannot be followed.

Those of drafts 3 to 2020-12 (https://json-schema.org/specification) and of OpenAPI 3.0.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmkit.errors import ConstraintError

SCHEMAS_BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
"""Keywords whose value is an object of schemas, and whose keys are names."""

VALUES = {"const", "enum", "default", "examples", "example", "discriminator", "errorMessage", "xml", "externalDocs"}
"""Keywords whose value is no schema, whatever it contains."""

_SCHEMAS = {
    *("items", "prefixItems", "additionalItems", "contains", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"),
    *("additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
}
_FOLLOWED = {
    *("type", "enum", "const", "properties", "patternProperties", "additionalProperties", "propertyNames", "required"),
    *("minProperties", "maxProperties", "items", "prefixItems", "additionalItems", "minItems", "maxItems"),
    *("uniqueItems", "minLength", "maxLength", "pattern", "format", "contentEncoding", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "allOf", "anyOf", "oneOf", "$ref", "nullable"),
}
_INSTEAD = {
    "not": "say with enum, const, pattern or bounds what is allowed",
    "if": "write each case as an alternative of anyOf",
    "dependentRequired": "write an alternative of anyOf with these properties, and one without them",
    "dependentSchemas": "write an alternative of anyOf for each case",
    "dependencies": "write an alternative of anyOf with these properties, and one without them",
    "propertyDependencies": "write an alternative of anyOf for each case",
    "contains": "say with items and prefixItems what is allowed",
    "unevaluatedProperties": "name all properties in one schema, with additionalProperties",
    "unevaluatedItems": "say with items and prefixItems what is allowed",
    "$dynamicRef": "name the schema with $ref",
    "$recursiveRef": "name the schema with $ref",
    "divisibleBy": "write multipleOf",
    "extends": "write allOf",
    "disallow": "say with type what is allowed",
}
_WITHOUT_EFFECT = {"then": "if", "else": "if", "minContains": "contains", "maxContains": "contains"}
"""Keywords that by the standard say nothing without another one."""

_EMPTY: tuple[Any, ...] = ({}, True)
_IDLE_VALUES: dict[str, tuple[Any, ...]] = {
    **{"not": (False,), "contains": (), "unevaluatedProperties": _EMPTY, "unevaluatedItems": _EMPTY},
    **dict.fromkeys(("dependentRequired", "dependentSchemas", "dependencies", "propertyDependencies"), ({},)),
}
"""Values with which a keyword allows everything."""

_REMARKS = {
    *("$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "$comment", "$defs"),
    *("definitions", "components", "title", "description", "default", "examples", "example", "deprecated", "readOnly"),
    *("writeOnly", "contentMediaType", "contentSchema", "discriminator", "xml", "externalDocs", "errorMessage"),
    *("name", "strict", "propertyOrdering", "enumNames", "enumDescriptions", "formatMinimum", "formatMaximum"),
}
RESTRICTING = frozenset({*_FOLLOWED, *_INSTEAD, *_WITHOUT_EFFECT})
"""Keywords that a dictionary is recognized by as a JSON schema: all but remarks."""

_KNOWN = RESTRICTING | _REMARKS
_BY_SPELLING = {name.lower(): name for name in _KNOWN}
_COMBINING = {"$ref", "allOf", "anyOf", "oneOf"}

logger = logging.getLogger(__name__)


def check_spelling(schema: Any) -> None:
    """Raise `ConstraintError` for a keyword in another spelling, such as `max_length`, which would restrict nothing.

    By the standard a keyword that nobody knows is a remark; one that is only near to a known one is logged.
    """
    if isinstance(schema, list):
        for item in schema:
            check_spelling(item)
    if not isinstance(schema, Mapping):
        return
    for key, item in schema.items():
        if isinstance(key, str) and key not in _KNOWN and not key.startswith("x-"):
            known = _BY_SPELLING.get(key.replace("_", "").replace("-", "").lower())
            if known:
                raise ConstraintError(f"{key!r} is no keyword of JSON Schema and restricts nothing: write {known!r}")
            _log_unknown(key)
        if key in _SCHEMAS:
            check_spelling(item)
        elif key in SCHEMAS_BY_NAME and isinstance(item, Mapping):
            for part in item.values():
                check_spelling(part)


@lru_cache(maxsize=1024)
def _log_unknown(key: str) -> None:
    near = difflib.get_close_matches(key, _KNOWN, n=1, cutoff=0.8)
    if near:
        logger.warning("%r is no keyword of JSON Schema and restricts nothing: did you mean %r?", key, near[0])


def without_idle_keywords(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without the keywords that by the standard restrict nothing, and with older forms as today's.

    Raises:
        ConstraintError: a keyword cannot be followed.
    """
    kept = {key: item for key, item in schema.items() if _WITHOUT_EFFECT.get(key, key) in schema}
    if not {"then", "else"} & set(kept):
        kept.pop("if", None)
    if kept.get("minContains") == 0 and "maxContains" not in kept:
        kept = {key: item for key, item in kept.items() if key not in ("contains", "minContains")}
    kept = {key: item for key, item in kept.items() if not _is_idle(key, item)}
    _close(kept)
    for key, instead in _INSTEAD.items():
        if key in kept:
            raise ConstraintError(f"{key} cannot be a constraint: {instead}, or leave it out and check the answer")
    if isinstance(kept.get("required"), bool):
        raise ConstraintError(
            f"required is {kept['required']}, but must be a list of names, beside the properties of the object"
        )
    if kept.pop("nullable", False) is True and isinstance(kept.get("type"), str | list):  # OpenAPI 3.0
        types = [kept["type"]] if isinstance(kept["type"], str) else kept["type"]
        kept["type"] = [*types, *(["null"] if "null" not in types else [])]
    return kept


def _is_idle(key: str, value: Any) -> bool:
    if any(value is item or (value == item and isinstance(value, dict)) for item in _IDLE_VALUES.get(key, ())):
        return True
    return key == "dependentRequired" and isinstance(value, Mapping) and not any(value.values())


def _close(schema: dict[str, Any]) -> None:
    """Say with keywords that can be followed that no others are allowed, where no other schema is evaluated."""
    if _COMBINING & set(schema):
        return
    if schema.get("unevaluatedProperties") is False:
        schema.setdefault("additionalProperties", False)
        del schema["unevaluatedProperties"]
    if schema.get("unevaluatedItems") is False and "contains" not in schema:
        schema.setdefault("additionalItems" if isinstance(schema.get("items"), list) else "items", False)
        del schema["unevaluatedItems"]

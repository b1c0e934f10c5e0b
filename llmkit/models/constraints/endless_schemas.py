"""JSON schemas whose values would have no end, because each value must contain another one of the same schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmkit.errors import ConstraintError
from llmkit.models.constraints.schema_keywords import VALUES


def endless_references(schema: Any) -> set[str]:
    """Return the references in a schema to schemas that no finite value fits.

    A reference can be followed to an end if its schema has a value without references that cannot: the least fixed
    point, as for the nonterminals of a grammar that derive a text.

    Raises:
        ConstraintError: no finite value fits the schema itself, such as a list node whose next is required.
    """
    targets = {reference: _target(schema, reference) for reference in _references(schema)}
    finite = {reference for reference, target in targets.items() if target is None}
    while new := {one for one in targets if one not in finite and _has_end(targets[one], finite)}:
        finite |= new
    endless = set(targets) - finite
    if not _has_end(schema, finite):
        raise ConstraintError(
            f"no value fits the schema, because each would have another of {', '.join(sorted(endless))} in it without "
            "end: make a property optional, or allow null or an empty array"
        )
    return endless


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for item in part:
            yield from _references(item)
    elif isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for key, item in part.items():
            if key not in VALUES:
                yield from _references(item)


def _target(root: Any, reference: str) -> Any:
    """Return the schema that a reference names; `None` if it is elsewhere, or not there, which the compiler says."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    found = root
    for key in reference[2:].split("/"):
        key = key.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, Mapping):
            found = found.get(key)
        else:
            return None
    return found


def _has_end(schema: Any, finite: set[str]) -> bool:
    """Return whether a schema has a value, as far as that follows from the references that are known to have one."""
    if not isinstance(schema, Mapping):
        return True
    if "const" in schema or "enum" in schema:
        return True
    if isinstance(schema.get("$ref"), str) and schema["$ref"] not in finite:
        return False
    if not all(_has_end(item, finite) for item in schema.get("allOf") or ()):
        return False
    options = [schema[key] for key in ("anyOf", "oneOf") if isinstance(schema.get(key), list)]
    if not all(any(_has_end(item, finite) for item in option) for option in options if option):
        return False
    given = schema.get("type")
    if given == "object" or (given is None and schema.get("required")):
        return _object_has_end(schema, finite)
    return _array_has_end(schema, finite) if given == "array" else True


def _object_has_end(schema: Mapping[str, Any], finite: set[str]) -> bool:
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties", True)
    patterns = schema.get("patternProperties") or {}
    required = schema.get("required") or ()
    if not all(_has_end(properties.get(name, True if patterns else others), finite) for name in required):
        return False
    least = schema.get("minProperties")
    if not isinstance(least, int) or least <= len(required):
        return True
    return any(_has_end(item, finite) for item in (*properties.values(), *patterns.values(), others))


def _array_has_end(schema: Mapping[str, Any], finite: set[str]) -> bool:
    least = schema.get("minItems")
    if not isinstance(least, int):
        return True
    first = schema.get("prefixItems") or []
    needed = first[:least] + ([schema.get("items", True)] if least > len(first) else [])
    return all(_has_end(item, finite) for item in needed)

"""JSON schemas of the kinds of JSONSchemaBench, each with a valid value, made from a seed."""

import random
from collections.abc import Callable
from typing import Any

Pair = tuple[dict[str, Any], Any]
Maker = Callable[[random.Random, int], Pair]

PATTERNS = [
    (r"^[a-z]+_id$", "user_id"),
    (r"\d{3}", "ab123"),
    (r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2024-02-29"),
    (r"\.pdf$", "a b.pdf"),
    (r"^[\w.]+@[\w.]+\.[a-z]{2,}$", "ann.b@example.org"),
    (r"^(red|green|light blue)$", "light blue"),
    (r"^#([0-9a-fA-F]{3}){1,2}$", "#00ffA0"),
    (r"^v?[0-9]+(\.[0-9]+){0,2}$", "v1.20"),
]
FORMATS = [
    ("date", "2024-02-29"),
    ("date-time", "2024-02-29T12:30:00Z"),
    ("time", "12:30:00Z"),
    ("email", "ann@example.org"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
    ("ipv4", "192.168.0.1"),
    ("hostname", "www.example.org"),
    ("uri", "https://example.org/a?b=c"),
    ("phone", "+49 30 1234"),
]
NAMES = ["id", "name", "größe", 'a "b"', "x_1", "city name", "values"]


def pair(rng: random.Random, depth: int = 2) -> Pair:
    """Return a schema and a valid value."""
    makers = [*_LEAVES, *(_NESTED if depth else [])]
    return rng.choice(makers)(rng, depth)


def _constant(rng: random.Random, _: int) -> Pair:
    value = rng.choice([None, True, 0, -3, "a", 'é"\\', [], [1, "b"], {"k": 1}])
    return ({"const": value}, value) if rng.random() < 0.5 else ({"enum": [value, "other", 7]}, value)


def _plain(rng: random.Random, _: int) -> Pair:
    value = rng.choice([None, False, 12, 2.5, "some text", "日本 😀\n"])
    kind = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}[type(value)]
    types = [kind, "null"] if rng.random() < 0.2 and value is not None else kind
    return {"type": types, "description": "a remark", "default": 1}, value


def _bounded_number(rng: random.Random, _: int) -> Pair:
    low, width = rng.randint(-50, 50), rng.randint(1, 300)
    number = low + rng.randint(0, width)
    schema: dict[str, Any] = {"type": rng.choice(["integer", "number"]), "minimum": low, "maximum": low + width}
    if rng.random() < 0.3:
        schema["exclusiveMaximum"] = schema.pop("maximum") + 1
    if rng.random() < 0.2 and schema["type"] == "integer":
        schema = {"type": "integer", "multipleOf": 5}
        number -= number % 5
    return schema, number


def _bounded_string(rng: random.Random, _: int) -> Pair:
    low, more = rng.randint(0, 4), rng.randint(0, 5)
    schema: dict[str, Any] = {"type": "string", "minLength": low}
    if rng.random() < 0.7:
        schema["maxLength"] = low + more
    return schema, "".join(rng.choice('ab é"\\語') for _ in range(low + rng.randint(0, more)))


def _patterned(rng: random.Random, _: int) -> Pair:
    pattern, value = rng.choice(PATTERNS)
    return {"type": "string", "pattern": pattern}, value


def _formatted(rng: random.Random, _: int) -> Pair:
    name, value = rng.choice(FORMATS)
    return {"type": "string", "format": name}, value


def _object(rng: random.Random, depth: int) -> Pair:
    names = rng.sample(NAMES, rng.randint(0, 4))
    pairs = {name: pair(rng, depth - 1) for name in names}
    required = [name for name in names if rng.random() < 0.6]
    schema: dict[str, Any] = {"type": "object", "properties": {name: one[0] for name, one in pairs.items()}}
    if required or rng.random() < 0.5:
        schema["required"] = required
    value = {name: one[1] for name, one in pairs.items() if name in required or rng.random() < 0.5}
    extra = rng.random()
    if extra < 0.3:
        schema["additionalProperties"] = False
    elif extra < 0.5:
        inner, item = pair(rng, 0)
        schema["additionalProperties"] = inner
        value["another"] = item
    return schema, value


def _map(rng: random.Random, depth: int) -> Pair:
    inner, item = pair(rng, depth - 1)
    if rng.random() < 0.5:
        return {"type": "object", "additionalProperties": inner}, {"any name": item}
    return {"type": "object", "patternProperties": {"^[a-z]+$": inner}, "additionalProperties": False}, {"abc": item}


def _array(rng: random.Random, depth: int) -> Pair:
    inner, item = pair(rng, depth - 1)
    low, more = rng.randint(0, 2), rng.randint(0, 2)
    if rng.random() < 0.2:
        second, other = pair(rng, 0)
        return {"type": "array", "prefixItems": [inner, second], "items": False, "minItems": 2}, [item, other]
    return {"type": "array", "items": inner, "minItems": low, "maxItems": low + more}, [item] * (low + more)


def _any_of(rng: random.Random, depth: int) -> Pair:
    options = [pair(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    return {"anyOf": [one[0] for one in options]}, rng.choice(options)[1]


def _one_of(rng: random.Random, depth: int) -> Pair:
    """Alternatives that exclude each other: `oneOf` is compiled as `anyOf`, so that others may allow too much."""
    inner, item = pair(rng, depth - 1)
    tagged = {"type": "object", "properties": {"kind": {"const": "a"}, "item": inner}, "required": ["kind", "item"]}
    return {"oneOf": [tagged, {"type": "boolean"}]}, rng.choice([{"kind": "a", "item": item}, True])


def _all_of(rng: random.Random, depth: int) -> Pair:
    low = rng.randint(-9, 9)
    if rng.random() < 0.5:
        return {"allOf": [{"type": "integer", "minimum": low}, {"maximum": low + 20}]}, low + rng.randint(0, 20)
    inner, item = pair(rng, depth - 1)
    first = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    return {"allOf": [first, {"properties": {"b": {"type": "null"}}, "required": ["b"]}]}, {"a": item, "b": None}


def _reference(rng: random.Random, depth: int) -> Pair:
    inner, item = pair(rng, depth - 1)
    if "$defs" in str(inner):
        return inner, item
    schema = {"$defs": {"inner": inner}, "type": "array", "items": {"$ref": "#/$defs/inner"}, "maxItems": 2}
    return ({**schema}, [item, item]) if depth == 2 else (inner, item)  # a reference begins at the root


_LEAVES: list[Maker] = [_constant, _plain, _bounded_number, _bounded_string, _patterned, _formatted]
_NESTED: list[Maker] = [_object, _object, _map, _array, _any_of, _one_of, _all_of, _reference]

"""Engines, constraints and schemas for the tests of constraints, and a validator for schemas."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llmkit.errors import SettingsError
from llmkit.models.constraints.grammar import Constraint, ConstraintFactory
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.engine import Engine
from tests.support import tiny
from tests.support.generation import greedy_request

ARCHITECTURE_NAMES = st.sampled_from(["llama", "mistral", "bart"])


class Town(BaseModel):
    """A town."""

    name: str = Field(max_length=8)
    people: int = Field(ge=0, le=999)


@cache
def engine_of(name: str) -> Engine:
    return tiny.make(name).engine()


def constrained(engine: Engine, constraint: Constraint, prompt: str = "What is", **options: Any) -> Completion:
    request = greedy_request(engine.encoder.encode_text(prompt), **options)
    return engine.generate([replace(request, constraint=constraint)])[0][0]


DRAWN: dict[str, Any] = {"temperature": 1.3, "seed": 5}


def can_start(constraint: Constraint, limit: int) -> bool:
    """Return whether a completion of `limit` tokens can satisfy the constraint; check the error if not."""
    try:
        constraint.start(limit)
    except SettingsError as error:
        if f"max_new_tokens is {limit}, but the constraint needs more" not in str(error):
            raise
        return False
    return True


def drawn_text(factory: ConstraintFactory, schema: Any, rng: random.Random, limit: int = 120) -> str | None:
    """Return a completion of random allowed tokens within a limit; `None` if none was finished."""
    try:
        matcher = factory.json_schema(schema).start(limit)
    except SettingsError:
        return None
    written: list[int] = []
    while not matcher.complete and len(written) < limit:
        scores = torch.zeros(factory._vocabulary.vocab_size)
        matcher.mask(scores)
        allowed = [int(one) for one in torch.nonzero(scores == 0).flatten()]
        token = rng.choice(allowed)
        if factory._vocabulary.is_special_token(token):
            break
        if not matcher.allows(token, limit - len(written) - 1):
            written += matcher.shortest_end or []
            return factory._vocabulary.decode_str(written)
        matcher.consume(token)
        written.append(token)
    return factory._vocabulary.decode_str(written) if matcher.complete or matcher.shortest_end == [] else None


PERSON = {"name": {"type": "string"}, "age": {"type": "integer"}}
CONSTRAINTS: dict[str, Callable[[ConstraintFactory], Constraint]] = {
    "json": lambda make: make.json_schema({"type": "object", "properties": PERSON, "required": list(PERSON)}),
    "regex": lambda make: make.regex(r"[A-Z][a-z]{3,9} [0-9]{1,8}"),
    "choice": lambda make: make.choice(["yes", "no", "maybe so", "maybe not"]),
}


names = st.text(alphabet='ab"é\\{ ', max_size=4)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def make(properties: dict[str, Any]) -> st.SearchStrategy[Any]:
        required = st.lists(st.sampled_from(list(properties)), unique=True) if properties else st.just([])
        return required.map(lambda items: {"type": "object", "properties": properties, "required": items})

    return st.dictionaries(names, inner, max_size=3).flatmap(make)


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(inner, st.integers(0, 2), st.integers(2, 4)).map(
        lambda parts: {"type": "array", "items": parts[0], "minItems": parts[1], "maxItems": parts[2]}
    )


leaves = st.one_of(
    st.sampled_from(["boolean", "null", "number", "integer", "string"]).map(lambda name: {"type": name}),
    st.tuples(st.integers(0, 3), st.integers(3, 9)).map(
        lambda limits: {"type": "string", "minLength": limits[0], "maxLength": limits[1]}
    ),
    st.tuples(st.integers(-30, 0), st.integers(0, 2000)).map(
        lambda limits: {"type": "integer", "minimum": limits[0], "maximum": limits[1]}
    ),
    st.lists(names | st.integers(-5, 500) | st.none(), min_size=1, max_size=4).map(lambda items: {"enum": items}),
    names.map(lambda name: {"const": name}),
)
schemas = st.recursive(
    leaves,
    lambda inner: (
        objects(inner) | arrays(inner) | st.lists(inner, min_size=1, max_size=3).map(lambda items: {"anyOf": items})
    ),
    max_leaves=6,
)

CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, name: {
        "null": value is None,
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "string": isinstance(value, str),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }[name],
    "minLength": lambda value, least: len(value) >= least,
    "maxLength": lambda value, most: len(value) <= most,
    "minimum": lambda value, least: value >= least,
    "maximum": lambda value, most: value <= most,
    "enum": lambda value, items: any(type(value) is type(item) and value == item for item in items),
    "const": lambda value, item: type(value) is type(item) and value == item,
    "anyOf": lambda value, items: any(fits(value, item) for item in items),
    "items": lambda value, schema: all(fits(item, schema) for item in value),
    "minItems": lambda value, least: len(value) >= least,
    "maxItems": lambda value, most: len(value) <= most,
    "required": lambda value, items: set(items) <= set(value),
    "properties": lambda value, inner: all(name in inner and fits(item, inner[name]) for name, item in value.items()),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Return whether a value is valid under a schema; the generated schemas have `type` as their first key."""
    return all(CHECKS[rule](value, expected) for rule, expected in schema.items())


def smallest(schema: dict[str, Any]) -> str:
    """Return a short text that the schema allows."""
    if "anyOf" in schema:
        return min((smallest(item) for item in schema["anyOf"]), key=len)
    if "enum" in schema:
        return json.dumps(min(schema["enum"], key=lambda item: len(json.dumps(item))))
    if "const" in schema:
        return json.dumps(schema["const"])
    inner = schema.get("properties", {})
    return {
        "null": "null",
        "boolean": "true",
        "string": json.dumps("a" * schema.get("minLength", 0)),
        "array": "[" + ", ".join(smallest(schema["items"]) for _ in range(schema.get("minItems", 0))) + "]"
        if "items" in schema
        else "[]",
        "object": "{"
        + ", ".join(json.dumps(name) + ": " + smallest(inner[name]) for name in schema.get("required", ()))
        + "}",
    }.get(schema["type"], str(max(0, schema.get("minimum", 0))))

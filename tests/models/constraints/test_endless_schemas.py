"""Schemas without a finite value are refused; recursive ones with an end are followed."""

from typing import Any

import pytest

from llmkit.errors import ConstraintError
from llmkit.models.constraints.json_schemas import compilable
from tests.support.schemas import engine_of


def node(link: Any, **more: Any) -> dict[str, Any]:
    """Return the schema of a node, which has a required link."""
    return {"type": "object", "properties": {"n": link}, "required": ["n"], **more}


SELF, DEFINED = {"$ref": "#"}, {"$ref": "#/$defs/n"}
ENDLESS: dict[str, Any] = {
    "root": node(SELF),
    "without a type": {"properties": {"n": SELF}, "required": ["n"]},
    "definition": {"$defs": {"n": node(DEFINED)}, **DEFINED},
    "definition in a property": {"$defs": {"n": node(DEFINED)}, **node(DEFINED)},
    "two definitions": {"$defs": {"n": node({"$ref": "#/$defs/m"}), "m": node(DEFINED)}, **DEFINED},
    "alternatives": node({"anyOf": [SELF, node(SELF)]}),
    "oneOf": node({"oneOf": [SELF, node(SELF)]}),
    "array": node({"type": "array", "items": SELF, "minItems": 1}),
    "tuple": node({"type": "array", "prefixItems": [{"type": "null"}, SELF], "minItems": 2}),
    "least properties": {"type": "object", "additionalProperties": SELF, "minProperties": 1},
    "allOf": node({"allOf": [SELF]}),
    "reference to itself": {"$defs": {"n": DEFINED}, **DEFINED},
}
FINITE: dict[str, Any] = {
    "optional": {"type": "object", "properties": {"n": SELF}},
    "null": node({"anyOf": [SELF, {"type": "null"}]}),
    "array": node({"type": "array", "items": SELF}),
    "types": node(SELF, type=["object", "null"]),
    "definition": {"$defs": {"n": node({"anyOf": [{"type": "integer"}, DEFINED]})}, **DEFINED},
    "tuple": node({"type": "array", "prefixItems": [{"type": "null"}, SELF], "minItems": 1}),
    "constant": node({"const": {"$ref": "#"}}),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_schema_without_a_finite_value_is_refused(name: str) -> None:
    with pytest.raises(
        ConstraintError, match="no value fits the schema, because each would have another of #"
    ) as found:
        compilable(ENDLESS[name])
    assert "\n" not in str(found.value)


def test_an_optional_part_without_a_finite_value_is_left_out() -> None:
    schema = {
        "$defs": {"n": node(DEFINED)},
        "type": "object",
        "properties": {"a": {"const": 1}, "b": DEFINED, "c": {"anyOf": [DEFINED, {"type": "null"}]}},
        "required": ["a", "c"],
    }
    engine = engine_of("llama")
    matcher = engine.constraints.json_schema(schema).start(100)
    for token in engine.encoder.encode_text('{"a": 1, "c": null}', special=False):
        matcher.consume(token)
    assert matcher.complete
    other = engine.constraints.json_schema(schema).start(100)
    tokens = engine.encoder.encode_text('{"a": 1, "b": {', special=False)
    with pytest.raises(ConstraintError, match="does not allow the chosen token"):
        list(map(other.consume, tokens))


@pytest.mark.parametrize("name", FINITE)
def test_a_recursive_schema_with_an_end_is_followed(name: str) -> None:
    assert engine_of("llama").constraints.json_schema(FINITE[name]).start(200).shortest_end is not None

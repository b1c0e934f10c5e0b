"""JSON under a schema parses and validates, whatever the weights, the settings and max_new_tokens."""

import json
import re
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.constraints.grammar import forbid_extra_properties
from llmkit.models.langchain.structured_output import METHODS
from tests.support import tiny
from tests.support.models import chat
from tests.support.schemas import (
    DRAWN,
    KINDS,
    can_start,
    constrained,
    engine_of,
    fits,
    schemas,
    smallest,
)


@given(KINDS, schemas, st.integers(1, 60), st.sampled_from([{}, DRAWN]))
@settings(max_examples=80)
def test_json_parses_and_validates(name: str, schema: Any, limit: int, how: dict[str, Any]) -> None:
    engine = engine_of(name)
    constraint = engine.constraints.json_schema(schema)
    if limit < 2 * len(smallest(schema).encode()) + 8 and not can_start(constraint, limit):
        return
    answer = constrained(engine, constraint, max_new_tokens=limit, **how)
    assert len(answer.token_ids) <= limit
    assert fits(json.loads(answer.text), schema), answer.text
    assert answer.finish_reason in ("stop", "length")


LONG = {f"a property with a long name, number {number}": {"type": "string"} for number in range(8)}
TREE = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["children"],
}


@tiny.every_architecture
@pytest.mark.parametrize("how", [{}, DRAWN], ids=["greedy", "drawn"])
def test_long_items_are_begun_only_if_they_can_be_finished(name: str, how: dict[str, Any]) -> None:
    engine = engine_of(name)
    item = {"type": "object", "properties": LONG, "required": list(LONG)}
    schema = {"type": "array", "items": {"anyOf": [{"type": "integer"}, item]}}
    for limit in (40, 150, 300) if name == "llama" else (150,):
        answer = constrained(engine, engine.constraints.json_schema(schema), max_new_tokens=limit, **how)
        assert isinstance(json.loads(answer.text), list)
        assert len(answer.token_ids) <= limit


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {"type": "object"},
        {},
        {"type": "string", "format": "email"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "uri"},
        {"type": "string", "pattern": "^[a-z]+@[a-z]+[.](com|org)$"},
        {"type": "string", "minLength": 20},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "minItems": 2, "items": False},
    ],
    ids=str,
)
def test_schemas_without_a_natural_end(schema: dict[str, Any]) -> None:
    engine = engine_of("llama")
    checked = {key: schema[key] for key in ("type", "minLength", "minItems", "required") if key in schema}
    for how in ({}, DRAWN, {"temperature": 1.0, "seed": 1}):
        for limit in (50, 90):
            answer = constrained(engine, engine.constraints.json_schema(schema), max_new_tokens=limit, **how)
            assert fits(json.loads(answer.text), checked), answer.text
            assert len(answer.token_ids) <= limit


def test_the_needed_tokens_are_reported() -> None:
    engine = engine_of("llama")
    constraint = engine.constraints.json_schema({"type": "object", "properties": LONG, "required": list(LONG)})
    with pytest.raises(SettingsError, match=r"max_new_tokens is 20, but .* needs at least (\d+)") as caught:
        constrained(engine, constraint, max_new_tokens=20)
    need = int(re.findall(r"[0-9]+", str(caught.value))[-1])
    assert list(json.loads(constrained(engine, constraint, max_new_tokens=need).text)) == list(LONG)
    with pytest.raises(SettingsError):
        constrained(engine, constraint, max_new_tokens=need - 1)


def test_objects_have_no_extra_properties() -> None:
    inner = {"type": "object", "properties": {"b": {"type": "object", "properties": {"properties": {"type": "null"}}}}}
    once = forbid_extra_properties(inner)
    assert once["additionalProperties"] is False
    assert once["properties"]["b"] == {
        "type": "object",
        "properties": {"properties": {"type": "null"}},
        "additionalProperties": False,
    }
    given = {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}
    assert forbid_extra_properties(given) == given
    parts = {
        "allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {}}}],
        "type": "object",
    }
    assert forbid_extra_properties(parts) == parts
    assert forbid_extra_properties({"enum": [{"properties": {}}]}) == {"enum": [{"properties": {}}]}


ANY = {"anyOf": [{"type": "array", "items": {"type": "boolean"}, "maxItems": 2}, {"type": "null"}]}


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize("title", [{}, {"title": "colour"}])
@pytest.mark.parametrize("schema", [{"type": "string", "enum": ["red", "green"]}, ANY])
def test_a_schema_of_another_type_than_object(schema: dict[str, Any], title: dict[str, str], method: str) -> None:
    llm = chat("llama")
    assert fits(llm.with_structured_output({**title, **schema}, method=method).invoke("Hi"), schema)
    with pytest.raises(ConstraintError, match="has no properties"):
        llm.with_structured_output({**title, **schema}, method="function_calling")


class Branch(BaseModel):
    """A tree."""

    leaf: bool
    branches: Annotated[list["Branch"], Field(min_length=1, max_length=2)] | None


@pytest.mark.parametrize("method", METHODS)
def test_a_recursive_class(method: str) -> None:
    for seed in range(4):
        llm = chat("llama", temperature=2.0, seed=seed, context_window=4096)
        assert isinstance(llm.with_structured_output(Branch, method=method).invoke("Hi", max_new_tokens=200), Branch)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ('{"leaf": true, "branches": [{"leaf": false, "branches": [{"leaf": true, "branches": null}]}]}', True),
        ('{"leaf": true, "branches": [{"leaf": false, "branches": [{"leaf": 3', False),
        ('{"leaf": true, "branches": [{"leaf": false, "branches": []', False),
        ('{"leaf": true, "branches": [{"branches"', False),
    ],
)
def test_the_schema_holds_at_any_depth(text: str, allowed: bool) -> None:
    engine = engine_of("llama")
    matcher = engine.constraints.json_schema(Branch.model_json_schema()).start(200)._matcher
    tokens = engine.encoder.encode_text(text, special=False)
    assert (matcher.try_consume_tokens(tokens) == len(tokens)) is allowed


@pytest.mark.parametrize("method", METHODS)
def test_a_schema_needs_no_title(method: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    assert fits(chat("llama").with_structured_output(schema, method=method).invoke("Hi", max_new_tokens=60), schema)

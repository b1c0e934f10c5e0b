"""Constrained JSON parses and validates, for any weights, settings and max_new_tokens."""

import json
import re
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.constraints.json_schemas import compilable, forbid_extra_properties
from llmkit.models.langchain.structured_output import METHODS
from tests.support import tiny
from tests.support.models import chat
from tests.support.schemas import (
    ARCHITECTURE_NAMES,
    DRAWN,
    can_start,
    constrained,
    engine_of,
    fits,
    schemas,
    smallest,
)


@pytest.mark.slow
@given(ARCHITECTURE_NAMES, schemas, st.integers(1, 60), st.sampled_from([{}, DRAWN]))
@settings(max_examples=80)
def test_constrained_json_parses_and_validates(name: str, schema: Any, limit: int, options: dict[str, Any]) -> None:
    engine = engine_of(name)
    constraint = engine.constraints.json_schema(schema)
    if limit < 2 * len(smallest(schema).encode()) + 8 and not can_start(constraint, limit):
        return
    answer = constrained(engine, constraint, max_new_tokens=limit, **options)
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
@pytest.mark.parametrize("options", [{}, DRAWN], ids=["greedy", "drawn"])
def test_an_item_is_started_only_if_it_fits_max_new_tokens(name: str, options: dict[str, Any]) -> None:
    engine = engine_of(name)
    item = {"type": "object", "properties": LONG, "required": list(LONG)}
    schema = {"type": "array", "items": {"anyOf": [{"type": "integer"}, item]}}
    for limit in (40, 150, 300) if name == "llama" else (150,):
        answer = constrained(engine, engine.constraints.json_schema(schema), max_new_tokens=limit, **options)
        assert isinstance(json.loads(answer.text), list)
        assert len(answer.token_ids) <= limit


@pytest.mark.slow
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
def test_schemas_without_a_length_limit_fit_max_new_tokens(schema: dict[str, Any]) -> None:
    engine = engine_of("llama")
    checked = {key: schema[key] for key in ("type", "minLength", "minItems", "required") if key in schema}
    for options in ({}, DRAWN, {"temperature": 1.0, "seed": 1}):
        for limit in (50, 90):
            answer = constrained(engine, engine.constraints.json_schema(schema), max_new_tokens=limit, **options)
            assert fits(json.loads(answer.text), checked), answer.text
            assert len(answer.token_ids) <= limit


def test_too_few_new_tokens_raise_an_error_with_the_number_needed() -> None:
    engine = engine_of("llama")
    constraint = engine.constraints.json_schema({"type": "object", "properties": LONG, "required": list(LONG)})
    with pytest.raises(
        SettingsError, match=r"max_new_tokens is 20, but .* needs more: (\d+) tokens are enough"
    ) as caught:
        constrained(engine, constraint, max_new_tokens=20)
    needed = int(re.findall(r"[0-9]+", str(caught.value))[-1])
    assert list(json.loads(constrained(engine, constraint, max_new_tokens=needed).text)) == list(LONG)
    with pytest.raises(SettingsError):
        constrained(engine, constraint, max_new_tokens=30)  # tokens of the first name alone


def test_objects_have_no_extra_properties() -> None:
    inner = {"type": "object", "properties": {"b": {"type": "object", "properties": {"properties": {"type": "null"}}}}}
    restricted = forbid_extra_properties(inner)
    assert restricted["additionalProperties"] is False
    assert restricted["properties"]["b"] == {
        "type": "object",
        "properties": {"properties": {"type": "null"}},
        "additionalProperties": False,
    }
    explicit = {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}
    assert forbid_extra_properties(explicit) == explicit
    combined = {
        "allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {}}}],
        "type": "object",
    }
    assert forbid_extra_properties(combined) == combined
    assert forbid_extra_properties({"enum": [{"properties": {}}]}) == {"enum": [{"properties": {}}]}


ANY = {"anyOf": [{"type": "array", "items": {"type": "boolean"}, "maxItems": 2}, {"type": "null"}]}


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize("title", [{}, {"title": "colour"}])
@pytest.mark.parametrize("schema", [{"type": "string", "enum": ["red", "green"]}, ANY])
def test_structured_output_supports_schemas_other_than_objects(
    schema: dict[str, Any], title: dict[str, str], method: str
) -> None:
    llm = chat("llama")
    assert fits(llm.with_structured_output({**title, **schema}, method=method).invoke("Hi"), schema)
    with pytest.raises(ConstraintError, match="has no properties"):
        llm.with_structured_output({**title, **schema}, method="function_calling")


class Branch(BaseModel):
    """A tree."""

    leaf: bool
    branches: Annotated[list["Branch"], Field(min_length=1, max_length=2)] | None


@pytest.mark.parametrize("method", METHODS)
def test_structured_output_supports_recursive_classes(method: str) -> None:
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
def test_a_recursive_schema_is_enforced_at_any_depth(text: str, allowed: bool) -> None:
    engine = engine_of("llama")
    matcher = engine.constraints.json_schema(Branch.model_json_schema()).start(200)._matcher
    tokens = engine.encoder.encode_text(text, special=False)
    assert (matcher.try_consume_tokens(tokens) == len(tokens)) is allowed


@pytest.mark.parametrize("method", METHODS)
def test_a_schema_needs_no_title(method: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    assert fits(chat("llama").with_structured_output(schema, method=method).invoke("Hi", max_new_tokens=60), schema)


A, B = ({"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in "ab")


@pytest.mark.parametrize(
    ("options", "is_noted"),
    [
        ([{"type": "number"}, {"type": "integer"}], True),
        ([{"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"b": {}}}], True),
        ([{"type": "string"}, {"type": ["integer", "null"]}], False),
        ([{"enum": ["x"]}, {"const": "y"}], False),
        ([A, B], False),
    ],
)
def test_one_of_is_noted_where_alternatives_may_overlap(
    options: list[Any], is_noted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="llmkit"):
        compilable({"oneOf": options})
    assert ("oneOf is followed as anyOf" in caplog.text) is is_noted

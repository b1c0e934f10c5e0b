"""Every keyword of JSON Schema is followed, refused with advice, or a remark by the standard."""

import json
import logging
from typing import Any

import pytest
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

from llmkit.errors import ConstraintError
from llmkit.models.constraints.json_schemas import compilable
from llmkit.models.constraints.schema_keywords import RESTRICTING
from tests.support.models import chat
from tests.support.schemas import engine_of

INTEGER, STRING, OBJECT = {"type": "integer"}, {"type": "string"}, {"type": "object"}
FOLLOWED: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "type": ({"type": ["integer", "null"]}, 1, "a"),
    "enum": ({"enum": ["a", "abc"], "minLength": 2}, "abc", "a"),
    "const": ({"const": [1]}, [1], [2]),
    "properties": ({"properties": {"a": INTEGER, "b": False}}, {"a": 1}, {"b": 1}),
    "patternProperties": ({"patternProperties": {"^a": INTEGER}}, {"ab": 1}, {"ab": "x"}),
    "additionalProperties": ({"additionalProperties": INTEGER}, {"a": 1}, {"a": "x"}),
    "propertyNames": ({"propertyNames": {"maxLength": 2}}, {"ab": 1}, {"abc": 1}),
    "required": ({"required": ["b"]}, {"b": 1}, {"a": 1}),
    "minProperties": ({"minProperties": 2}, {"a": 1, "b": 2}, {"a": 1}),
    "maxProperties": ({"maxProperties": 1}, {"a": 1}, {"a": 1, "b": 2}),
    "items": ({"items": INTEGER}, [1], ["a"]),
    "prefixItems": ({"prefixItems": [{"const": 1}], "items": {"const": 2}}, [1, 2], [1, 3]),
    "additionalItems": ({"items": [{"const": 1}], "additionalItems": False}, [1], [1, 1]),
    "minItems": ({"minItems": 2}, [1, 1], [1]),
    "maxItems": ({"maxItems": 1}, [1], [1, 1]),
    "minLength": ({"minLength": 2}, "ab", "a"),
    "maxLength": ({"maxLength": 1}, "a", "ab"),
    "pattern": ({"pattern": "b$"}, "ab", "ba"),
    "format": ({"format": "date"}, "2024-02-29", "2023-02-29"),
    "contentEncoding": ({**STRING, "contentEncoding": "base64"}, "YQ==", "Y"),
    "minimum": ({"minimum": 3}, 3, 2),
    "maximum": ({"maximum": 3}, 3, 4),
    "exclusiveMinimum": ({"exclusiveMinimum": 3}, 4, 3),
    "exclusiveMaximum": ({"exclusiveMaximum": 3}, 2, 3),
    "multipleOf": ({"multipleOf": 0.5}, 1.5, 1.3),
    "allOf": ({"allOf": [INTEGER, {"minimum": 3}]}, 3, 2),
    "anyOf": ({"anyOf": [STRING, INTEGER], "minimum": 3}, 3, 2),
    "oneOf": ({"oneOf": [STRING, INTEGER]}, 3, None),
    "$ref": ({"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": INTEGER}}, 3, 2),
    "$defs": ({"$ref": "#/$defs/a", "$defs": {"a": INTEGER}}, 3, "a"),
    "definitions": ({"$ref": "#/definitions/a", "definitions": {"a": INTEGER}}, 3, "a"),
    "$anchor": ({"$ref": "#a", "$defs": {"x": {"$anchor": "a", **INTEGER}}}, 3, "a"),
    "$id": ({"$ref": "http://a/b", "$defs": {"x": {"$id": "http://a/b", **INTEGER}}}, 3, "a"),
    "nullable": ({**STRING, "nullable": True}, None, 3),
}
REFUSED: dict[str, Any] = {
    "not": {"type": "null"},
    "dependentRequired": {"a": ["b"]},
    "dependentSchemas": {"a": {"required": ["b"]}},
    "dependencies": {"a": ["b"]},
    "propertyDependencies": {"a": {"b": {"required": ["c"]}}},
    "contains": {"const": 1},
    "unevaluatedProperties": INTEGER,
    "unevaluatedItems": INTEGER,
    "$dynamicRef": "#a",
    "$recursiveRef": "#",
    "divisibleBy": 2,
    "extends": INTEGER,
    "disallow": "string",
    "uniqueItems": True,
}
WITH_ANOTHER = {"if", "then", "else", "minContains", "maxContains"}
REMARKS = {
    *("$schema", "$comment", "$vocabulary", "$dynamicAnchor", "$recursiveAnchor", "title", "description", "default"),
    *("examples", "deprecated", "readOnly", "writeOnly", "contentMediaType", "contentSchema"),
}
FORMS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "exclusive bound of draft 4": ({**INTEGER, "minimum": 3, "exclusiveMinimum": True}, 4, 3),
    "list of items in a new draft": (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "items": [{"const": 1}]},
        [1],
        [2],
    ),
    "prefixItems in an old draft": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [{"const": 1}]},
        [1],
        [2],
    ),
    "unevaluatedProperties of one schema": (
        {"properties": {"a": {}}, "unevaluatedProperties": False},
        {"a": 1},
        {"b": 1},
    ),
    "unevaluatedItems of one schema": ({"prefixItems": [{}], "unevaluatedItems": False}, [1], [1, 2]),
    "unevaluatedItems of a list": ({"items": [{}], "unevaluatedItems": False}, [1], [1, 2]),
    "null of OpenAPI": ({"properties": {"a": {**STRING, "nullable": True}}}, {"a": None}, {"a": 1}),
    "names in a remark": ({**INTEGER, "x-words": {"not": "no", "max_length": "longest"}}, 1, "a"),
    "names of properties": ({"properties": {"not": INTEGER, "max_length": INTEGER}}, {"not": 1}, {"not": "a"}),
    "true": (True, "a", None),  # type: ignore[dict-item]
}


def allows(schema: Any, value: Any) -> bool:
    engine = engine_of("llama")
    matcher = engine.constraints.json_schema(schema).matcher.deep_copy()
    tokens = engine.encoder.encode_text(json.dumps(value), special=False)
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


def test_the_tables_have_every_keyword_of_the_drafts() -> None:
    drafts = ("draft/2020-12/meta/", "draft/2019-09/meta/", "draft-07/", "draft-06/")
    schemas = [REGISTRY.contents(uri) for uri in REGISTRY if any(draft in uri for draft in drafts)]
    keywords = {key for schema in schemas for key in schema.get("properties", ())} - {"$schema"}
    assert len(keywords) > 55
    assert keywords <= {*FOLLOWED, *REFUSED, *WITH_ANOTHER, *REMARKS}
    assert {*FOLLOWED, *REFUSED, *WITH_ANOTHER} >= RESTRICTING


@pytest.mark.parametrize("name", [*FOLLOWED, *FORMS])
def test_a_keyword_is_followed(name: str) -> None:
    schema, right, wrong = (FOLLOWED | FORMS)[name]
    assert allows(schema, right)
    assert name == "true" or not allows(schema, wrong)


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_schema_of_one_keyword_is_followed_as_structured_output(name: str) -> None:
    schema, _, wrong = FOLLOWED[name]
    bound: Any = chat("llama").with_structured_output(schema)
    given = bound.first.kwargs["response_format"]["json_schema"]["schema"]
    assert {key: given[key] for key in schema} == schema
    assert not allows(given, wrong)


@pytest.mark.parametrize("place", ["top", "property", "alternative", "part", "item", "definition"])
@pytest.mark.parametrize("key", REFUSED)
def test_a_keyword_that_cannot_be_a_constraint_is_named_with_what_to_write_instead(key: str, place: str) -> None:
    part = {key: REFUSED[key]}
    schema = {
        "top": part,
        "property": {**OBJECT, "properties": {key: part}},
        "alternative": {"anyOf": [STRING, part]},
        "part": {"allOf": [OBJECT, part]},
        "item": {"items": [part]},
        "definition": {"$ref": "#/$defs/a", "$defs": {"a": part}},
    }[place]
    with pytest.raises(ConstraintError, match=f"{key.strip('$')} cannot be a constraint: .*leave it out"):
        chat("llama").with_structured_output(schema).invoke("Hi")


@pytest.mark.parametrize(
    "schema",
    [
        {"if": STRING, "then": {"minLength": 3}},
        {"title": "A", "description": "B", "if": STRING, "else": {"minimum": 3}},
        {"title": "A", "not": STRING},
        {"allOf": [{"if": {"required": ["a"]}, "then": {"required": ["b"]}}]},
        {"contains": INTEGER, "minContains": 2},
        {"contains": INTEGER, "minContains": 0, "maxContains": 2},
        {"anyOf": [{"properties": {"a": {}}}, OBJECT], "unevaluatedProperties": False},
        {"title": "A", "required": True},
        {"properties": {"a": {"type": "string", "required": True}}},
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_followed_is_refused_before_any_work(schema: dict[str, Any]) -> None:
    for given in (schema, {"name": "A", "schema": schema}, {"type": "json_schema", "json_schema": {"schema": schema}}):
        with pytest.raises(ConstraintError, match=r"leave it out|must be a list of names"):
            chat("llama").with_structured_output(given).invoke("Hi")
    tool = {"name": "f", "description": "", "parameters": {**OBJECT, "properties": {"a": schema}}}
    with pytest.raises(ConstraintError, match=r"leave it out|must be a list of names"):
        chat("llama").bind_tools([tool], tool_choice="any").invoke("Hi")
    with pytest.raises(ConstraintError, match="the schema is false"):
        compilable(False)


@pytest.mark.parametrize(
    "part",
    [
        {"then": STRING},
        {"if": STRING},
        {"minContains": 2},
        {"contains": STRING, "minContains": 0},
        {"not": False},
        {"dependentRequired": {}},
        {"dependentRequired": {"a": []}},
        {"dependentSchemas": {}},
        {"unevaluatedProperties": True},
        {"unevaluatedItems": {}},
        {"uniqueItems": False},
        *({name: "any text"} for name in ("title", "$comment", "contentMediaType", "x-not")),
    ],
    ids=str,
)
def test_keywords_that_allow_everything_are_left_out(part: dict[str, Any]) -> None:
    schema = {"type": ["object", "array"], **part}
    assert allows(schema, {"a": 1})
    assert allows(schema, [1, "a"])


@pytest.mark.parametrize(
    ("given", "meant"),
    [("max_length", "maxLength"), ("maxlength", "maxLength"), ("any_of", "anyOf"), ("min_items", "minItems")],
)
def test_a_keyword_in_another_spelling_is_refused(given: str, meant: str) -> None:
    for schema in ({**STRING, given: 3}, {"properties": {"a": {**STRING, given: 3}}}, {"anyOf": [{given: 3}, STRING]}):
        with pytest.raises(ConstraintError, match=f"'{given}' is no keyword .* write '{meant}'"):
            compilable(schema)


def test_an_unknown_keyword_near_a_known_one_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="llmkit"):
        for _ in range(2):
            assert compilable({**STRING, "patern": "a", "help": "b"}) == {**STRING, "patern": "a", "help": "b"}
    assert [record.getMessage() for record in caplog.records] == [
        "'patern' is no keyword of JSON Schema and restricts nothing: did you mean 'pattern'?"
    ]

"""Patterns whose steps do not change the token mask have a short end, from any state."""

import json
import re

import jsonschema
import pytest

from llmkit.errors import ConstraintError, SettingsError
from tests.support.schemas import engine_of

PATTERNS = [
    r"^[\w.]+@[\w.]+\.[a-z]{2,}$",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    r"\d{3}",
    r"\.pdf$",
    r"^(\w+ )*end$",
    r"^\w+_id$",
    r"^(?:foo|bar)+baz$",
    r"^.*\d.*[A-Z].*$",
    r"^[^@]+@[^@]+\.[^@]+$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_has_a_short_end(pattern: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}, "required": ["a"]}
    factory = engine_of("llama").constraints
    end = factory.json_schema(schema).start(100).shortest_end
    assert end is not None
    jsonschema.validate(json.loads(factory._vocabulary.decode_str(end)), schema)
    end = factory.regex(pattern).start(100).shortest_end
    assert end is not None
    assert re.search(pattern, factory._vocabulary.decode_str(end))


def test_an_optional_field_with_a_pattern_may_be_filled() -> None:
    engine = engine_of("llama")
    mail = {"type": "string", "pattern": PATTERNS[0]}
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "mail": mail}, "required": ["name"]}
    text = '{"name": "Ann", "mail": "ann@example.org"}'
    matcher = engine.constraints.json_schema(schema).start(200)
    tokens = engine.encoder.encode_text(text, special=False)
    for index, token in enumerate(tokens):
        assert matcher.allows(token, 200 - index)
        matcher.consume(token)
    assert matcher.complete


@pytest.mark.parametrize("length", [500, 4090, 5000, 12_000])
def test_a_long_text_tells_how_many_tokens_are_enough(length: int) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": length}}, "required": ["a"]}
    with pytest.raises(SettingsError, match=r"max_new_tokens is 20, but the constraint needs more: \d+ tokens"):
        engine_of("llama").constraints.json_schema(schema).start(20)


@pytest.mark.parametrize("pattern", ["^(a{1000}){1000}$", "((x{100}){100}){100}", "^([a-z]{2,900}){500,}$"])
def test_a_pattern_that_is_too_long_is_refused(pattern: str) -> None:
    factory = engine_of("llama").constraints
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}, "required": ["a"]}
    with pytest.raises(ConstraintError, match="characters with its repetitions written out, but may have 20000"):
        factory.json_schema(schema)
    with pytest.raises(ConstraintError, match="characters with its repetitions written out, but may have 20000"):
        factory.regex(pattern)
    with pytest.raises(ConstraintError, match="characters with its repetitions written out, but may have 20000"):
        factory.lark(f"start: /{pattern}/")

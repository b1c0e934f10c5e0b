"""Patterns whose steps do not change the token mask have a short end, from any state."""

import json
import re

import jsonschema
import pytest

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

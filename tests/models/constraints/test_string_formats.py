"""Formats of strings: what they allow is what Python's types take."""

import json
import random
import re
from ipaddress import IPv4Network
from typing import Any

import pytest
from jsonschema import validate
from pydantic import TypeAdapter

from llmkit.errors import ConstraintError
from llmkit.models.constraints.string_formats import format_pattern, is_known_format
from tests.support.schemas import drawn_text, engine_of

ALLOWED = {
    "date": ["2024-02-29", "0001-01-31", "1999-12-31"],
    "date-time": ["2024-02-29T23:59:59Z", "2024-01-01T00:00:00.125+05:30"],
    "date-time-local": ["2024-01-01T00:00:00"],
    "time": ["23:59:59Z"],
    "duration": ["P1DT2H", "PT30S", "P3W"],
    "uri": ["https://user@example.org:8080/a?b#c", "mailto:ann@example.org", "file:///etc/hosts", "http://127.0.0.1/"],
    "email": ["ann@example.org", "A.B+c@X-y.CO.UK", "a@b.locale", "a@test.tests", "a@b.museum", f"{'a' * 64}@b.de"],
    "idn-email": ["ann@example.org"],
    "name-email": ["Ann Lee <ann.lee@example.org>", "ann@example.org"],
    "iri": ["https://example.org/köln"],
    "idn-hostname": ["köln.example", "a-b.c"],
    "uri-reference": ["", "/a/b?c=d#e", "../a", "https://example.org/a", "#top"],
    "iri-reference": ["/köln"],
    "uri-template": ["https://example.org/{id}/{?q,r*}", "/a"],
    "json-pointer": ["", "/a/0/b~1c~0"],
    "relative-json-pointer": ["0#", "1/a"],
    "byte": ["YQ=="],
    "base16": ["0aFF", ""],
    "ipv4network": ["10.0.0.0/8", "192.168.1.64/26", "0.0.0.0/0", "1.2.3.4/32"],
    "ipv4interface": ["10.0.0.7/8", "10.0.0.7"],
    "uuid4": ["123e4567-e89b-42d3-a456-426614174000"],
    "base64url": ["YQ==", "-_-_"],
    "fraction": ["-3/4", "2"],
}
REFUSED = {
    "date": ["2023-02-29", "0000-01-01", "2024-04-31", "1900-02-29"],
    "date-time": ["2024-01-01T10:00:60Z", "2024-01-01T10:00:00"],
    "date-time-local": ["2024-01-01T00:00:00Z"],
    "time": ["10:00:60Z"],
    "duration": ["P", "P1H", "P5494384932D"],
    "uri": ["https://@/", "https://a..b/", "no scheme"],
    "email": [
        "a@b",
        "a@b.test",
        "a@b.LOCAL",
        "a@b.arpa",
        "a@b.onion",
        "a@b-.de",
        f"{'a' * 65}@b.de",
        f"a@{'b' * 64}.de",
    ],
    "name-email": ["Ann Lee", "Ann <a@b.test>", "Ann <a>"],
    "idn-hostname": ["-a", "a b"],
    "uri-reference": ["a b"],
    "uri-template": ["a b", "{a"],
    "json-pointer": ["a", "/~2"],
    "relative-json-pointer": ["/a", "01"],
    "byte": ["YQ"],
    "base16": ["0"],
    "ipv4network": ["10.0.0.1/8", "192.168.1.65/26", "1.2.3.4/33"],
    "uuid4": ["123e4567-e89b-12d3-a456-426614174000"],
    "base64url": ["YQ"],
    "fraction": ["1/0"],
}


def allows(schema: dict[str, Any], text: str) -> bool:
    engine = engine_of("llama")
    matcher = engine.constraints.json_schema(schema).matcher.deep_copy()
    tokens = list(engine.constraints._vocabulary.greedy_tokenize(f'"{text}"'))
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


@pytest.mark.parametrize("name", ALLOWED)
def test_a_format_allows_its_texts_and_no_others(name: str) -> None:
    for text in ALLOWED[name]:
        assert re.fullmatch(format_pattern(name) or "", text), text
        assert allows({"type": "string", "format": name}, text), text
    for text in REFUSED.get(name, ()):
        assert not allows({"type": "string", "format": name}, text), text


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ({"formatMinimum": "2020-05-17"}, ["2020-05-17", "2020-12-01", "3000-01-01"], ["2020-05-16", "1999-12-31"]),
        ({"formatMaximum": "2020-05-17"}, ["2020-05-17", "0001-01-01"], ["2020-05-18", "2021-01-01"]),
        ({"formatMinimum": "1999-12-31", "formatMaximum": "2000-01-01"}, ["1999-12-31", "2000-01-01"], ["2000-01-02"]),
    ],
)
def test_dates_have_bounds(bounds: dict[str, str], inside: list[str], outside: list[str]) -> None:
    schema = {"type": "string", "format": "date", **bounds}
    assert all(allows(schema, text) for text in inside)
    assert not any(allows(schema, text) for text in outside)


def test_an_unknown_format_is_a_remark() -> None:
    assert not is_known_format("phone")
    assert allows({"type": "string", "format": "phone"}, "anything")


def test_any_network_that_is_drawn_is_one() -> None:
    for seed in range(20):
        text = drawn_text(
            engine_of("llama").constraints, {"type": "string", "format": "ipv4network"}, random.Random(seed)
        )
        assert isinstance(TypeAdapter(IPv4Network).validate_json(text or ""), IPv4Network)


def test_a_long_string_with_a_pattern_is_not_too_complex() -> None:
    schema = {"type": "string", "format": "uri", "pattern": "^https?://[A-Za-z0-9]", "maxLength": 2083}
    for seed in range(2):
        text = drawn_text(engine_of("llama").constraints, schema, random.Random(seed))
        assert text is None or (text.startswith('"http') and text.endswith('"'))


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}, 5, "5"),
        ({"type": "integer", "minimum": 0, "maximum": 1e30}, 5, -5),
        ({"type": "number", "maximum": 1.7976931348623157e308}, 5.5, "5"),
        ({"type": "object", "patternProperties": {"^[a-z]$": {"type": "integer"}}}, {"a": 1}, {"A": 1}),
        ({"type": "string", "then": {"minLength": 3}, "else": False}, "a", 1),
        ({"type": "array", "items": {"type": "integer"}, "minContains": 2}, [1], ["a"]),
    ],
)
def test_bounds_and_keywords_that_say_nothing(schema: dict[str, Any], valid: Any, invalid: Any) -> None:
    engine = engine_of("llama")
    validate(valid, schema)
    for value, is_allowed in ((valid, True), (invalid, False)):
        matcher = engine.constraints.json_schema(schema).matcher.deep_copy()
        tokens = list(engine.constraints._vocabulary.greedy_tokenize(json.dumps(value)))
        assert (matcher.try_consume_tokens(tokens) == len(tokens)) is is_allowed


@pytest.mark.parametrize("schema", [{"minimum": 2**63}, {"maximum": -(10**20)}])
def test_a_bound_that_no_grammar_has_is_named(schema: dict[str, Any]) -> None:
    with pytest.raises(ConstraintError, match=r"(minimum|maximum) is .* less than 2 \*\* 63"):
        engine_of("llama").constraints.json_schema({"type": "integer", **schema})

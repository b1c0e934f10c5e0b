"""Numbers that a schema allows are finite in Python; integers may be of any length."""

from typing import Any

import pytest
import torch

from tests.support.schemas import engine_of

NUMBER: dict[str, Any] = {"type": "number"}
IN_OBJECT: dict[str, Any] = {"type": "object", "properties": {"n": NUMBER}, "required": ["n"]}


def allowed(text: str, schema: dict[str, Any]) -> bool:
    """Return whether each token of a text may be chosen."""
    engine = engine_of("llama")
    matcher = engine.constraints.json_schema(schema).start(2000)
    for token in engine.encoder.encode_text(text, special=False):
        scores = torch.zeros(engine.constraints._vocabulary.vocab_size)
        matcher.mask(scores)
        if scores[token] != 0:
            return False
        matcher.consume(token)
    return True


@pytest.mark.parametrize("number", ["1e308", "-1.7976931348623157e+308", "1e-999", "2.5E+20", "0.1e5", "9" * 320])
def test_a_finite_number_is_allowed(number: str) -> None:
    assert allowed(number, NUMBER)
    assert allowed(f'{{"n": {number}}}', IN_OBJECT)


@pytest.mark.parametrize("number", ["1e309", "1e999", "-1E+400", "12345.6e305", "9" * 320 + ".5", "9" * 320 + "e1"])
def test_an_infinite_number_is_not_allowed(number: str) -> None:
    assert not allowed(number, NUMBER)
    assert not allowed(f'{{"n": {number}}}', IN_OBJECT)


@pytest.mark.parametrize(
    "schema", [{"type": "string"}, {"enum": ["at 1e999"]}, {"type": "string", "pattern": "^at 1e9{3}$"}], ids=str
)
def test_strings_may_contain_any_digits(schema: dict[str, Any]) -> None:
    assert allowed('"at 1e999"', schema)


def test_digits_of_a_uuid_are_no_number() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}, "required": ["id"]}
    assert allowed('{"id": "123e4567-e89b-12d3-a456-426614174000"}', schema)
    assert allowed('{"id": "00000000-0000-0000-1e99-9e9999999999"}', schema)

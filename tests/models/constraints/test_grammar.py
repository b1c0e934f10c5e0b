"""Constraints by regular expressions and choices; invalid constraints."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.constraints.grammar import Constraint, ConstraintFactory
from tests.support.schemas import (
    ARCHITECTURE_NAMES,
    DRAWN,
    can_start,
    constrained,
    engine_of,
)
from tests.support.tokenizers import word_level

patterns = st.sampled_from(
    [
        r"[A-Z][a-z]{3,9} [0-9]+",
        r"[a-z]*!",
        r"(ab)*z",
        r"[a-z]+@[a-z]+\.com",
        r"[a-z]{20}",
        "x|yyy",
        "[^x]*é",
        r"\{[0-9]+\}",
        "(東京|日本)+",
    ]
)


@pytest.mark.slow
@given(ARCHITECTURE_NAMES, patterns, st.integers(1, 40), st.sampled_from([{}, DRAWN]))
@settings(max_examples=30)
def test_a_completion_matches_the_whole_pattern(name: str, pattern: str, limit: int, options: dict[str, Any]) -> None:
    engine = engine_of(name)
    constraint = engine.constraints.regex(pattern)
    if limit < 24 and not can_start(constraint, limit):
        return
    answer = constrained(engine, constraint, max_new_tokens=limit, **options)
    assert re.fullmatch(pattern, answer.text)
    assert len(answer.token_ids) <= limit


@given(ARCHITECTURE_NAMES, st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6), st.integers(30, 80))
@settings(max_examples=30)
def test_a_choice_is_one_of_the_options(name: str, choices: list[str], limit: int) -> None:
    engine = engine_of(name)
    for options in ({}, DRAWN):
        answer = constrained(engine, engine.constraints.choice(choices), max_new_tokens=max(limit, 4 * 12), **options)
        assert answer.text in choices
        assert answer.finish_reason == "stop" or any(other.startswith(answer.text) for other in choices)


@pytest.mark.parametrize("name", ["llama", "qwen3", "mistral", "gemma2", "gpt2", "bart"])
def test_names_of_special_tokens_are_written_as_text(name: str) -> None:
    engine = engine_of(name)
    special = {number: token.content for number, token in engine.loaded.tokenizer.added_tokens_decoder.items()}
    for text in special.values():
        for make in (
            lambda text: engine.constraints.choice([text]),
            lambda text: engine.constraints.regex(re.escape(text)),
            lambda text: engine.constraints.json_schema({"const": text}),
        ):
            answer = constrained(engine, make(text), max_new_tokens=60)
            assert answer.text in (text, json.dumps(text)) or answer.text in text
            assert not (set(answer.token_ids) - engine.loaded.eos_token_ids) & set(special)


@pytest.mark.parametrize(
    "make",
    [
        lambda make: make.json_schema({"type": "nonsense"}),
        lambda make: make.json_schema({"$ref": "#/nowhere"}),
        lambda make: make.json_schema({"type": "string", "pattern": "(?=a)b"}),
        lambda make: make.json_schema(
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 1}}, "required": ["a"]}
        ),
        lambda make: make.json_schema({"enum": [object()]}),
        lambda make: make.json_schema({"enum": []}),
        lambda make: make.regex("("),
        lambda make: make.regex("(?=a)"),
        lambda make: make.regex(r"(a)\1"),
        lambda make: make.lark("start: nothing"),
        lambda make: make.choice([]),
    ],
)
def test_invalid_constraints_raise_constraint_error(make: Callable[[ConstraintFactory], Constraint]) -> None:
    with pytest.raises(ConstraintError) as caught:
        make(engine_of("llama").constraints)
    assert "\n" not in str(caught.value)


def test_an_unsupported_tokenizer_raises_constraint_error() -> None:
    tokenizer = word_level()
    with pytest.raises(ConstraintError, match=r"constrained decoding cannot work with .* of this model"):
        ConstraintFactory(tokenizer, len(tokenizer))


def test_beams_with_a_constraint_raise_settings_error() -> None:
    engine = engine_of("llama")
    with pytest.raises(SettingsError, match=r"num_beams is 2, but .* need num_beams=1"):
        constrained(engine, engine.constraints.choice(["yes", "no"]), num_beams=2)


def test_a_constraint_is_compiled_once() -> None:
    choices = ("yes", "no")
    constraints = engine_of("llama").constraints
    assert constraints.choice(choices) is constraints.choice(list(choices))
    assert constraints.choice(choices) != constraints.choice(choices[::-1])

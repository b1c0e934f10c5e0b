"""An answer that is held to a pattern, a choice or a source has the form; what cannot be a form is told."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.constraints.grammar import Constraint, ConstraintFactory
from llmkit.models.generation.engine import Engine
from tests.support.schemas import (
    DRAWN,
    KINDS,
    engine_of,
    has_room,
    held,
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


@given(KINDS, patterns, st.integers(1, 40), st.sampled_from([{}, DRAWN]))
@settings(max_examples=30)
def test_patterns_match_as_a_whole(name: str, pattern: str, room: int, how: dict[str, Any]) -> None:
    engine = engine_of(name)
    constraint = engine.constraints.regex(pattern)
    if room < 24 and not has_room(constraint, room):
        return
    answer = held(engine, constraint, max_new_tokens=room, **how)
    assert re.fullmatch(pattern, answer.text)
    assert len(answer.token_ids) <= room


@given(KINDS, st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6), st.integers(30, 80))
@settings(max_examples=30)
def test_a_choice_is_one_of_the_options(name: str, options: list[str], room: int) -> None:
    engine = engine_of(name)
    for how in ({}, DRAWN):
        answer = held(engine, engine.constraints.choice(options), max_new_tokens=max(room, 4 * 12), **how)
        assert answer.text in options
        assert answer.finish_reason == "stop" or any(other.startswith(answer.text) for other in options)


@pytest.mark.parametrize("name", ["llama", "qwen3", "mistral", "gemma2", "gpt2", "bart"])
def test_the_names_of_control_tokens_are_text(name: str) -> None:
    engine = engine_of(name)
    control = {number: token.content for number, token in engine.loaded.tokenizer.added_tokens_decoder.items()}
    for text in control.values():
        for make in (
            lambda text: engine.constraints.choice([text]),
            lambda text: engine.constraints.regex(re.escape(text)),
            lambda text: engine.constraints.json_schema({"const": text}),
            lambda text: engine.constraints.span(text, by="chars"),
        ):
            answer = held(engine, make(text), max_new_tokens=60)
            assert answer.text in (text, json.dumps(text)) or answer.text in text
            assert not set(answer.token_ids) - set(model_ends(engine)) & set(control)


def model_ends(engine: Engine) -> frozenset[int]:
    return engine.loaded.eos_token_ids


sources = st.lists(
    st.sampled_from(["the", "dog", "Zwölf", "東京", "😀", "café", "naïve", "1.5", "—", '"x"', "\\", "a\u0301"]),
    min_size=1,
)


@given(KINDS, sources.map(" ".join), st.sampled_from(["words", "chars"]), st.integers(8, 40))
@settings(max_examples=30)
def test_a_span_stands_in_the_source(name: str, source: str, by: str, room: int) -> None:
    engine = engine_of(name)
    for how in ({}, DRAWN):
        answer = held(engine, engine.constraints.span(source, by=by), max_new_tokens=room, **how)
        assert answer.text in source
        if by == "words" and answer.text:
            starts = (found.start() for found in re.finditer(re.escape(answer.text), source))
            assert any(_at_border(source, start) and _at_border(source, start + len(answer.text)) for start in starts)


def _at_border(text: str, at: int) -> bool:
    before, after = text[at - 1 : at] if at else "", text[at : at + 1]
    return not (before.isalnum() and after.isalnum())


# What cannot be


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
def test_what_cannot_be_a_constraint(make: Callable[[ConstraintFactory], Constraint]) -> None:
    with pytest.raises(ConstraintError) as caught:
        make(engine_of("llama").constraints)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_cannot_be_used() -> None:
    tokenizer = word_level()
    with pytest.raises(ConstraintError, match=r"constrained decoding cannot work with .* of this model"):
        ConstraintFactory(tokenizer, len(tokenizer))


def test_beams_and_a_constraint() -> None:
    engine = engine_of("llama")
    with pytest.raises(SettingsError, match=r"num_beams is 2, but .* need num_beams=1"):
        held(engine, engine.constraints.choice(["yes", "no"]), num_beams=2)


def test_a_grammar_is_compiled_once() -> None:
    options = ("yes", "no")
    grammars = engine_of("llama").constraints
    assert grammars.choice(options) is grammars.choice(list(options))
    assert grammars.choice(options) != grammars.choice(options[::-1])

"""An answer that is held to a form has it, whatever the weights, the settings and the room for it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.answer import Answer
from llmkit.models.constraint import Constraint, Grammars, Matcher, closed
from llmkit.models.engine import Engine
from tests import tiny
from tests.models.test_generate import request
from tests.tiny_tokenizers import word_level

EVERY = list(tiny.ARCHITECTURES)

KINDS = st.sampled_from(["llama", "mistral", "bart"])


@cache
def engine_of(name: str) -> Engine:
    return tiny.make(name).engine()


def held(engine: Engine, constraint: Constraint, prompt: str = "What is", **options: Any) -> Answer:
    asked = request(engine.encoder.encode_text(prompt), **options)
    return engine.generate([replace(asked, constraint=constraint)])[0][0]


DRAWN: dict[str, Any] = {"temperature": 1.3, "seed": 5}


def has_room(constraint: Constraint, room: int) -> bool:
    """Whether an answer of so few tokens can begin; if not, the reason is told."""
    try:
        constraint.start(room)
    except SettingsError as error:
        told = str(error)
        return not told.startswith(f"max_new_tokens is {room}, but the answer is held to a form that needs")
    return True


# JSON

names = st.text(alphabet='ab"é\\{ ', max_size=4)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def make(properties: dict[str, Any]) -> st.SearchStrategy[Any]:
        required = st.lists(st.sampled_from(list(properties)), unique=True) if properties else st.just([])
        return required.map(lambda some: {"type": "object", "properties": properties, "required": some})

    return st.dictionaries(names, inner, max_size=3).flatmap(make)


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(inner, st.integers(0, 2), st.integers(2, 4)).map(
        lambda parts: {"type": "array", "items": parts[0], "minItems": parts[1], "maxItems": parts[2]}
    )


leaves = st.one_of(
    st.sampled_from(["boolean", "null", "number", "integer", "string"]).map(lambda kind: {"type": kind}),
    st.tuples(st.integers(0, 3), st.integers(3, 9)).map(
        lambda ends: {"type": "string", "minLength": ends[0], "maxLength": ends[1]}
    ),
    st.tuples(st.integers(-30, 0), st.integers(0, 2000)).map(
        lambda ends: {"type": "integer", "minimum": ends[0], "maximum": ends[1]}
    ),
    st.lists(names | st.integers(-5, 500) | st.none(), min_size=1, max_size=4).map(lambda some: {"enum": some}),
    names.map(lambda name: {"const": name}),
)
schemas = st.recursive(
    leaves,
    lambda inner: (
        objects(inner) | arrays(inner) | st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some})
    ),
    max_leaves=6,
)

CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, kind: {
        "null": value is None,
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "string": isinstance(value, str),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }[kind],
    "minLength": lambda value, least: len(value) >= least,
    "maxLength": lambda value, most: len(value) <= most,
    "minimum": lambda value, least: value >= least,
    "maximum": lambda value, most: value <= most,
    "enum": lambda value, some: any(type(value) is type(one) and value == one for one in some),
    "const": lambda value, one: type(value) is type(one) and value == one,
    "anyOf": lambda value, some: any(fits(value, one) for one in some),
    "items": lambda value, schema: all(fits(item, schema) for item in value),
    "minItems": lambda value, least: len(value) >= least,
    "maxItems": lambda value, most: len(value) <= most,
    "required": lambda value, some: set(some) <= set(value),
    "properties": lambda value, inner: all(name in inner and fits(item, inner[name]) for name, item in value.items()),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is one that the schema allows; `type` comes first in what is made here."""
    return all(CHECKS[rule](value, given) for rule, given in schema.items())


def smallest(schema: dict[str, Any]) -> str:
    """Give a short text that the schema allows."""
    if "anyOf" in schema:
        return min((smallest(one) for one in schema["anyOf"]), key=len)
    if "enum" in schema:
        return json.dumps(min(schema["enum"], key=lambda one: len(json.dumps(one))))
    if "const" in schema:
        return json.dumps(schema["const"])
    inner = schema.get("properties", {})
    return {
        "null": "null",
        "boolean": "true",
        "string": json.dumps("a" * schema.get("minLength", 0)),
        "array": "[" + ", ".join(smallest(schema["items"]) for _ in range(schema.get("minItems", 0))) + "]"
        if "items" in schema
        else "[]",
        "object": "{"
        + ", ".join(json.dumps(name) + ": " + smallest(inner[name]) for name in schema.get("required", ()))
        + "}",
    }.get(schema["type"], str(max(0, schema.get("minimum", 0))))


@given(KINDS, schemas, st.integers(1, 60), st.sampled_from([{}, DRAWN]))
@settings(max_examples=80)
def test_json_parses_and_validates_whatever_the_room(name: str, schema: Any, room: int, how: dict[str, Any]) -> None:
    engine = engine_of(name)
    constraint = engine.grammars.json_schema(schema)
    if room < 2 * len(smallest(schema).encode()) + 8 and not has_room(constraint, room):
        return
    answer = held(engine, constraint, max_new_tokens=room, **how)
    assert len(answer.ids) <= room
    assert fits(json.loads(answer.text), schema), answer.text
    assert answer.finish_reason in ("stop", "length")


LONG = {f"a property with a long name, number {number}": {"type": "string"} for number in range(8)}
TREE = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["children"],
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("how", [{}, DRAWN], ids=["greedy", "drawn"])
def test_items_that_are_long_are_begun_only_where_they_can_be_ended(name: str, how: dict[str, Any]) -> None:
    engine = engine_of(name)
    item = {"type": "object", "properties": LONG, "required": list(LONG)}
    schema = {"type": "array", "items": {"anyOf": [{"type": "integer"}, item]}}
    for room in (40, 150, 300) if name == "llama" else (150,):
        answer = held(engine, engine.grammars.json_schema(schema), max_new_tokens=room, **how)
        assert isinstance(json.loads(answer.text), list)
        assert len(answer.ids) <= room


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
    for how in ({}, DRAWN, {"temperature": 1.0, "seed": 1}):
        for room in (50, 90):
            answer = held(engine, engine.grammars.json_schema(schema), max_new_tokens=room, **how)
            assert json.loads(answer.text) is not NotImplemented
            assert len(answer.ids) <= room


def test_the_room_that_is_needed_is_told() -> None:
    engine = engine_of("llama")
    constraint = engine.grammars.json_schema({"type": "object", "properties": LONG, "required": list(LONG)})
    with pytest.raises(SettingsError, match=r"max_new_tokens is 20, but .* needs at least (\d+)") as caught:
        held(engine, constraint, max_new_tokens=20)
    need = int(re.findall(r"[0-9]+", str(caught.value))[-1])
    assert list(json.loads(held(engine, constraint, max_new_tokens=need).text)) == list(LONG)
    with pytest.raises(SettingsError):
        held(engine, constraint, max_new_tokens=need - 1)


def test_an_object_has_no_more_than_its_schema_names() -> None:
    inner = {"type": "object", "properties": {"b": {"type": "object", "properties": {"properties": {"type": "null"}}}}}
    once = closed(inner)
    assert once["additionalProperties"] is False
    assert once["properties"]["b"] == {
        "type": "object",
        "properties": {"properties": {"type": "null"}},
        "additionalProperties": False,
    }
    given = {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}
    assert closed(given) == given
    parts = {
        "allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {}}}],
        "type": "object",
    }
    assert closed(parts) == parts
    assert closed({"enum": [{"properties": {}}]}) == {"enum": [{"properties": {}}]}


# Patterns, choices, spans

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
    constraint = engine.grammars.regex(pattern)
    if room < 24 and not has_room(constraint, room):
        return
    answer = held(engine, constraint, max_new_tokens=room, **how)
    assert re.fullmatch(pattern, answer.text)
    assert len(answer.ids) <= room


@given(KINDS, st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6), st.integers(30, 80))
@settings(max_examples=30)
def test_a_choice_is_one_of_the_options(name: str, options: list[str], room: int) -> None:
    engine = engine_of(name)
    for how in ({}, DRAWN):
        answer = held(engine, engine.grammars.choice(options), max_new_tokens=max(room, 4 * 12), **how)
        assert answer.text in options
        assert answer.finish_reason == "stop" or any(other.startswith(answer.text) for other in options)


@pytest.mark.parametrize("name", ["llama", "qwen3", "mistral", "gemma2", "gpt2", "bart"])
def test_the_names_of_control_tokens_are_text(name: str) -> None:
    engine = engine_of(name)
    control = {number: token.content for number, token in engine.loaded.tokenizer.added_tokens_decoder.items()}
    for text in control.values():
        for make in (
            lambda text: engine.grammars.choice([text]),
            lambda text: engine.grammars.regex(re.escape(text)),
            lambda text: engine.grammars.json_schema({"const": text}),
            lambda text: engine.grammars.span(text, by="chars"),
        ):
            answer = held(engine, make(text), max_new_tokens=60)
            assert answer.text in (text, json.dumps(text)) or answer.text in text
            assert not set(answer.ids) - set(model_ends(engine)) & set(control)


def model_ends(engine: Engine) -> frozenset[int]:
    return engine.loaded.ends


sources = st.lists(
    st.sampled_from(["the", "dog", "Zwölf", "東京", "😀", "café", "naïve", "1.5", "—", '"x"', "\\", "a\u0301"]),
    min_size=1,
)


@given(KINDS, sources.map(" ".join), st.sampled_from(["words", "chars"]), st.integers(8, 40))
@settings(max_examples=30)
def test_a_span_stands_in_the_source(name: str, source: str, by: str, room: int) -> None:
    engine = engine_of(name)
    for how in ({}, DRAWN):
        answer = held(engine, engine.grammars.span(source, by=by), max_new_tokens=room, **how)
        assert answer.text in source
        if by == "words" and answer.text:
            starts = (found.start() for found in re.finditer(re.escape(answer.text), source))
            assert any(_at_border(source, start) and _at_border(source, start + len(answer.text)) for start in starts)


def _at_border(text: str, at: int) -> bool:
    before, after = text[at - 1 : at] if at else "", text[at : at + 1]
    return not (before.isalnum() and after.isalnum())


# The loop


PERSON = {"name": {"type": "string"}, "age": {"type": "integer"}}
CONSTRAINTS: dict[str, Callable[[Grammars], Constraint]] = {
    "json": lambda make: make.json_schema({"type": "object", "properties": PERSON, "required": list(PERSON)}),
    "regex": lambda make: make.regex(r"[A-Z][a-z]{3,9} [0-9]{1,8}"),
    "choice": lambda make: make.choice(["yes", "no", "maybe so", "maybe not"]),
    "span": lambda make: make.span("Zwölf Boxkämpfer 東京 😀 jagen Viktor"),
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("how", [{}, DRAWN], ids=["greedy", "drawn"])
def test_different_constraints_in_one_batch(name: str, how: dict[str, Any]) -> None:
    engine = engine_of(name)
    asked = [
        replace(request(engine.encoder.encode_text(prompt), max_new_tokens=40, **how), constraint=make(engine.grammars))
        for prompt, make in zip(("What is", "The", "東京 is the capital of", "x"), CONSTRAINTS.values(), strict=True)
    ]
    free = request(engine.encoder.encode_text("The dog"), max_new_tokens=40, **how)
    if name != "bart":  # what is forced on its decoder is not forced on an answer that is held to a form
        asked.append(free)
    apart = [engine.generate([one])[0][0] for one in asked]
    together = [group[0] for group in engine.generate(asked)]
    assert [one.ids for one in together] == [one.ids for one in apart]
    assert [one.text for one in together] == [one.text for one in apart]
    assert [one.finish_reason for one in together] == [one.finish_reason for one in apart]


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "bart"])
@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_tokens_without_a_choice_need_no_pass(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(name)
    constraint = CONSTRAINTS[kind](engine.grammars)
    quick = held(engine, constraint, max_new_tokens=80)
    monkeypatch.setattr(Matcher, "forced", lambda self: [])
    slow = held(engine, constraint, max_new_tokens=80)
    assert quick.text == slow.text
    if kind != "span":  # the model may write the bytes of a letter in other tokens than the usual ones
        assert quick.ids == slow.ids


def test_forced_tokens_are_read_in_one_pass() -> None:
    from tests.models.test_generate import watched

    engine = engine_of("llama")
    with watched(engine) as shapes:
        answer = held(engine, CONSTRAINTS["json"](engine.grammars), max_new_tokens=150)
    assert len(shapes) < len(answer.ids) - 5
    assert max(width for _, width in shapes[1:]) > 3


def test_log_probabilities_and_a_constraint() -> None:
    engine = engine_of("llama")
    asked = replace(
        request(engine.encoder.encode_text("What is"), max_new_tokens=80),
        constraint=CONSTRAINTS["json"](engine.grammars),
    )
    plain = engine.generate([asked])[0][0]
    told = engine.generate([replace(asked, logprobs=2)])[0][0]
    assert told.ids == plain.ids
    assert [score.id for score in told.scores] == told.ids[: len(told.scores)]


@pytest.mark.parametrize("ends", [(), (42,), (42, 77)], ids=str)
def test_whatever_ends_an_answer_may_end_a_held_one(ends: tuple[int, ...]) -> None:
    model = tiny.make("llama").ending_at(*ends)
    engine = model.engine()
    matcher = engine.grammars.regex("(.|\n)*").start(50)
    import torch

    scores = torch.zeros(len(model.tokenizer))
    matcher.mask(scores)
    assert torch.isfinite(scores[model.ends]).all()


BANS = [
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"min_new_tokens": 30},
    {"repetition_penalty": 1e-2},
    {"repetition_penalty": 100.0, "presence_penalty": 2.0, "frequency_penalty": 2.0},
    {"no_repeat_ngram_size": 1, "min_new_tokens": 20, "top_k": 1, "top_p": 0.1, "min_p": 1.0, "typical_p": 0.1},
]


@pytest.mark.parametrize("name", ["llama", "t5"])
@pytest.mark.parametrize("bans", BANS, ids=str)
def test_a_form_wins_over_bans(name: str, bans: dict[str, Any]) -> None:
    engine = engine_of(name)
    for how in (DRAWN,) if "top_k" in bans else ({}, DRAWN):
        answer = held(engine, engine.grammars.regex("a{9}b{0,3}"), "aaaa and", max_new_tokens=40, **how, **bans)
        assert re.fullmatch("a{9}b{0,3}", answer.text)
        answer = held(engine, engine.grammars.choice(["a a a a a", "a"]), "a", max_new_tokens=40, **how, **bans)
        assert answer.text in ("a a a a a", "a")
    answer = held(engine, CONSTRAINTS["json"](engine.grammars), max_new_tokens=60, **DRAWN, **bans)
    assert list(json.loads(answer.text)) == list(PERSON)


def test_a_stop_string_and_a_constraint() -> None:
    engine = engine_of("llama")
    answer = held(engine, engine.grammars.regex(r"\d{3}\n[ab]*"), max_new_tokens=12, stop=("\n", "zzz"))
    assert re.fullmatch(r"\d{3}", answer.text)
    assert answer.finish_reason == "stop"
    for stop in ("}x", '"}x'):  # what may begin a stop string is kept back, but not lost
        answer = held(engine, CONSTRAINTS["json"](engine.grammars), max_new_tokens=150, stop=(stop,))
        assert list(json.loads(answer.text)) == list(PERSON)


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
def test_what_cannot_be_a_constraint(make: Callable[[Grammars], Constraint]) -> None:
    with pytest.raises(ConstraintError) as caught:
        make(engine_of("llama").grammars)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_cannot_be_used() -> None:
    tokenizer = word_level()
    with pytest.raises(ConstraintError, match=r"constrained decoding cannot work with .* of this model"):
        Grammars(tokenizer, len(tokenizer))


def test_beams_and_a_constraint() -> None:
    engine = engine_of("llama")
    with pytest.raises(SettingsError, match=r"num_beams is 2, but .* need num_beams=1"):
        held(engine, engine.grammars.choice(["yes", "no"]), num_beams=2)


def test_a_grammar_is_compiled_once() -> None:
    options = ("yes", "no")
    grammars = engine_of("llama").grammars
    assert grammars.choice(options) is grammars.choice(list(options))
    assert grammars.choice(options) != grammars.choice(options[::-1])

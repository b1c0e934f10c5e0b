"""Constraints in the decode loop: in batches, with forced tokens, stop strings and banned tokens."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch

from llmkit.models.constraints.grammar import Matcher
from tests.support import tiny
from tests.support.generation import forward_shapes, greedy_request
from tests.support.schemas import (
    CONSTRAINTS,
    DRAWN,
    PERSON,
    constrained,
    engine_of,
)


@pytest.mark.slow
@tiny.every_architecture
@pytest.mark.parametrize("options", [{}, DRAWN], ids=["greedy", "drawn"])
def test_a_batch_can_have_different_constraints(name: str, options: dict[str, Any]) -> None:
    engine = engine_of(name)
    requests = [
        replace(
            greedy_request(engine.encoder.encode_text(prompt), max_new_tokens=40, **options),
            constraint=make(engine.constraints),
        )
        for prompt, make in zip(("What is", "The", "東京 is the capital of"), CONSTRAINTS.values(), strict=True)
    ]
    free = greedy_request(engine.encoder.encode_text("The dog"), max_new_tokens=40, **options)
    if name != "bart":  # the forced first token is not used in a constrained completion
        requests.append(free)
    separate = [engine.generate([one])[0][0] for one in requests]
    together = [group[0] for group in engine.generate(requests)]
    assert [one.token_ids for one in together] == [one.token_ids for one in separate]
    assert [one.text for one in together] == [one.text for one in separate]
    assert [one.finish_reason for one in together] == [one.finish_reason for one in separate]


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "bart"])
@pytest.mark.parametrize("constraint_name", CONSTRAINTS)
def test_forced_tokens_do_not_change_the_completion(
    name: str, constraint_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(name)
    constraint = CONSTRAINTS[constraint_name](engine.constraints)
    with_forced = constrained(engine, constraint, max_new_tokens=80)
    monkeypatch.setattr(Matcher, "forced_tokens", lambda self: [])
    without_forced = constrained(engine, constraint, max_new_tokens=80)
    assert with_forced.text == without_forced.text
    assert with_forced.token_ids == without_forced.token_ids


def test_forced_tokens_share_a_forward_pass() -> None:
    engine = engine_of("llama")
    with forward_shapes(engine) as shapes:
        answer = constrained(engine, CONSTRAINTS["json"](engine.constraints), max_new_tokens=150)
    assert len(shapes) < len(answer.token_ids) - 5
    assert max(width for _, width in shapes[1:]) > 3


def test_log_probabilities_do_not_change_a_constrained_completion() -> None:
    engine = engine_of("llama")
    request = replace(
        greedy_request(engine.encoder.encode_text("What is"), max_new_tokens=80),
        constraint=CONSTRAINTS["json"](engine.constraints),
    )
    plain = engine.generate([request])[0][0]
    scored = engine.generate([replace(request, logprobs=2)])[0][0]
    assert scored.token_ids == plain.token_ids
    assert [score.token_id for score in scored.logprobs] == scored.token_ids[: len(scored.logprobs)]


@pytest.mark.parametrize("end_tokens", [(), (42,), (42, 77)], ids=str)
def test_every_end_token_is_allowed_at_the_end(end_tokens: tuple[int, ...]) -> None:
    model = tiny.make("llama").ending_at(*end_tokens)
    engine = model.engine()
    matcher = engine.constraints.regex("(.|\n)*").start(50)
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
def test_a_constraint_has_priority_over_banned_tokens(name: str, bans: dict[str, Any]) -> None:
    engine = engine_of(name)
    for options in (DRAWN,) if "top_k" in bans else ({}, DRAWN):
        answer = constrained(
            engine, engine.constraints.regex("a{9}b{0,3}"), "aaaa and", max_new_tokens=40, **options, **bans
        )
        assert re.fullmatch("a{9}b{0,3}", answer.text)
        answer = constrained(
            engine, engine.constraints.choice(["a a a a a", "a"]), "a", max_new_tokens=40, **options, **bans
        )
        assert answer.text in ("a a a a a", "a")
    answer = constrained(engine, CONSTRAINTS["json"](engine.constraints), max_new_tokens=60, **DRAWN, **bans)
    assert list(json.loads(answer.text)) == list(PERSON)


def test_a_stop_string_ends_a_constrained_completion() -> None:
    engine = engine_of("llama")
    answer = constrained(engine, engine.constraints.regex(r"\d{3}\n[ab]*"), max_new_tokens=12, stop=("\n", "zzz"))
    assert re.fullmatch(r"\d{3}", answer.text)
    assert answer.finish_reason == "stop"
    for stop in ("}x", '"}x'):  # the possible start of a stop string is delayed, but not lost
        answer = constrained(engine, CONSTRAINTS["json"](engine.constraints), max_new_tokens=150, stop=(stop,))
        assert list(json.loads(answer.text)) == list(PERSON)

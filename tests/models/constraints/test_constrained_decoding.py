"""Held answers in the loop: in batches, with tokens that are forced, with stop strings and with bans."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from llmkit.models.constraints.grammar import Matcher
from tests.support import tiny
from tests.support.generation import forward_shapes, greedy_request
from tests.support.schemas import (
    CONSTRAINTS,
    DRAWN,
    EVERY,
    PERSON,
    engine_of,
    held,
)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("how", [{}, DRAWN], ids=["greedy", "drawn"])
def test_different_constraints_in_one_batch(name: str, how: dict[str, Any]) -> None:
    engine = engine_of(name)
    asked = [
        replace(
            greedy_request(engine.encoder.encode_text(prompt), max_new_tokens=40, **how),
            constraint=make(engine.constraints),
        )
        for prompt, make in zip(("What is", "The", "東京 is the capital of", "x"), CONSTRAINTS.values(), strict=True)
    ]
    free = greedy_request(engine.encoder.encode_text("The dog"), max_new_tokens=40, **how)
    if name != "bart":  # what is forced on its decoder is not forced on an answer that is held to a form
        asked.append(free)
    apart = [engine.generate([one])[0][0] for one in asked]
    together = [group[0] for group in engine.generate(asked)]
    assert [one.token_ids for one in together] == [one.token_ids for one in apart]
    assert [one.text for one in together] == [one.text for one in apart]
    assert [one.finish_reason for one in together] == [one.finish_reason for one in apart]


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "bart"])
@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_tokens_without_a_choice_need_no_pass(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(name)
    constraint = CONSTRAINTS[kind](engine.constraints)
    quick = held(engine, constraint, max_new_tokens=80)
    monkeypatch.setattr(Matcher, "forced", lambda self: [])
    slow = held(engine, constraint, max_new_tokens=80)
    assert quick.text == slow.text
    if kind != "span":  # the model may write the bytes of a letter in other tokens than the usual ones
        assert quick.token_ids == slow.token_ids


def test_forced_tokens_are_read_in_one_pass() -> None:

    engine = engine_of("llama")
    with forward_shapes(engine) as shapes:
        answer = held(engine, CONSTRAINTS["json"](engine.constraints), max_new_tokens=150)
    assert len(shapes) < len(answer.token_ids) - 5
    assert max(width for _, width in shapes[1:]) > 3


def test_log_probabilities_and_a_constraint() -> None:
    engine = engine_of("llama")
    asked = replace(
        greedy_request(engine.encoder.encode_text("What is"), max_new_tokens=80),
        constraint=CONSTRAINTS["json"](engine.constraints),
    )
    plain = engine.generate([asked])[0][0]
    told = engine.generate([replace(asked, logprobs=2)])[0][0]
    assert told.token_ids == plain.token_ids
    assert [score.token_id for score in told.logprobs] == told.token_ids[: len(told.logprobs)]


@pytest.mark.parametrize("ends", [(), (42,), (42, 77)], ids=str)
def test_whatever_ends_an_answer_may_end_a_held_one(ends: tuple[int, ...]) -> None:
    model = tiny.make("llama").ending_at(*ends)
    engine = model.engine()
    matcher = engine.constraints.regex("(.|\n)*").start(50)
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
        answer = held(engine, engine.constraints.regex("a{9}b{0,3}"), "aaaa and", max_new_tokens=40, **how, **bans)
        assert re.fullmatch("a{9}b{0,3}", answer.text)
        answer = held(engine, engine.constraints.choice(["a a a a a", "a"]), "a", max_new_tokens=40, **how, **bans)
        assert answer.text in ("a a a a a", "a")
    answer = held(engine, CONSTRAINTS["json"](engine.constraints), max_new_tokens=60, **DRAWN, **bans)
    assert list(json.loads(answer.text)) == list(PERSON)


def test_a_stop_string_and_a_constraint() -> None:
    engine = engine_of("llama")
    answer = held(engine, engine.constraints.regex(r"\d{3}\n[ab]*"), max_new_tokens=12, stop=("\n", "zzz"))
    assert re.fullmatch(r"\d{3}", answer.text)
    assert answer.finish_reason == "stop"
    for stop in ("}x", '"}x'):  # what may begin a stop string is kept back, but not lost
        answer = held(engine, CONSTRAINTS["json"](engine.constraints), max_new_tokens=150, stop=(stop,))
        assert list(json.loads(answer.text)) == list(PERSON)

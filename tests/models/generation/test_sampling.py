"""Sampling is reproducible, alone and in a batch, and does not use the global random generator."""

import copy
import random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmkit import HuggingFaceChat
from llmkit.errors import GenerationError, SettingsError
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.sampling import choose_tokens, make_rng
from tests.support import tiny
from tests.support.generation import (
    LENGTH,
    PROMPT_TEXTS,
    encode_prompts,
    generate_alone,
    generate_together,
    greedy_request,
)
from tests.support.models import each_pass
from tests.support.tiny import Tiny

DRAWN: dict[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "seed": 11}

sampled_architectures = pytest.mark.parametrize(
    "name", tiny.fast_and_slow(["llama", "gpt2", "mistral", "mamba", "t5", "bart"], {"llama", "bart"})
)


@sampled_architectures
def test_a_seeded_answer_is_the_same_alone_and_in_a_batch(name: str) -> None:
    model = tiny.make(name)
    engine, prompts = model.engine(), encode_prompts(tiny.make(name))
    separate = [generate_alone(engine, prompt, **DRAWN) for prompt in prompts]
    assert [generate_alone(engine, prompt, **DRAWN) for prompt in prompts] == separate
    assert generate_together(engine, prompts, **DRAWN) == separate
    streamed = [list(engine.stream(greedy_request(prompt, **DRAWN)))[-1][0].token_ids for prompt in prompts]
    assert [[ids] for ids in streamed] == separate
    assert [generate_alone(engine, prompt, **{**DRAWN, "seed": 12}) for prompt in prompts] != separate


@sampled_architectures
def test_the_global_random_generator_is_neither_used_nor_changed(name: str) -> None:
    model = tiny.make(name)
    engine, prompt = model.engine(), encode_prompts(model)[1]
    before = torch.random.get_rng_state()
    first = generate_alone(engine, prompt, **DRAWN)
    generate_alone(engine, prompt, temperature=1.0)
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(999)
        assert generate_alone(engine, prompt, **DRAWN) == first


def test_n_completions_differ_and_are_reproducible() -> None:
    model = tiny.make("llama")
    engine, prompts = model.engine(), encode_prompts(model)
    answers = generate_alone(engine, prompts[1], **DRAWN, n=4)
    assert len({tuple(ids) for ids in answers}) == 4
    assert answers == generate_alone(engine, prompts[1], **DRAWN, n=4)
    assert generate_together(engine, prompts[:3], **DRAWN, n=4)[1] == answers
    assert answers[:1] == generate_alone(engine, prompts[1], **DRAWN)
    assert answers[1:2] != generate_alone(engine, prompts[1], **{**DRAWN, "seed": DRAWN["seed"] + 1})


def test_without_a_seed_answers_differ() -> None:
    model = tiny.make("llama")
    engine, prompt = model.engine(), encode_prompts(model)[1]
    assert len({tuple(generate_alone(engine, prompt, temperature=1.0)[0]) for _ in range(3)}) > 1


@pytest.mark.parametrize("settings", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-4}], ids=str)
def test_settings_that_leave_one_token_are_greedy(settings: dict[str, Any]) -> None:
    model = tiny.make("llama")
    engine, prompt = model.engine(), encode_prompts(model)[1]
    assert generate_alone(engine, prompt, **{"temperature": 1.0, **settings}) == generate_alone(engine, prompt)


def next_logits(model: Tiny, prompt: list[int]) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model.model(torch.tensor([prompt])).logits[0, -1].double()
    return logits


def test_tokens_are_sampled_by_their_probability() -> None:
    model = tiny.make("llama")
    prompt = encode_prompts(model)[1]
    logits = next_logits(model, prompt)
    top = logits.topk(5)
    expected = dict(zip(top.indices.tolist(), (top.values / 1.5).softmax(-1).tolist(), strict=True))
    draws = 4000
    answers = generate_alone(model.engine(), prompt, temperature=1.5, top_k=5, seed=3, n=draws, max_new_tokens=1)
    shares = {token: sum(ids[0] == token for ids in answers) / draws for token in expected}
    assert sum(shares.values()) == pytest.approx(1)
    for token, probability in expected.items():
        assert shares[token] == pytest.approx(probability, abs=5 * (probability * (1 - probability) / draws) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [(1.5, 0.0), (0.0, 0.8), (-0.7, 1.1)], ids=str)
def test_presence_and_frequency_penalties_lower_the_logits(penalty: tuple[float, float]) -> None:
    model = tiny.make("llama")
    engine, prompts = model.engine(), encode_prompts(tiny.make("llama"))[:4]
    presence, frequency = penalty
    expected = []
    for prompt in prompts:
        answer: list[int] = []
        while len(answer) < LENGTH and not set(answer) & set(model.ends):
            logits = next_logits(model, prompt + answer)
            for token in set(answer):
                logits[token] -= presence + frequency * answer.count(token)
            answer.append(int(logits.argmax()))
        expected.append([answer])
    options = {"presence_penalty": presence, "frequency_penalty": frequency}
    assert [generate_alone(engine, prompt, **options) for prompt in prompts] == expected
    assert generate_together(engine, prompts, **options) == expected
    assert expected != [generate_alone(engine, prompt) for prompt in prompts]


def test_penalties_ignore_the_prompt_of_an_encoder() -> None:
    model = tiny.make("t5")
    engine, prompts = model.engine(), encode_prompts(tiny.make("t5"))
    penalized = generate_alone(engine, prompts[1], presence_penalty=2.0, max_new_tokens=1)
    assert penalized == generate_alone(engine, prompts[1], max_new_tokens=1)
    assert [generate_alone(engine, one, frequency_penalty=2.0) for one in prompts] == generate_together(
        engine, prompts, frequency_penalty=2.0
    )


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.integers(0, 2**70))
def test_a_row_without_a_choice_draws_no_random_number(choosing: list[bool], seed: int) -> None:
    scores = torch.zeros(len(choosing), 50)
    rows = [make_rng(seed, index) for index in range(len(choosing))]
    choose_tokens(scores, [row if chooses else None for row, chooses in zip(rows, choosing, strict=True)])
    for index, (row, chooses) in enumerate(zip(rows, choosing, strict=True)):
        untouched = row.getstate() == make_rng(seed, index).getstate()
        assert untouched is not chooses


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(2, 400))
def test_a_row_draws_the_same_token_in_any_batch_and_none_without_probability(seed: int, rows: int, size: int) -> None:
    scores = torch.randn(rows, size, generator=torch.Generator().manual_seed(seed))
    banned = scores < 0.3
    banned[:, -1] = True
    banned[:, 0] = False
    scores = scores.masked_fill(banned, -torch.inf)
    together = choose_tokens(scores, [make_rng(seed, row) for row in range(rows)])
    assert together == [choose_tokens(scores[row : row + 1], [make_rng(seed, row)])[0] for row in range(rows)]
    assert not banned[torch.arange(rows), torch.tensor(together)].any()


@pytest.mark.parametrize("number", [0.0, 1 - 2**-53])
def test_the_least_and_the_largest_number_draw_tokens_with_a_probability(number: float) -> None:
    class Fixed(random.Random):
        def random(self) -> float:
            return number

    scores = torch.tensor([[-torch.inf, 0.1, 2.0, -torch.inf], [1e4, -torch.inf, -torch.inf, -torch.inf]])
    assert choose_tokens(scores, [Fixed(), Fixed()]) == [1 if number == 0 else 2, 0]


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0}], ids=["greedy", "sampled"])
def test_scores_that_are_not_numbers_are_an_error(options: dict[str, Any]) -> None:
    model = tiny.make("llama")
    damaged = model._replace(model=copy.deepcopy(model.model))
    engine, prompt = damaged.engine(), encode_prompts(model)[1]
    with torch.no_grad():
        damaged.model.lm_head.weight[3] = torch.nan
    with pytest.raises(GenerationError, match="float32"):
        generate_alone(engine, prompt, **options)


def test_engines_of_one_model_share_only_weights() -> None:
    model = tiny.make("llama")
    engines = [model.engine() for _ in range(2)]
    assert all(isinstance(engine, Engine) for engine in engines)
    answers = [generate_alone(engine, model.tokenizer.encode(PROMPT_TEXTS[1]), **DRAWN) for engine in engines]
    assert answers[0] == answers[1]
    assert engines[0].prefix_cache is not engines[1].prefix_cache


# The model's generation_config


@pytest.mark.parametrize(
    ("config", "message", "overrides"),
    [
        ({"num_beams": 4, "num_beam_groups": 2}, "num_beam_groups=2", {"num_beams": 1}),
        ({"penalty_alpha": 0.6, "top_k": 4}, "penalty_alpha=0.6", {"temperature": 0.5, "seed": 1}),
        ({"dola_layers": "high"}, "dola_layers='high'", {"num_beams": 2}),
        ({"num_beams": 2, "force_words_ids": [[5]]}, r"force_words_ids=\[\[5\]\]", None),
        ({"num_beams": 2, "do_sample": True}, "num_beams=2 and do_sample=True", {"temperature": 0}),
        ({"num_beams": 2, "do_sample": True}, "num_beams=2 and do_sample=True", {"temperature": 0.7, "seed": 1}),
    ],
    ids=str,
)
async def test_unsupported_decoding_modes_raise_settings_error(
    config: Any, message: str, overrides: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    model, tokenizer = tiny.make("llama").configured(**config)
    capfd.readouterr()
    llm = HuggingFaceChat(model=model, tokenizer=tokenizer, max_new_tokens=4)
    with each_pass(llm) as passes:
        with pytest.raises(SettingsError, match=f"the model's generation_config has {message}"):
            llm.invoke("Hi")
        with pytest.raises(SettingsError, match=message):
            list(llm.stream("Hi"))
        with pytest.raises(SettingsError, match=message):
            llm.batch(["Hi", "The dog"])
        with pytest.raises(SettingsError, match=message):
            await llm.ainvoke("Hi")
    assert not passes
    assert capfd.readouterr().err == ""
    if overrides:
        expected = HuggingFaceChat(model=tiny.make("llama").model, tokenizer=tokenizer, max_new_tokens=4)
        assert (
            llm.invoke("Hi", **overrides).content
            == expected.invoke("Hi", **{"top_k": config.get("top_k"), **overrides}).content
        )


def test_assisted_generation_equals_plain_generation() -> None:
    model, tokenizer = tiny.make("llama").configured(prompt_lookup_num_tokens=3)
    llm = HuggingFaceChat(model=model, tokenizer=tokenizer, max_new_tokens=9)
    plain = HuggingFaceChat(model=tiny.make("llama").model, tokenizer=tokenizer, max_new_tokens=9)
    prompts = ["The dog and the dog", "Hi"]
    assert [answer.content for answer in llm.batch(prompts)] == [plain.invoke(prompt).content for prompt in prompts]


def test_seeds_of_any_length_have_their_own_numbers():
    seeds = [0, 1, 7, 2**31, 2**63 - 1, 2**63, 2**63 + 1, 2**64, 2**64 + 1, 2**127, 2**128]
    drawn = [make_rng(seed, index).getrandbits(256) for seed in seeds for index in range(3)]
    assert len(set(drawn)) == len(drawn)
    assert make_rng(7, 0).random() == random.Random(7).random()

"""Usage, finish reasons, log-probabilities, timings and settings of chat and completion models."""

import time
from typing import Any

import numpy as np
import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from llmkit import HuggingFaceChat
from llmkit.errors import SettingsError
from llmkit.models.generation.settings import NAMES
from tests.support import tiny
from tests.support.models import PROMPT, attention_architectures, chat, completion, each_pass, prompt_ids
from tests.support.reference import teacher_forcing


@attention_architectures
def test_usage_counts_the_tokens(name: str) -> None:
    llm = chat(name)
    for prompt in (PROMPT, "Hi", "東京"):
        ids = prompt_ids(llm, prompt)
        [expected] = tiny.make(name).reference(ids, max_new_tokens=24)
        usage = llm.invoke(prompt).usage_metadata
        assert usage == {
            "input_tokens": len(ids),
            "output_tokens": len(expected),
            "total_tokens": len(ids) + len(expected),
        }
        assert llm.get_num_tokens_from_messages([HumanMessage(prompt)]) == len(ids)
        assert llm.get_num_tokens(prompt) == len(llm.engine.encoder.encode_text(prompt, special=False))


def test_finish_reasons() -> None:
    free = chat("llama")
    [expected] = tiny.make("llama").reference(prompt_ids(free, PROMPT), max_new_tokens=24)
    model = tiny.make("llama").ending_at(expected[5])
    llm = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, temperature=0)
    assert llm.invoke(PROMPT, max_new_tokens=3).response_metadata["finish_reason"] == "length"
    ended = llm.invoke(PROMPT, max_new_tokens=6)
    assert ended.response_metadata["finish_reason"] == "stop"
    assert ended.usage_metadata is not None
    assert ended.usage_metadata["output_tokens"] == expected.index(expected[5]) + 1
    text = str(free.invoke(PROMPT).content)
    stopped = free.invoke(PROMPT, stop=[text[4:7]])
    assert stopped.response_metadata["finish_reason"] == "stop"
    assert stopped.content == text[: text.index(text[4:7])]
    assert free.invoke(PROMPT, stop=["never written"]).response_metadata["finish_reason"] == "length"


DECODING_OPTIONS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "drawn": {"temperature": 0.9, "top_k": 20, "seed": 4},
    "beams": {"num_beams": 3, "length_penalty": 0.5, "repetition_penalty": 1.3},
}


@attention_architectures
@pytest.mark.parametrize("options", DECODING_OPTIONS.values(), ids=DECODING_OPTIONS)
def test_log_probabilities_equal_teacher_forcing(name: str, options: dict[str, Any]) -> None:
    llm = chat(name, max_new_tokens=10, **options)
    model, prompt = tiny.make(name), prompt_ids(llm, PROMPT)
    answer = llm.invoke(PROMPT, logprobs=True, top_logprobs=3)
    content = answer.response_metadata["logprobs"]["content"]
    request = llm.prepare_call(llm._convert(PROMPT), None, {"logprobs": 3}).request
    [done] = llm.engine.generate([request])[0]
    skipped = 1 if name == "bart" else 0  # the first token is forced, whatever its likelihood
    ids = done.token_ids[skipped:]
    assert len(content) == len(done.token_ids)
    total = sum(entry["logprob"] for entry in content[skipped:])
    assert total == pytest.approx(teacher_forcing(model, prompt, ids), abs=1e-3)
    for at, entry in enumerate(content[skipped:]):
        assert entry["logprob"] == pytest.approx(
            teacher_forcing(model, prompt, ids[: at + 1]) - teacher_forcing(model, prompt, ids[:at]), abs=1e-3
        )
        best = [top["logprob"] for top in entry["top_logprobs"]]
        assert best == sorted(best, reverse=True)
        assert len(best) == 3
        assert max(best) >= entry["logprob"] - 1e-6
        assert sum(np.exp(best)) <= 1 + 1e-5
        assert entry["token"] == model.tokenizer.decode([ids[at]])
    assert [score.token_id for score in done.logprobs] == done.token_ids


def test_log_probabilities_of_a_batch_of_beams() -> None:
    llm = chat("llama", max_new_tokens=8, num_beams=4, n=2)
    prompts = [PROMPT, "Hi", "The dog and"]
    messages = [[HumanMessage(prompt)] for prompt in prompts]
    groups = llm.generate(messages, logprobs=True, top_logprobs=1).generations
    for prompt, group in zip(prompts, groups, strict=True):
        assert len(group) == 2
        for one in group:
            content = one.message.response_metadata["logprobs"]["content"]
            request = llm.prepare_call(llm._convert(prompt), None, {"logprobs": 1}).request
            [ids] = [done.token_ids for done in llm.engine.generate([request])[0] if done.text == one.text]
            total = teacher_forcing(tiny.make("llama"), prompt_ids(llm, prompt), ids)
            assert sum(entry["logprob"] for entry in content) == pytest.approx(total, abs=1e-3)


def test_log_probabilities_only_on_request() -> None:
    llm = chat("llama", max_new_tokens=4)
    assert "logprobs" not in llm.invoke(PROMPT).response_metadata
    entries = llm.invoke(PROMPT, logprobs=True).response_metadata["logprobs"]["content"]
    assert len(entries) == 4
    assert all(entry["top_logprobs"] == [] for entry in entries)


def test_timings_add_up() -> None:
    """Check that each forward pass takes at least 20 ms, and the call at least as long as its passes."""
    llm = chat("llama", max_new_tokens=11, min_new_tokens=11)
    with each_pass(llm, lambda _: time.sleep(0.02)):
        started = time.perf_counter()
        times = llm.invoke(PROMPT).response_metadata["timings"]
        elapsed = time.perf_counter() - started
    assert times["time_to_first_token"] >= 0.02
    assert times["time_per_output_token"] >= 0.02
    assert times["time_to_first_token"] + 10 * times["time_per_output_token"] <= elapsed


def test_n_returns_that_many_different_answers() -> None:
    llm = chat("llama", temperature=1.0, seed=2)
    [generations] = llm.generate([[HumanMessage(PROMPT)]], n=3).generations
    texts = [one.text for one in generations]
    assert len(set(texts)) == 3
    assert texts[0] == llm.invoke(PROMPT).content
    [beams] = llm.generate([[HumanMessage(PROMPT)]], n=2, num_beams=3, temperature=0).generations
    assert len(beams) == 2
    completions = completion("llama", temperature=1.0, seed=2).generate([PROMPT, "Hi"], n=3).generations
    assert [len({one.text for one in group}) for group in completions] == [3, 3]


CHANGES: dict[str, Any] = {
    "max_new_tokens": 3,
    "min_new_tokens": 2,
    "temperature": 0.7,
    "top_k": 5,
    "top_p": 0.5,
    "min_p": 0.9,
    "typical_p": 0.5,
    "repetition_penalty": 1.7,
    "no_repeat_ngram_size": 1,
    "num_beams": 3,
    "length_penalty": -2.0,
    "stop": ["X"],
    "seed": 9,
    "n": 1,
    "presence_penalty": 2.0,
    "frequency_penalty": 2.0,
}


TRANSLATION_SETTINGS = ("source_language", "target_language", "forced_bos_token_id")
"""Of encoder-decoder models: in `tokens/test_languages.py`, and refused by others in the test below."""


@pytest.mark.parametrize("setting", [name for name in NAMES if name not in TRANSLATION_SETTINGS])
def test_a_setting_of_one_call_acts_like_a_setting_of_the_model(setting: str) -> None:
    """Check that a setting passed to one call equals the setting of a new model, and does not persist."""
    base: dict[str, Any] = {"seed": 1, "max_new_tokens": 10}
    if setting in ("temperature", "top_k", "top_p", "min_p", "typical_p", "seed"):
        base["temperature"] = 1.5
    elif setting == "length_penalty":
        base["num_beams"] = 3
    else:
        base["temperature"] = 0
    model = tiny.make("llama")
    llm = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, **base)
    before = llm.invoke(PROMPT).content
    changed = {**base, setting: CHANGES[setting]}
    fresh = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, **changed)
    assert llm.invoke(PROMPT, **{setting: CHANGES[setting]}).content == fresh.invoke(PROMPT).content
    assert llm.invoke(PROMPT).content == before
    assert llm.bind(**{setting: CHANGES[setting]}).invoke(PROMPT).content == fresh.invoke(PROMPT).content
    if setting not in ("n", "min_new_tokens", "length_penalty", "top_p", "no_repeat_ngram_size", "typical_p"):
        assert fresh.invoke(PROMPT).content != before


@pytest.mark.parametrize("setting", TRANSLATION_SETTINGS)
def test_translation_settings_are_refused_by_a_decoder_in_a_call_and_in_the_model(setting: str) -> None:
    value: Any = 5 if setting == "forced_bos_token_id" else "fr"
    model = tiny.make("llama")
    fresh = HuggingFaceChat(model=model.model, tokenizer=model.tokenizer, temperature=0, **{setting: value})
    for call in (lambda: chat("llama").invoke(PROMPT, **{setting: value}), lambda: fresh.invoke(PROMPT)):
        with pytest.raises(SettingsError, match=setting):
            call()


def test_unknown_settings_suggest_a_name() -> None:
    llm = chat("llama")
    with pytest.raises(SettingsError, match=r"unknown generation setting temprature=5: did you mean temperature\?"):
        llm.invoke(PROMPT, temprature=5)
    with pytest.raises(SettingsError, match=r"unknown generation setting penalty_alpha=0.6: the settings are max_new"):
        llm.invoke(PROMPT, penalty_alpha=0.6)
    with pytest.raises(SettingsError, match="dola_layers"):
        HuggingFaceChat(model=llm.model, tokenizer=llm.tokenizer, dola_layers="high")
    with pytest.raises(SettingsError, match="custom_generate"):
        llm.batch([PROMPT], custom_generate="somebody/code")


def test_a_final_assistant_message_is_continued() -> None:
    llm = chat("llama", max_new_tokens=5)
    messages = [SystemMessage("Be short."), HumanMessage(PROMPT), AIMessage("It is")]
    ids = llm.engine.encoder.encode_messages(messages)
    [expected] = tiny.make("llama").reference(ids, max_new_tokens=5)
    assert llm.invoke(messages).content == tiny.make("llama").tokenizer.decode(expected, skip_special_tokens=True)


# Completions


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "gemma2"])
def test_a_completion_continues_the_prompt(name: str) -> None:
    llm = completion(name, max_new_tokens=12)
    tokenizer = tiny.make(name).tokenizer
    for prompt in (PROMPT, "The dog"):
        ids = prompt_ids(llm, prompt)
        [expected] = tiny.make(name).reference(ids, max_new_tokens=12)
        assert prompt + llm.invoke(prompt) == tokenizer.decode([*ids, *expected], skip_special_tokens=True)


@attention_architectures
def test_a_completion_model_counts_its_prompt(name: str) -> None:
    llm, messages = completion(name), [HumanMessage(PROMPT)]
    assert llm.get_num_tokens_from_messages(messages) == len(prompt_ids(llm, PROMPT))
    assert llm.invoke(messages) == llm.invoke(PROMPT), "a single message is rendered as its text"
    dialogue = [*messages, AIMessage("Paris."), HumanMessage("And of Spain?")]
    result = llm.generate([llm._convert_input(dialogue).to_string()])
    used = result.generations[0][0].generation_info["usage_metadata"]["input_tokens"]
    assert llm.get_num_tokens_from_messages(dialogue) == used


def test_usage_and_finish_reasons_of_completions() -> None:
    llm = completion("t5")
    result = llm.generate([PROMPT, "Hi"])
    for prompt, [one] in zip((PROMPT, "Hi"), result.generations, strict=True):
        [expected] = tiny.make("t5").reference(prompt_ids(llm, prompt), max_new_tokens=24)
        assert one.generation_info["usage_metadata"]["output_tokens"] == len(expected)
        assert one.generation_info["finish_reason"] == ("stop" if len(expected) < 24 else "length")
        assert one.text == tiny.make("t5").tokenizer.decode(expected, skip_special_tokens=True)


def test_memory_footprint_counts_weights_and_prefix_cache() -> None:
    llm = chat("llama")
    weights = sum(parameter.nbytes for parameter in llm.model.parameters())
    assert llm.memory_footprint() >= weights
    before = llm.memory_footprint()
    llm.invoke(PROMPT)
    assert llm.memory_footprint() == before + llm.engine.prefix_cache.nbytes > before
    assert torch.is_grad_enabled()

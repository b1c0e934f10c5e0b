"""Each entry of a model's own generation config holds, changes nothing, or is refused by an error that names it."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from llmkit import HuggingFaceChat, HuggingFaceLLM
from llmkit.errors import SettingsError
from tests.support import tiny
from tests.support.folder_damages import save_folder
from tests.support.models import PROMPT, joined

SCHEMA = {"title": "t", "type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
LONG = "You are a careful assistant who answers in one short sentence and never guesses. "


def llm_with(name: str = "llama", kind: Any = HuggingFaceChat, **own: Any) -> Any:
    one = tiny.make(name).configured()
    for entry, value in own.items():
        setattr(one.model.generation_config, entry, value)
    options: dict[str, Any] = {"temperature": 0, "max_new_tokens": 12, "context_window": tiny.WINDOW}
    return kind(model=one.model, tokenizer=one.tokenizer, **options)


def tokens_of(llm: Any) -> list[int]:
    [[completion]] = llm.engine.generate([llm.prepare_call(llm._convert(PROMPT)).request])
    return list(completion.token_ids)


def answers(**own: Any) -> list[Any]:
    """Return what a model with these entries answers in every way."""
    llm, other = llm_with(**own), llm_with("bart", HuggingFaceLLM, **own)
    return [
        llm.invoke(PROMPT).text,
        llm.invoke(f"{PROMPT} And of Spain?").text,
        joined(list(llm.stream(PROMPT))).text,
        [answer.text for answer in llm.batch([f"{LONG}A", f"{LONG}B"])],
        llm.invoke(PROMPT, num_beams=2).text,
        llm.with_structured_output(SCHEMA).invoke("Hi"),
        other.invoke(PROMPT),
        other.batch([PROMPT, "Hi"], num_beams=2),
    ]


@pytest.mark.parametrize(
    "own",
    [
        {"use_cache": False},
        *({"cache_implementation": name} for name in ("dynamic", "static", "offloaded", "quantized", "hybrid")),
        {"cache_implementation": "static", "max_cache_len": 8},
        {"prompt_lookup_num_tokens": 3, "max_matching_ngram_size": 2},
        {"assistant_early_exit": 1, "is_assistant": True, "num_assistant_tokens": 4},
        {"return_dict_in_generate": True, "output_scores": True, "output_logits": True, "output_attentions": True},
        {"num_return_sequences": 3},
        {"max_time": 1000},
        {"max_length": 0},
        {"pad_token_id": -1},
        {"pad_token_id": 99_999},
        {"eos_token_id": []},
        {"prefill_chunk_size": 2, "disable_compile": True, "low_memory": True},
        {"renormalize_logits": True, "remove_invalid_values": True},
        {"stop_strings": []},
    ],
    ids=str,
)
def test_entries_about_how_to_compute_change_no_answer(own: dict[str, Any]) -> None:
    assert answers(**own) == answers()


def test_stop_strings_end_an_answer_as_those_of_a_call() -> None:
    plain = llm_with().invoke(PROMPT).text
    stop = plain[3:6]
    llm = llm_with(stop_strings=["<|endofturn|>", stop])
    expected = llm_with().invoke(PROMPT, stop=[stop])
    assert expected.text == plain[: plain.index(stop)]
    assert llm.invoke(PROMPT).text == expected.text
    assert llm.invoke(PROMPT).usage_metadata == expected.usage_metadata
    assert llm.invoke(PROMPT).response_metadata["finish_reason"] == "stop"
    assert joined(list(llm.stream(PROMPT))).text == expected.text
    assert [answer.text for answer in llm.batch([PROMPT, PROMPT])] == [expected.text] * 2
    assert llm.invoke(PROMPT, num_beams=2).text == llm_with().invoke(PROMPT, num_beams=2, stop=[stop]).text
    assert llm.invoke(PROMPT, stop=[plain[1]]).text == plain[: plain.index(plain[1])]
    assert llm.with_structured_output(SCHEMA).invoke("Hi")["a"] in (True, False)
    other = llm_with("bart", HuggingFaceLLM)
    text = other.invoke(PROMPT)
    assert llm_with("bart", HuggingFaceLLM, stop_strings=text[2:4]).invoke(PROMPT) == other.invoke(
        PROMPT, stop=text[2:4]
    )


def test_a_stop_string_that_is_a_special_token_ends_an_answer_too() -> None:
    llm = llm_with(stop_strings=["<file_sep>"])
    token = llm.engine.encoder.special_token_ids["<file_sep>"]
    assert llm.engine.loaded.eos_token_ids == llm_with().engine.loaded.eos_token_ids | {token}
    assert llm.engine.loaded.stop_strings == ()
    assert token not in tokens_of(llm)[:-1]


def test_the_time_of_the_model_ends_an_answer() -> None:
    llm = llm_with(max_time=1e-9)
    for answer in (llm.invoke(PROMPT), *llm.batch([PROMPT, "Hi"])):
        assert answer.usage_metadata["output_tokens"] == 1
        assert answer.response_metadata["finish_reason"] == "length"
    assert llm.with_structured_output(SCHEMA).invoke("Hi")["a"] in (True, False)


def test_entries_about_tokens_hold() -> None:
    plain = llm_with().engine.generate([llm_with().prepare_call(llm_with()._convert(PROMPT)).request])[0][0].token_ids
    for own in (
        {"suppress_tokens": [plain[0]]},
        {"begin_suppress_tokens": [plain[0]]},
        {"bad_words_ids": [[plain[0]]]},
    ):
        llm = llm_with(**own)
        assert llm.engine.generate([llm.prepare_call(llm._convert(PROMPT)).request])[0][0].token_ids[0] != plain[0]
    llm = llm_with(sequence_bias=[[[7], 1000.0]])
    assert set(llm.engine.generate([llm.prepare_call(llm._convert(PROMPT)).request])[0][0].token_ids) == {7}


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("token_healing", True),
        ("custom_generate", "org/name"),
        ("constraints", ["x"]),
        ("force_words_ids", [[5]]),
        ("dola_layers", "high"),
        ("penalty_alpha", 0.6),
        ("bad_words_ids", []),
        ("bad_words_ids", [[99_999]]),
        ("sequence_bias", {}),
        ("exponential_decay_length_penalty", "x"),
        ("early_stopping", "sometimes"),
        ("watermarking_config", {"greenlist_ratio": 3}),
        ("stop_strings", 5),
        ("max_time", "soon"),
        ("num_beams", "2"),
        ("max_new_tokens", -1),
        ("max_new_tokens", "20"),
        ("max_length", "20"),
        ("guidance_scale", "a"),
        ("length_penalty", "a"),
        ("forced_eos_token_id", 99_999),
        ("forced_bos_token_id", 99_999),
        ("decoder_start_token_id", [3, 4]),
        ("eos_token_id", "2"),
        ("eos_token_id", [1, "a"]),
        ("eos_token_id", 2.0),
        ("exponential_decay_length_penalty", [1]),
        ("do_sample", "yes"),
        ("renormalize_logits", "x"),
        ("remove_invalid_values", 1),
        ("no_repeat_ngram_size", -1),
        ("no_repeat_ngram_size", 2.5),
        ("encoder_no_repeat_ngram_size", -3),
        ("min_length", -1),
        ("min_new_tokens", "4"),
        ("num_beams", 0),
        ("num_beams", -2),
        ("bad_words_ids", [[]]),
        ("bad_words_ids", [[7], []]),
        ("max_time", 0),
        ("max_time", -1.5),
    ],
)
def test_other_entries_raise_an_error_that_names_them_before_any_work(entry: str, value: Any) -> None:
    more: dict[str, Any] = {"top_k": 4} if entry == "penalty_alpha" else {}
    llm = llm_with(**{entry: value}, **more)
    calls = (
        lambda: llm.invoke(PROMPT),
        lambda: list(llm.stream(PROMPT)),
        lambda: llm.batch([PROMPT, "Hi"]),
        lambda: llm.with_structured_output(SCHEMA).invoke("Hi"),
    )
    for call in calls:
        with pytest.raises(SettingsError, match=f"generation_config has {entry}="):
            call()


@pytest.mark.parametrize("entry", ["decoder_start_token_id", "forced_bos_token_id"])
def test_a_decoder_that_starts_with_no_token_of_the_model_is_refused_by_every_call(entry: str) -> None:
    llm = llm_with("bart", HuggingFaceLLM, **{entry: 99_999})
    for call in (lambda: llm.invoke(PROMPT), lambda: llm.score([PROMPT], ["a"]), lambda: llm.batch([PROMPT, "Hi"])):
        with pytest.raises(SettingsError, match=f"generation_config has {entry}=99999, but the model has"):
            call()


def test_the_entry_that_sampling_cannot_use_is_named() -> None:
    llm = llm_with(do_sample=True).model_copy(update={"temperature": None})
    llm.model.generation_config.temperature = 0.0
    with pytest.raises(SettingsError, match=r"generation_config has temperature=0\.0"):
        llm.invoke(PROMPT)
    assert llm.invoke(PROMPT, temperature=0).text == llm_with().invoke(PROMPT).text


@pytest.mark.parametrize("name", ["llama", "bart", "t5"])
@pytest.mark.parametrize("length", [12, 40])
def test_the_length_of_the_model_holds_where_no_call_says_another(name: str, length: int) -> None:
    llm = llm_with(name, HuggingFaceLLM, max_length=length).model_copy(update={"max_new_tokens": None})
    prompt = llm.engine.encoder.encode_text("The dog")
    expected = tiny.make(name).reference(prompt, max_length=length)[0]
    [[completion]] = llm.engine.generate([llm.prepare_call("The dog").request])
    assert list(completion.token_ids) == expected
    assert len(llm.get_token_ids(llm.invoke("The dog", max_new_tokens=3))) <= 6


def test_end_tokens_that_the_model_does_not_have_are_passed_over() -> None:
    end = tiny.make("llama").tokenizer.eos_token_id
    for ids in ([end, 99_999], [99_999], -1, [-1, end], [], [-1]):
        llm = llm_with(eos_token_id=ids)
        assert llm.engine.loaded.eos_token_ids == {end}
        assert llm.with_structured_output(SCHEMA).invoke("Hi")["a"] in (True, False)


@pytest.mark.parametrize("entry", ["suppress_tokens", "begin_suppress_tokens"])
def test_an_entry_that_leaves_no_token_is_refused(entry: str) -> None:
    every = range(tiny.make("llama").model.config.vocab_size)
    with pytest.raises(SettingsError, match=rf"generation_config has {entry}=.* \(it leaves no token to choose\)"):
        llm_with(**{entry: list(every)}).invoke(PROMPT)
    assert llm_with(suppress_tokens=list(every[1:])).invoke(PROMPT).usage_metadata["output_tokens"] >= 1


@pytest.mark.parametrize("own", [{"eos_token_id": -1}, {"eos_token_id": [-1]}, {"pad_token_id": -1}], ids=str)
def test_tokens_that_the_model_does_not_have_give_no_warning(
    own: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformers.utils.logging.get_logger("transformers"), "propagate", True)
    llm = llm_with(**own)
    llm.invoke(PROMPT)
    llm.batch([PROMPT, "Hi"])
    assert not caplog.records


def test_the_length_penalty_of_the_model_counts_with_the_end_token_of_the_tokenizer() -> None:
    plain, end = llm_with(), tiny.make("llama").tokenizer.eos_token_id
    llm = llm_with(eos_token_id=None, exponential_decay_length_penalty=[2, 1e6])
    assert end not in tokens_of(plain)
    assert tokens_of(llm)[-1] == end


def test_num_return_sequences_in_the_file_has_no_effect(tmp_path: Path) -> None:
    file = save_folder(tmp_path) / "generation_config.json"
    plain = HuggingFaceLLM(str(tmp_path), dtype="float32", max_new_tokens=4, temperature=0).invoke(PROMPT)
    entries = json.loads(file.read_text())
    file.write_text(json.dumps({**entries, "num_return_sequences": 5, "repetition_penalty": 1.5}))
    llm = HuggingFaceLLM(str(tmp_path), dtype="float32", max_new_tokens=4, temperature=0)
    assert llm.engine.loaded.model.generation_config.repetition_penalty == 1.5
    assert llm.invoke(PROMPT, repetition_penalty=1.0) == plain

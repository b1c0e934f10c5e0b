"""A model's folder that is damaged or hostile is loaded, or refused by one line: before it takes memory or time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit import HuggingFaceChat
from llmkit.errors import GenerationError, LlmkitError, ModelUnusable
from tests.support import tiny
from tests.support.folder_damages import Damage, change, save_folder, write
from tests.support.hostile_adapters import ADAPTERS, save_adapter
from tests.support.hostile_files import FILES, JSON_FILES
from tests.support.hostile_settings import CONFIG, GENERATION
from tests.support.hostile_tokenizers import TOKENIZER
from tests.support.limits import limited, peak

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # in peft
MAX_MEGABYTES = 300
ATTEMPTS: dict[str, Damage] = {**CONFIG, **GENERATION, **TOKENIZER, **FILES}
"""All of them are tried by `python -m benchmarks.hostile_folders`."""

REFUSED = {
    "config.json: num_hidden_layers=1000000000": "config.json has num_hidden_layers=1000000000, more than 1,000",
    "config.json: num_hidden_layers=100000": "config.json has num_hidden_layers=100000, more than 1,000",
    "config.json: num_hidden_layers=-1": "config.json has num_hidden_layers=-1: it is damaged",
    "config.json: num_labels=1000000000": "config.json has num_labels=1000000000, more than 100,000",
    "config.json: hidden_size=100000": "by config.json the model has .* weights, but its files have",
    "config.json: vocab_size=1000000000": "by config.json the model has .* weights, but its files have",
    "config.json: intermediate_size=1000000000": "by config.json the model has .* weights, but its files have",
    "config.json: quantization_config={}": "cannot be loaded",
    "config.json: num_hidden_layers='2'": "Validation error for field 'num_hidden_layers': TypeError: ",
    "generation_config.json: encoder_no_repeat_ngram_size=1000000000": "ngram_size=1000000000, more than 100,000",
    "generation_config.json: num_beams=1000000": "generation_config.json has num_beams=1000000, more than 256",
    "a normalizer that makes each character a million": "normalizer that makes a text more than 1,000 times as long",
    "a normalizer that multiplies ten times": "normalizer that makes a text more than 10 times as long",
    "a normalizer that prepends a million": "normalizer that makes a text more than 1,000 times as long",
    "an added token of ten million characters": "has added tokens of more than 2,000,000 characters",
    "a character map of 4 GB": "a character map without a trie",
    "a normalizer that fails": "tokenizer is damaged",
    "tokenizer.json: pre_tokenizer={'type': 'FixedLength', 'length': 0}": "tokenizer is damaged",
    "long ends of words": "cannot be loaded",
    "tokens that the model does not have": "the token 1000.*, but the model has 400 tokens",
    "config.json: deep": "config.json is damaged: it is nested too deeply",
    "generation_config.json: deep dicts": "generation_config.json is damaged: it is nested too deeply",
    "model.safetensors.index.json: deep": "index.json is damaged: it is nested too deeply",
    "tokenizer.json: deep": "cannot be loaded",
    "config.json: pipe": "config.json is a pipe, a socket or a device",
    "config.json: 10 GB of zeros": "config.json has 9,536 MiB, more than the 8 MiB",
    "tokenizer.json: /dev/zero": "tokenizer.json is a pipe, a socket or a device",
    "model.safetensors: pipe": "model.safetensors is a pipe, a socket or a device",
    "model.safetensors: socket": "model.safetensors is a pipe, a socket or a device",
    "model.safetensors: link in a circle": "model.safetensors cannot be read",
    "model.safetensors: link to nothing": "model.safetensors cannot be read",
    "model.safetensors: 10 GB of zeros": "model.safetensors is damaged: it is not as long as its header says",
    "additional template: pipe": "x.jinja is a pipe, a socket or a device",
    "weights: header of 10^18": "its header is longer than the file",
    "weights: deep header": "its header is longer than the file|nested too deeply",
    "index: outside of the folder": "index.json is damaged: it names .*, which is no file of the folder",
    "index: absolute": "index.json is damaged: it names '/etc/passwd', which is no file of the folder",
    "index: NUL": "index.json is damaged: it names .*, which is no file of the folder",
    "index: long name": "is incomplete: .* which is not there",
    "index: a pipe": "index.json is a pipe, a socket or a device",
}
"""What took all memory or time, or raised another error, and others like it."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(tmp_path_factory.mktemp("models") / "good")


def damaged(good: Path, target: Path, damage: Damage) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(good, target)
    damage(target)
    return target


def check_message(text: str) -> None:
    assert "\n" not in text
    assert len(text) < 1500


def load(folder: Path) -> HuggingFaceChat:
    """Load a model and encode a prompt, within limits of time and memory."""
    before = peak()
    try:
        with limited():
            llm = HuggingFaceChat(model=str(folder), device="cpu")
            llm.get_num_tokens_from_messages("Hi there, what is this?")
    except LlmkitError as error:
        check_message(str(error))
        raise
    finally:
        assert peak() - before < MAX_MEGABYTES
    return llm


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_folder_is_refused_before_it_takes_memory_or_time(name: str, good: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=REFUSED[name]):
        load(damaged(good, tmp_path / "model", ATTEMPTS[name]))


ADAPTERS_REFUSED = {
    "adapter_config.json: r=1000000000": "r=1000000000, but its weights have no side of more than 32",
    "adapter_config.json: rank_pattern={'q_proj': 1000000000}": "rank_pattern=1000000000, but its weights have no side",
    "adapter_config.json: megatron_config={'x': 1}": "megatron_config, for which code would be imported",
    "adapter_config.json: task_type=[1]": "generates no text",
    "adapter_config.json: trainable_token_indices=[1000000000]": "cannot be loaded",
    "adapter: deep": "adapter_config.json is damaged: it is nested too deeply",
    "adapter weights: pipe": "adapter_model.safetensors is a pipe, a socket or a device",
    "adapter weights: 10 GB of zeros": "is damaged: it is not as long as its header says",
}


@pytest.mark.parametrize("name", ADAPTERS_REFUSED)
def test_a_hostile_adapter_is_refused_before_it_takes_memory_or_time(name: str, good: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    folder = damaged(save_adapter(tmp_path / "adapter", good), tmp_path / "model", ADAPTERS[name])
    with pytest.raises(ModelUnusable, match=ADAPTERS_REFUSED[name]):
        load(folder)


def test_code_of_the_hub_is_not_fetched(good: Path, tmp_path: Path) -> None:
    damage = change("config.json", "attn_implementation", value="org/kernel")
    with pytest.raises(ModelUnusable, match="attn_implementation='org/kernel', code that is not run"):
        load(damaged(good, tmp_path / "model", damage))


@pytest.mark.parametrize("value", ["flex_attention", "flash_attention_2", "nope"])
def test_attention_that_needs_packages_or_a_compiler_is_replaced(value: str, good: Path, tmp_path: Path) -> None:
    usual, other = (
        load(damaged(good, tmp_path / str(number), change("config.json", "_attn_implementation", value=name)))
        for number, name in enumerate((None, value))
    )
    assert {llm.engine.loaded.model.config._attn_implementation for llm in (usual, other)} == {"sdpa"}
    with limited():
        answers = [llm.invoke("Hi there, what is this?", max_new_tokens=1).content for llm in (usual, other)]
    assert answers[0] == answers[1]


def test_long_entries_are_cut_in_errors(good: Path, tmp_path: Path) -> None:
    entries = [[token] for token in range(10**4)]
    folder = damaged(good, tmp_path / "model", change("generation_config.json", "bad_words_ids", value=entries))
    with pytest.raises(LlmkitError, match="bad_words_ids") as raised:
        load(folder).invoke("Hi", max_new_tokens=1)
    check_message(str(raised.value))


def test_a_configuration_that_fails_when_it_computes_is_named(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "gemma2", "gemma2")
    change("config.json", "sliding_window", value=-1)(folder)
    llm = load(folder)
    with pytest.raises(GenerationError, match=r"cannot compute this .*: its configuration may be damaged"):
        llm.invoke("Hi there, what is this?", max_new_tokens=1)
    with pytest.raises(GenerationError, match="cannot compute this"):
        list(llm.stream("Hi there, what is this?", max_new_tokens=1))
    with pytest.raises(GenerationError, match="cannot compute this"):
        llm.score(["Hi there, what is this?"], ["a", "b"])


@pytest.mark.parametrize(
    ("name", "value"), [("tokenizer_class", "BertTokenizer"), ("added_tokens_decoder", {"0": {"content": "a"}})]
)
def test_a_tokenizer_of_another_class_than_its_files_is_named(
    name: str, value: object, good: Path, tmp_path: Path
) -> None:
    folder = damaged(good, tmp_path / "model", change("tokenizer_config.json", name, value=value))
    with pytest.raises(ModelUnusable, match="tokenizer is damaged, or of another class than its files"):
        HuggingFaceChat(model=str(folder), device="cpu").invoke("Hi <|im_end|> ☃", max_new_tokens=1)


@pytest.mark.parametrize("name", ["top_k", "penalty_alpha", "temperature", "num_beams", "repetition_penalty"])
def test_a_text_in_place_of_a_number_names_the_entry(name: str, good: Path, tmp_path: Path) -> None:
    folder = damaged(good, tmp_path / "model", change("generation_config.json", name, value="x"))
    with pytest.raises(LlmkitError, match=name):
        load(folder).invoke("Hi", max_new_tokens=1)


def test_files_that_are_not_read_may_be_large(good: Path, tmp_path: Path) -> None:
    def add(folder: Path) -> None:
        (folder / "trainer_state.json").write_bytes(b"[" * (10 << 20))
        (folder / "tekken.json").write_bytes(b" " * (20 << 20))
        (folder / "notes.txt").write_bytes(b" " * (10 << 20))

    assert load(damaged(good, tmp_path / "model", add)).num_parameters


def test_layers_of_many_experts_are_refused(good: Path, tmp_path: Path) -> None:
    config = json.loads((good / "config.json").read_text()) | {"num_hidden_layers": 900, "num_local_experts": 9000}
    with pytest.raises(ModelUnusable, match="900 layers of 9000 experts"):
        load(damaged(good, tmp_path / "model", write("config.json", json.dumps(config))))


@pytest.mark.parametrize("name", tiny.ARCHITECTURES)
def test_every_architecture_is_loaded(name: str, tmp_path: Path) -> None:
    folder = save_folder(tmp_path / name, name)
    window = None if name not in {"bloom", "t5", "mamba"} else 512
    llm = HuggingFaceChat(
        model=str(folder), device="cpu", dtype="float32", **({"context_window": window} if window else {})
    )
    assert llm.num_parameters == tiny.make(name).model.num_parameters()


SCALARS: Any = (
    st.none()
    | st.booleans()
    | st.sampled_from([-1, 0, 1, 2, 3, 10**5, 10**9, 10**12, 10**30, 1e300, float("nan"), float("inf"), -0.5])
    | st.integers(-100, 100)
    | st.text(max_size=8)
    | st.sampled_from(["x" * 5000, "a\0b", "../x", "\x1b[2J\n", "\ud800"])
)
VALUES: Any = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=4), SCALARS, max_size=3)


@st.composite
def changes(draw: Any, good: Path) -> Damage:
    """Return a damage: a few entries of one of the JSON files have other values, or are missing."""
    file = draw(st.sampled_from(JSON_FILES))
    whole = json.loads((good / file).read_text())
    for _ in range(draw(st.integers(1, 3))):
        place, key = whole, draw(st.sampled_from(sorted(whole) or ["x"]))
        while isinstance(place.get(key), dict) and place[key] and draw(st.booleans()):
            place = place[key]
            key = draw(st.sampled_from(sorted(place)[:20]))
        if draw(st.integers(0, 5)):
            place[key] = draw(VALUES)
        else:
            place.pop(key, None)
    return write(file, json.dumps(whole))


def check_any_change(good: Path, target: Path, data: Any) -> None:
    folder = damaged(good, target, data.draw(changes(good)))
    outcome: object = None
    try:
        outcome = load(folder)
    except LlmkitError as error:
        outcome = error
    assert isinstance(outcome, HuggingFaceChat | LlmkitError)


NO_HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=25, deadline=None, suppress_health_check=NO_HEALTH)
@given(data=st.data())
def test_any_change_of_settings_loads_or_is_an_error_of_llmkit(good: Path, tmp_path: Path, data: Any) -> None:
    check_any_change(good, tmp_path / "model", data)
    assert (tmp_path / "model").is_dir()


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=NO_HEALTH)
@given(data=st.data())
def test_many_changes_of_settings_load_or_are_errors_of_llmkit(good: Path, tmp_path: Path, data: Any) -> None:
    check_any_change(good, tmp_path / "model", data)
    assert (tmp_path / "model").is_dir()

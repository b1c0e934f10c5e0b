"""Models are loaded from folders or objects; anything else raises a clear error."""

import copy
import gc
import json
import pickle
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import PreTrainedModel

from llmkit import HuggingFaceChat, HuggingFaceLLM
from llmkit.errors import InputError, ModelNotFound, ModelUnusable
from llmkit.models.cpu.int4_linear import has_int4_kernel
from llmkit.models.weights.loading import choose_device, choose_dtype, from_objects, load
from tests.support import tiny
from tests.support.tokenizers import chatml_tokenizer


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Save tiny models to folders, as a hub stores them."""
    paths = {}
    for name in ("llama", "t5", "mistral"):
        paths[name] = tmp_path_factory.mktemp(name)
        tiny.make(name).model.save_pretrained(paths[name])
        tiny.make(name).tokenizer.save_pretrained(paths[name])
    return paths


@pytest.mark.parametrize("name", ["llama", "t5", "mistral"])
def test_a_loaded_folder_equals_the_saved_model(folders: dict[str, Path], name: str) -> None:
    options: dict[str, Any] = {"temperature": 0, "max_new_tokens": 10, "context_window": tiny.WINDOW}
    saved = HuggingFaceChat(model=str(folders[name]), dtype="float32", device="cpu", **options)
    original = HuggingFaceChat(model=tiny.make(name).model, tokenizer=tiny.make(name).tokenizer, **options)
    assert saved.invoke("What is the capital?").content == original.invoke("What is the capital?").content
    assert saved.layout == original.layout
    assert saved.invoke("Hi").response_metadata["model_name"] == str(folders[name])


def test_models_of_the_same_name_and_dtype_share_an_engine(folders: dict[str, Path]) -> None:
    name = str(folders["llama"])
    one, other = HuggingFaceChat(model=name, dtype="float32"), HuggingFaceLLM(model=name, dtype="float32")
    assert one.engine is other.engine
    assert HuggingFaceChat(model=name, dtype="bfloat16").engine is not one.engine


def test_a_path_is_a_name(folders: dict[str, Path]) -> None:
    folder = folders["llama"]
    named = HuggingFaceLLM(str(folder), dtype="float32", max_new_tokens=2)
    for llm in (
        HuggingFaceLLM(folder, dtype="float32"),
        HuggingFaceChat(model=folder, dtype="float32"),
        named.model_copy(update={"model": folder}),
    ):
        assert llm.model == str(folder)
        assert llm.engine is named.engine
        assert pickle.loads(pickle.dumps(llm)).engine is named.engine
    assert named.invoke("Hi", model=folder) == named.invoke("Hi", model=str(folder))


@pytest.mark.slow
def test_the_last_model_of_a_call_stays_loaded(folders: dict[str, Path]) -> None:
    model = tiny.make("llama")
    llm = HuggingFaceChat(
        model=model.model, tokenizer=model.tokenizer, dtype="float32", device="cpu", temperature=0, max_new_tokens=4
    )
    names = [str(folders[name]) for name in ("mistral", "llama")]
    first = llm.invoke("Hi", model=names[0])
    original = weakref.ref(llm.engine_for(names[0]).loaded.model)
    gc.collect()
    assert llm.invoke("Hi", model=names[0]).content == first.content
    assert llm.engine_for(names[0]).loaded.model is original()
    llm.invoke("Hi")
    llm.batch(["Hi"], model=names[0])
    assert llm.engine_for(names[0]).loaded.model is original()
    assert llm.invoke("Hi", model=names[1]).response_metadata["model_name"] == names[1]
    gc.collect()
    assert original() is None, "only the last model stays loaded"
    last = weakref.ref(llm.engine_for(names[1]).loaded.model)
    del llm
    gc.collect()
    assert last() is None


def test_model_and_tokenizer_objects_are_not_changed() -> None:
    model, tokenizer = tiny.make("llama")
    before = (model.generation_config.to_dict(), model.config.to_dict(), tokenizer.backend_tokenizer.to_str())
    attributes = (tokenizer.padding_side, tokenizer.pad_token, tokenizer.chat_template, model.training, model.dtype)
    llm = HuggingFaceChat(model=model, tokenizer=tokenizer, temperature=0.5, seed=1, max_new_tokens=4)
    llm.batch(["Hi", "What is it?"])
    llm.invoke("Hi", num_beams=2, temperature=0)
    llm.invoke("a <|im_end|> b", response_format={"type": "choice", "options": ["yes"]})
    list(llm.stream("Hi"))
    llm.score(["Hi"], ["a", "b"])
    assert before == (model.generation_config.to_dict(), model.config.to_dict(), tokenizer.backend_tokenizer.to_str())
    assert attributes == (
        tokenizer.padding_side,
        tokenizer.pad_token,
        tokenizer.chat_template,
        model.training,
        model.dtype,
    )
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_a_model_object_without_a_tokenizer_raises_input_error() -> None:
    with pytest.raises(InputError, match="pass tokenizer= with model="):
        HuggingFaceChat(model=tiny.make("llama").model)


def encoder_only() -> PreTrainedModel:
    config = transformers.BertConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model: PreTrainedModel = transformers.BertModel(config).eval()
    return model


def test_a_model_that_cannot_generate_raises_model_unusable(tmp_path: Path) -> None:
    model = encoder_only()
    with pytest.raises(ModelUnusable, match=r"BertModel cannot generate text: use .*ForCausalLM.*ForConditional"):
        from_objects(model, chatml_tokenizer())
    model.save_pretrained(tmp_path)
    chatml_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelUnusable):
        load(str(tmp_path), context_window=64)


def test_a_slow_tokenizer_raises_model_unusable() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ModelUnusable, match="Slow is not a fast tokenizer"):
        from_objects(tiny.make("llama").model, Slow())  # type: ignore[arg-type]


def test_a_model_in_training_is_refused() -> None:
    model = tiny.make("llama").ending_at().model
    model.training = True
    with pytest.raises(ModelUnusable, match=r"training.*eval\(\)"):
        from_objects(model, chatml_tokenizer())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"dtype": "float99"}, "dtype is 'float99'"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"dtype": "int3"}, "dtype is 'int3'"),
        ({"dtype": torch.float16}, r"dtype is torch\.float16"),
        ({"device": "abacus"}, "device is 'abacus'"),
        ({"device": "cuda:99"}, "device is 'cuda:99'"),
        ({"device": 0}, "device is 0"),
        ({"context_window": -5}, "context_window is -5"),
        ({"settings": 3}, "settings is 3"),
        ({"quantization": "int1"}, "quantization is 'int1'"),
    ],
)
def test_unsupported_options_raise_input_error(folders: dict[str, Path], options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        HuggingFaceChat(model=str(folders["llama"]), **options)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_dtype_can_be_chosen(folders: dict[str, Path], dtype: str) -> None:
    llm = HuggingFaceChat(model=str(folders["llama"]), dtype=dtype, device="cpu", temperature=0, max_new_tokens=6)
    assert llm.engine.loaded.model.dtype == getattr(torch, dtype)
    full = HuggingFaceChat(model=str(folders["llama"]), dtype="float32", device="cpu")
    assert llm.memory_footprint() < full.memory_footprint() * 0.6
    assert llm.invoke("Hi").usage_metadata is not None
    assert llm.engine.scorer.supports_token_trees
    difference = llm.score(["The dog"], [" sleeps", " on"]) - full.score(["The dog"], [" sleeps", " on"])
    assert abs(difference).max() < 1.0


@pytest.mark.parametrize("device", ["cpu", "auto", "balanced", "sequential"])
def test_the_device_can_be_chosen(folders: dict[str, Path], device: str) -> None:
    llm = HuggingFaceChat(model=str(folders["llama"]), device=device, temperature=0, max_new_tokens=6)
    assert llm.engine.loaded.model.dtype == choose_dtype(choose_device() if device != "cpu" else "cpu")
    assert llm.engine.loaded.device.type == (choose_device() if device != "cpu" else "cpu")
    default = HuggingFaceChat(model=str(folders["llama"]), temperature=0, max_new_tokens=6)
    assert llm.invoke("Hi").usage_metadata == default.invoke("Hi").usage_metadata
    assert [one.content for one in llm.batch(["Hi", "Hi"])] == [llm.invoke("Hi").content] * 2


@pytest.mark.slow
def test_a_cpu_without_bfloat16_uses_float32(default_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    loaded = load("smollm2-135m", device="cpu")
    assert loaded.model.dtype == torch.float32
    assert loaded.fast_forward is not None
    assert bool(loaded.fast_forward.nbytes) == has_int4_kernel(), "decoding still uses 4-bit weights"
    assert load("smollm2-135m", device="cpu", dtype="float32").fast_forward is None, "an explicit float32 is exact"


def test_a_missing_folder_raises_model_not_found(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nothing")
    with pytest.raises(ModelNotFound):
        HuggingFaceChat(model=nowhere)
    llm = HuggingFaceChat(model=tiny.make("llama").model, tokenizer=tiny.make("llama").tokenizer)
    with pytest.raises(ModelNotFound):
        llm.invoke("Hi", model=nowhere)
    results = llm.batch(["Hi", "Hello"], model=nowhere, return_exceptions=True)
    assert [type(one) for one in results] == [ModelNotFound] * 2


def test_default_device_and_dtype() -> None:
    assert choose_device() in ("cpu", "cuda", "mps")
    assert choose_dtype("cpu") in (torch.float32, torch.bfloat16)
    assert choose_dtype("mps") == torch.float16


def test_weights_of_another_shape_than_the_config_are_named(tmp_path: Path) -> None:
    made = tiny.make("llama")
    made.model.save_pretrained(tmp_path)
    made.tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"vocab_size": config["vocab_size"] + 8}))
    with pytest.raises(
        ModelUnusable, match=r"of the weights have another shape than config\.json says, such as lm_head\.weight: "
    ):
        HuggingFaceChat(model=str(tmp_path))


@pytest.mark.parametrize("entries", ['{"cache_implementation": "x"}', '{"watermarking_config": {"ngram_len": 5}}'])
def test_a_generation_config_that_transformers_refuses_is_named(tmp_path: Path, entries: str) -> None:
    for part in tiny.make("llama"):
        part.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text(entries)
    with pytest.raises(ModelUnusable, match=r"generation_config\.json has an entry that cannot be used \("):
        HuggingFaceChat(str(tmp_path))


@pytest.mark.slow
def test_messages_about_kernels_are_not_shown(tmp_path: Path) -> None:
    made = tiny.make("mamba")
    copy.deepcopy(made.model).float().save_pretrained(tmp_path / "mamba")
    made.tokenizer.save_pretrained(tmp_path / "mamba")
    program = """if True:
        import sys
        from llmkit import HuggingFaceLLM
        from llmkit.models.weights.adapters import _require_peft, AdapterInfo
        HuggingFaceLLM(sys.argv[1], max_new_tokens=2, context_window=64).invoke("The dog")
        _require_peft(AdapterInfo(None, "LORA", 1, None, "", True))
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "mamba")], capture_output=True, text=True, check=True
    )
    shown = [line for line in done.stderr.splitlines() if "OMP" not in line]
    assert shown == []

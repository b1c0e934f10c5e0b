"""From a folder, or from objects, to a model; and what cannot be one is told."""

import gc
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
from tests.support.tokenizers import chatml_tokenizer, gpt2_tokenizer


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved models, as they come from a hub."""
    made = {}
    for name in ("llama", "t5", "mistral"):
        made[name] = tmp_path_factory.mktemp(name)
        tiny.make(name).model.save_pretrained(made[name])
        tiny.make(name).tokenizer.save_pretrained(made[name])
    return made


@pytest.mark.parametrize("name", ["llama", "t5", "mistral"])
def test_a_folder_is_the_model_that_was_saved(folders: dict[str, Path], name: str) -> None:
    options: dict[str, Any] = {"temperature": 0, "max_new_tokens": 10, "context_window": tiny.WINDOW}
    saved = HuggingFaceChat(model=str(folders[name]), dtype="float32", device="cpu", **options)
    kept = HuggingFaceChat(model=tiny.make(name).model, tokenizer=tiny.make(name).tokenizer, **options)
    assert saved.invoke("What is the capital?").content == kept.invoke("What is the capital?").content
    assert saved.layout == kept.layout
    assert saved.invoke("Hi").response_metadata["model_name"] == str(folders[name])


def test_those_who_ask_for_the_same_weights_share_them(folders: dict[str, Path]) -> None:
    name = str(folders["llama"])
    one, other = HuggingFaceChat(model=name, dtype="float32"), HuggingFaceLLM(model=name, dtype="float32")
    assert one.engine is other.engine
    assert HuggingFaceChat(model=name, dtype="bfloat16").engine is not one.engine


def test_another_model_of_a_call_stays_loaded(folders: dict[str, Path]) -> None:
    made = tiny.make("llama")
    llm = HuggingFaceChat(
        model=made.model, tokenizer=made.tokenizer, dtype="float32", device="cpu", temperature=0, max_new_tokens=4
    )
    names = [str(folders[name]) for name in ("mistral", "llama")]
    first = llm.invoke("Hi", model=names[0])
    kept = weakref.ref(llm.engine_for(names[0]).loaded.model)
    gc.collect()
    assert llm.invoke("Hi", model=names[0]).content == first.content
    assert llm.engine_for(names[0]).loaded.model is kept()
    llm.invoke("Hi")
    llm.batch(["Hi"], model=names[0])
    assert llm.engine_for(names[0]).loaded.model is kept()
    assert llm.invoke("Hi", model=names[1]).response_metadata["model_name"] == names[1]
    gc.collect()
    assert kept() is None, "only the last one stays"
    last = weakref.ref(llm.engine_for(names[1]).loaded.model)
    del llm
    gc.collect()
    assert last() is None


def test_objects_that_are_handed_over_are_not_changed() -> None:
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


def test_a_model_without_its_tokenizer() -> None:
    with pytest.raises(InputError, match="pass tokenizer= with model="):
        HuggingFaceChat(model=tiny.make("llama").model)


def encoder_only() -> PreTrainedModel:
    config = transformers.BertConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model: PreTrainedModel = transformers.BertModel(config).eval()
    return model


def test_a_model_that_cannot_generate(tmp_path: Path) -> None:
    model = encoder_only()
    with pytest.raises(ModelUnusable, match=r"BertModel cannot generate text: use .*ForCausalLM.*ForConditional"):
        from_objects(model, chatml_tokenizer())
    model.save_pretrained(tmp_path)
    chatml_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelUnusable):
        load(str(tmp_path), context_window=64)


def test_a_tokenizer_that_is_not_fast() -> None:
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
    ("name", "window"), [("llama", tiny.WINDOW), ("gpt2", tiny.WINDOW), ("mistral", tiny.WINDOW), ("bart", tiny.WINDOW)]
)
def test_the_window_comes_from_the_configuration(name: str, window: int) -> None:
    model, tokenizer = tiny.make(name)
    assert from_objects(model, tokenizer).window == window
    assert from_objects(model, tokenizer, context_window=99).window == 99
    assert HuggingFaceChat(model=model, tokenizer=tokenizer).context_window == window
    assert HuggingFaceChat(model=model, tokenizer=tokenizer, context_window=99).context_window == 99


def test_a_window_that_only_the_tokenizer_knows() -> None:
    model, tokenizer = tiny.make("mamba")
    with pytest.raises(ModelUnusable, match="pass context_window="):
        from_objects(model, tokenizer)
    told = gpt2_tokenizer.__wrapped__()
    told.model_max_length = 77
    assert from_objects(model, told).window == 77


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
def test_precisions_and_devices_that_are_not_to_be_had(
    folders: dict[str, Path], options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        HuggingFaceChat(model=str(folders["llama"]), **options)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_precision_that_is_asked_for(folders: dict[str, Path], dtype: str) -> None:
    llm = HuggingFaceChat(model=str(folders["llama"]), dtype=dtype, device="cpu", temperature=0, max_new_tokens=6)
    assert llm.engine.loaded.model.dtype == getattr(torch, dtype)
    whole = HuggingFaceChat(model=str(folders["llama"]), dtype="float32", device="cpu")
    assert llm.memory_footprint() < whole.memory_footprint() * 0.6
    assert llm.invoke("Hi").usage_metadata is not None
    assert llm.engine.scorer.supports_token_trees
    both = llm.score(["The dog"], [" sleeps", " on"]) - whole.score(["The dog"], [" sleeps", " on"])
    assert abs(both).max() < 1.0


@pytest.mark.parametrize("device", ["cpu", "auto", "balanced", "sequential"])
def test_a_device_that_is_asked_for(folders: dict[str, Path], device: str) -> None:
    llm = HuggingFaceChat(model=str(folders["llama"]), device=device, temperature=0, max_new_tokens=6)
    assert llm.engine.loaded.model.dtype == choose_dtype(choose_device() if device != "cpu" else "cpu")
    assert llm.engine.loaded.device.type == (choose_device() if device != "cpu" else "cpu")
    same = HuggingFaceChat(model=str(folders["llama"]), temperature=0, max_new_tokens=6)
    assert llm.invoke("Hi").usage_metadata == same.invoke("Hi").usage_metadata
    assert [one.content for one in llm.batch(["Hi", "Hi"])] == [llm.invoke("Hi").content] * 2


@pytest.mark.slow
def test_a_cpu_that_does_not_multiply_in_bfloat16(default_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    loaded = load("smollm2-135m", device="cpu")
    assert loaded.model.dtype == torch.float32
    assert loaded.fast_forward is not None
    assert bool(loaded.fast_forward.nbytes) == has_int4_kernel(), "one token at a time is still read in 4 bits"
    assert load("smollm2-135m", device="cpu", dtype="float32").fast_forward is None, (
        "who asks for it gets it to the last bit"
    )


def test_no_such_model(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nothing")
    with pytest.raises(ModelNotFound):
        HuggingFaceChat(model=nowhere)
    llm = HuggingFaceChat(model=tiny.make("llama").model, tokenizer=tiny.make("llama").tokenizer)
    with pytest.raises(ModelNotFound):
        llm.invoke("Hi", model=nowhere)
    refused = llm.batch(["Hi", "Hello"], model=nowhere, return_exceptions=True)
    assert [type(one) for one in refused] == [ModelNotFound] * 2


def test_the_choice_of_device_and_precision() -> None:
    assert choose_device() in ("cpu", "cuda", "mps")
    assert choose_dtype("cpu") in (torch.float32, torch.bfloat16)
    assert choose_dtype("mps") == torch.float16

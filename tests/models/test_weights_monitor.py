"""Changes of the weights behind a model object are noticed, and nothing that was computed with others is used."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from llmkit import HuggingFaceChat
from llmkit.errors import ModelUnusable
from llmkit.models.weights_monitor import WeightsMonitor
from tests.support import tiny
from tests.support.models import PROMPT, each_pass
from tests.support.weight_changes import CHANGES, Change, write_in_place

peft = pytest.importorskip("peft")

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # in peft


def llama() -> Any:
    return copy.deepcopy(tiny.make("llama").model).float()


def chat_of(model: Any) -> HuggingFaceChat:
    tokenizer = tiny.make("llama").tokenizer
    options: dict[str, Any] = {"temperature": 0, "max_new_tokens": 8, "context_window": tiny.WINDOW}
    return HuggingFaceChat(model=model, tokenizer=tokenizer, **options)


def results(llm: HuggingFaceChat) -> Any:
    """Return texts and log-likelihoods, without their last digits."""
    texts = [llm.invoke(PROMPT).text, *(answer.text for answer in llm.batch([PROMPT, PROMPT]))]
    streamed = "".join(chunk.text for chunk in llm.stream(PROMPT))
    scores = llm.score([PROMPT, "The dog"], ["Paris", "a cat"])
    return [*texts, streamed, np.round(scores, 2).tolist()]


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_computed_with_earlier_weights_is_used(name: str) -> None:
    llm = chat_of(llama())
    results(llm)
    CHANGES[name](llm.model)
    version = llm.weights_version
    assert version > 0
    assert results(llm) == results(chat_of(llm.model)), "a new model object, without caches"
    assert llm.weights_version == version, "nothing changed since"


def test_weights_that_did_not_change_keep_their_cache() -> None:
    llm = chat_of(llama())
    results(llm)
    kept = llm.engine.prefix_cache.nbytes
    results(llm)
    assert kept > 0
    assert (llm.weights_version, llm.engine.prefix_cache.nbytes) == (0, kept)


@pytest.mark.parametrize("name", tiny.fast_and_slow(tiny.ARCHITECTURES, {"bart", "mamba"}))
def test_use_changes_no_model(name: str) -> None:
    model = tiny.make(name)
    monitor = WeightsMonitor(model.model)
    model.reference(model.tokenizer.encode("The dog"), max_new_tokens=4)
    assert monitor.check() == 0


def lora(model: Any) -> Any:
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(model, config, adapter_name="french")
    adapted.add_adapter("german", config)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=rng) * 0.5)
    return adapted.eval()


ADAPTER_CHANGES: dict[str, Change] = {
    "switch": lambda model: model.set_adapter("german"),
    "disable": lambda model: model.base_model.disable_adapter_layers(),
    "merge": lambda model: model.merge_adapter(["german"]),
    "merge-and-unload": lambda model: model.merge_and_unload(),
    "delete": lambda model: (model.set_adapter("german"), model.delete_adapter("french")),
    "scale": lambda model: [layer.scale_layer(3.0) for layer in model.modules() if hasattr(layer, "scale_layer")],
    "combine": lambda model: (
        model.add_weighted_adapter(["french", "german"], [0.5, 0.5], "both", combination_type="linear"),
        model.set_adapter("both"),
    ),
}


@pytest.mark.parametrize("name", ADAPTER_CHANGES)
def test_adapters_that_change_are_noticed(name: str) -> None:
    llm = chat_of(lora(llama()))
    before = results(llm)
    ADAPTER_CHANGES[name](llm.model)
    llm.model.eval()
    assert results(llm) == results(chat_of(llm.model))
    assert (results(llm) == before) == (name == "merge-and-unload"), "the same adapter, now in the weights"
    assert llm.weights_version > 0


def test_a_disabled_adapter_is_noticed_and_so_is_its_return() -> None:
    model = lora(llama())
    llm = chat_of(model)
    adapted = results(llm)
    with model.disable_adapter():
        disabled = results(llm)
        assert disabled == results(chat_of(llama()))
    assert adapted == results(llm) != disabled


def test_an_adapter_loaded_into_the_model_itself_is_noticed() -> None:
    llm = chat_of(llama())
    before = results(llm)
    peft.inject_adapter_in_model(
        peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False), llm.model
    )
    llm.model.eval()
    assert results(llm) == results(chat_of(llm.model)) != before


def test_weights_that_change_within_a_stream_leave_nothing_behind() -> None:
    llm = chat_of(llama())
    steps = llm.stream(PROMPT)
    next(steps)
    write_in_place(llm.model)
    list(steps)
    assert llm.invoke(PROMPT).text == chat_of(llm.model).invoke(PROMPT).text


def test_a_change_that_cannot_be_seen_has_a_switch() -> None:
    llm = chat_of(llama())
    llm.invoke(PROMPT)
    layer, factor = llm.model.model.layers[0], [1.0]
    hook = layer.register_forward_hook(lambda module, args, output: output * factor[0])
    results(llm)
    version, digest = llm.weights_version, llm.engine.digest()
    factor[0] = 1.5
    llm.reset_caches()
    assert llm.engine.digest() != digest, "LangChain's cache would give the earlier answer"
    assert llm.weights_version == version + 1
    assert llm.engine.prefix_cache.nbytes == 0
    assert results(llm) == results(chat_of(llm.model))
    hook.remove()


def test_training_mode_is_refused_before_any_computation() -> None:
    llm = chat_of(llama())
    llm.invoke(PROMPT)
    llm.model.train()
    with each_pass(llm) as passes:
        for call in (lambda: llm.invoke(PROMPT), lambda: list(llm.stream(PROMPT)), lambda: llm.score(["a"], ["b"])):
            with pytest.raises(ModelUnusable, match=r"training mode.*eval\(\)"):
                call()
    assert not passes


def test_an_adapter_whose_dropout_is_in_training_mode_is_refused() -> None:
    llm = chat_of(lora(llama()))
    config = peft.LoraConfig(r=4, lora_dropout=0.5, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    llm.model.add_adapter("noisy", config)
    llm.model.set_adapter("noisy")
    with pytest.raises(ModelUnusable, match=r"training mode.*eval\(\)"):
        llm.invoke(PROMPT)
    llm.model.eval()
    assert results(llm) == results(chat_of(llm.model))


def test_large_tensors_are_sampled_in_all_columns() -> None:
    model = torch.nn.Linear(512, 512, bias=False).eval()
    monitor = WeightsMonitor(model)
    model.weight.data[:, 256:] += 1
    assert monitor.check() == 1
    model.weight.data[256:] += 1
    assert monitor.check() == 2


def test_a_hook_on_the_model_itself_drops_nothing() -> None:
    llm = chat_of(llama())
    llm.invoke(PROMPT)
    with each_pass(llm):
        assert llm.weights_version == 0


@pytest.mark.slow
def test_packed_weights_are_not_used_after_a_change() -> None:
    llm = HuggingFaceChat(temperature=0, max_new_tokens=8, device="cpu", dtype="bfloat16", context_window=2048)
    if llm.engine.loaded.fast_forward is None:
        pytest.skip("no fast forward pass on this processor")
    llm.invoke(PROMPT)
    with torch.no_grad():
        llm.engine.loaded.model.model.layers[3].mlp.down_proj.weight.mul_(-1)
    llm.score([PROMPT], ["Paris"])
    assert llm.engine.loaded.fast_forward is None
    assert HuggingFaceChat(device="cpu", dtype="bfloat16", context_window=2048).engine is not llm.engine, "loaded anew"

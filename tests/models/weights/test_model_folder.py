"""Folders that are not complete models are refused, with the reason."""

import json

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from llmkit.errors import ModelUnusable
from llmkit.models.weights.model_folder import validate_model_folder

WEIGHTS = {"weight": numpy.ones((4, 4), numpy.float32)}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    return tmp_path


def refusal(folder):
    with pytest.raises(ModelUnusable) as caught:
        validate_model_folder(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def test_a_complete_folder_is_valid(folder):
    assert validate_model_folder(folder) == folder


def test_an_empty_folder_names_everything_that_is_missing(folder):
    for path in folder.iterdir():
        path.unlink()
    assert refusal(folder).endswith(
        "it has no config.json and no weights (*.safetensors) and no tokenizer (tokenizer.json)"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_each_file_is_required(folder, name, message):
    (folder / name).unlink()
    assert message in refusal(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth", "model.ckpt"])
def test_pickled_weights_are_refused_with_a_hint(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    message = refusal(folder)
    assert name in message
    assert "save_pretrained" in message


def test_pickled_weights_beside_safetensors_are_ignored(folder):
    (folder / "pytorch_model.bin").touch()
    assert validate_model_folder(folder) == folder


def test_a_folder_with_a_gguf_file_names_it(folder):
    (folder / "model.safetensors").rename(folder / "tiny.Q4_0.gguf")
    assert str(folder / "tiny.Q4_0.gguf") in refusal(folder)


def test_every_shard_is_required(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002-of-00002.safetensors, which is not there" in refusal(folder)
    save_file(WEIGHTS, folder / "model-00002-of-00002.safetensors")
    assert validate_model_folder(folder) == folder


@pytest.mark.parametrize("index", ["{}", '{"weight_map": []}', "[]", "{"])
def test_a_damaged_index_is_refused(folder, index):
    (folder / "model.safetensors.index.json").write_text(index)
    assert "is damaged" in refusal(folder)


@pytest.mark.parametrize("config", ["", "{", "[]", "\xff\xfe"])
def test_a_damaged_configuration_is_refused(folder, config):
    (folder / "config.json").write_bytes(config.encode("latin-1"))
    assert "config.json is damaged" in refusal(folder)


@pytest.mark.parametrize("config", ["", "{", "[]", "null"])
def test_a_damaged_generation_config_is_refused(folder, config):
    (folder / "generation_config.json").write_text(config)
    with pytest.raises(ModelUnusable, match=r"generation_config\.json is damaged"):
        validate_model_folder(folder)


@given(size=st.integers(0, 150))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_truncated_weights_are_refused(folder, size):
    save_file(WEIGHTS, folder / "model.safetensors")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: min(size, len(content) - 1)])
    assert "model.safetensors is damaged" in refusal(folder)


def test_a_git_lfs_pointer_is_refused_with_a_hint(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    (folder / "model.safetensors").write_text(pointer)
    assert "git lfs pull" in refusal(folder)

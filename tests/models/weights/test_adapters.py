"""Folders with an adapter load as the adapted model, or say what is missing; an adapter is never ignored."""

import copy
import json
import re
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from llmkit import HuggingFaceChat
from llmkit.errors import InputError, ModelNotFound, ModelUnusable
from llmkit.models.weights.catalog import is_cached, resolve
from tests.support import tiny
from tests.support.models import PROMPT

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # in peft

TARGETS = ["q_proj", "v_proj", "down_proj"]
KINDS = {
    "lora": peft.LoraConfig(r=4, target_modules=TARGETS, init_lora_weights=False, task_type="CAUSAL_LM"),
    "dora": peft.LoraConfig(r=4, target_modules=TARGETS, init_lora_weights=False, use_dora=True),
    "rslora": peft.LoraConfig(r=4, lora_alpha=3, target_modules=TARGETS, init_lora_weights=False, use_rslora=True),
    "loha": peft.LoHaConfig(r=4, target_modules=TARGETS, init_weights=False, task_type="CAUSAL_LM"),
    "shared-bank": peft.VBLoRAConfig(
        r=2, num_vectors=8, vector_length=4, topk=2, target_modules=["q_proj", "v_proj"], init_vector_bank_bound=5.0
    ),
    "saved-head": peft.LoraConfig(
        r=4, target_modules=TARGETS, init_lora_weights=False, modules_to_save=["lm_head"], task_type="CAUSAL_LM"
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    one = tiny.make("llama")
    copy.deepcopy(one.model).float().save_pretrained(folder)
    one.tokenizer.save_pretrained(folder)
    return folder


def adapt(base, config):
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = copy.deepcopy(config)
    config.base_model_name_or_path = str(base)
    return peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).eval()


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    adapt(base, KINDS["lora"]).save_pretrained(folder)
    return folder


@pytest.fixture
def copied(adapter, tmp_path):
    return shutil.copytree(adapter, tmp_path / "adapter")


def edit(folder, **values):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def load(folder):
    return HuggingFaceChat(str(folder), temperature=0, max_new_tokens=8, dtype="float32")


def scores(llm):
    return llm.score([PROMPT, "The dog"], ["Paris", "a cat"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_folder_is_the_adapted_model(base, tmp_path, kind):
    model = adapt(base, KINDS[kind])
    model.save_pretrained(tmp_path / "adapter")
    assert is_cached(str(tmp_path / "adapter"))
    llm = load(tmp_path / "adapter")
    expected = HuggingFaceChat(model=model, tokenizer=tiny.make("llama").tokenizer, temperature=0, max_new_tokens=8)
    assert scores(llm) == pytest.approx(scores(expected), abs=1e-3)
    assert scores(llm) != pytest.approx(scores(load(base)), abs=1e-2)
    assert llm.invoke(PROMPT).text == expected.invoke(PROMPT).text
    assert llm.model_name == str(tmp_path / "adapter")


def test_an_adapter_beside_its_base_is_not_ignored(base, adapter, tmp_path):
    both = shutil.copytree(base, tmp_path / "both")
    for file in adapter.iterdir():
        shutil.copy(file, both)
    edit(both, base_model_name_or_path="org/not-here")
    assert scores(load(both)) == pytest.approx(scores(load(adapter)), abs=1e-4)


@pytest.mark.parametrize("both", [False, True])
def test_without_peft_the_library_is_named(base, copied, monkeypatch, both):
    if both:
        shutil.copytree(base, copied, dirs_exist_ok=True)
    monkeypatch.setitem(sys.modules, "peft", None)
    match = "beside the weights of its base, which needs peft" if both else f"for the model {base}, which needs peft"
    with pytest.raises(InputError, match=match) as raised:
        load(copied)
    assert "pip install 'llmkit[adapters]'" in str(raised.value)


def test_a_base_is_found_beside_the_adapter(base, copied):
    shutil.copytree(base, copied.parent / "base")
    edit(copied, base_model_name_or_path="../base")
    assert scores(load(copied)) != pytest.approx(scores(load(base)), abs=1e-2)


def test_the_tokenizer_of_the_adapter_comes_first(copied):
    tokenizer = copy.deepcopy(tiny.make("llama").tokenizer)
    tokenizer.chat_template = "{% for m in messages %}Q: {{ m.content }}\nA:{% endfor %}"
    tokenizer.save_pretrained(copied)
    assert load(copied).engine.loaded.tokenizer.chat_template == tokenizer.chat_template


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_tokens_that_were_added_for_the_training_have_weights(base, tmp_path):
    tokenizer = copy.deepcopy(tiny.make("llama").tokenizer)
    tokenizer.add_tokens(["<a>", "<b>"])
    model = adapt(base, KINDS["lora"]).unload()
    model.resize_token_embeddings(len(tokenizer))
    config = copy.deepcopy(KINDS["lora"])
    config.modules_to_save = ["embed_tokens", "lm_head"]
    config.base_model_name_or_path = str(base)
    peft.get_peft_model(model, config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    llm = load(tmp_path)
    assert llm.engine.loaded.model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert llm.get_num_tokens("<a>") > 0


def test_a_base_that_is_not_found_is_named(copied):
    edit(copied, base_model_name_or_path="no-such-model")
    with pytest.raises(ModelNotFound, match="LORA adapter for the model no-such-model, which cannot be used: no model"):
        load(copied)
    edit(copied, base_model_name_or_path=None)
    with pytest.raises(ModelUnusable, match="LORA adapter without its base: write the base's name"):
        load(copied)


def test_a_base_that_is_an_adapter_is_refused(adapter, copied):
    edit(copied, base_model_name_or_path=str(adapter))
    with pytest.raises(ModelUnusable, match="which is an adapter itself"):
        load(copied)


CHANGES = {
    "shape": lambda weights: {n: v[:, :-1].contiguous() if n.endswith("A.weight") else v for n, v in weights.items()},
    "missing": lambda weights: dict(list(weights.items())[1:]),
    "other-layers": lambda weights: {name.replace("layers.1", "layers.7"): value for name, value in weights.items()},
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_do_not_fit_the_base_are_refused(copied, base, change):
    save_file(CHANGES[change](load_file(file := copied / "adapter_model.safetensors")), file, {"format": "pt"})
    with pytest.raises(ModelUnusable, match="does not fit its base") as raised:
        load(copied)
    assert str(base) in str(raised.value)


@pytest.mark.parametrize(
    "values",
    [
        {"target_modules": ["q_proj"]},
        {"layers_to_transform": [0]},
        {"exclude_modules": ["v_proj"]},
        {"target_modules": "all-linear", "exclude_modules": "down_proj"},
        {"target_modules": r".*\.(q|v)_proj"},
    ],
    ids=str,
)
def test_weights_for_modules_that_the_adapter_does_not_name_are_not_ignored(copied, values):
    edit(copied, **values)
    with pytest.raises(ModelUnusable, match=r"weights without a place|are missing") as raised:
        load(copied)
    assert re.search(r"name their modules \(.*(v_proj|down_proj)|_proj", str(raised.value))


@pytest.mark.parametrize(
    "name", ["base_model.model.model.other.weight", "lora_A.weight", "head.modules_to_save.weight"]
)
def test_weights_of_other_names_are_not_ignored(copied, name):
    file = copied / "adapter_model.safetensors"
    save_file({**load_file(file), name: torch.ones(2)}, file, {"format": "pt"})
    with pytest.raises(ModelUnusable, match=f"has 1 weights without a place .* such as {re.escape(name)}"):
        load(copied)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["adapter", "base"])
def test_weights_that_are_no_finite_numbers_are_refused(base, copied, tmp_path, where, value):
    folder = copied if where == "adapter" else shutil.copytree(base, tmp_path / "base")
    file = next(folder.glob("*.safetensors"))
    weights = load_file(file)
    name = sorted(weights)[-1]
    weights[name].view(-1)[-1] = value
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ModelUnusable, match="no finite numbers") as raised:
        load(folder)
    assert name.removeprefix("base_model.model.") in str(raised.value)


def test_weights_too_large_for_a_precision_are_refused(base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "base")
    file = folder / "model.safetensors"
    weights = load_file(file)
    save_file({**weights, "model.norm.weight": weights["model.norm.weight"] + 1e6}, file, {"format": "pt"})
    with pytest.raises(ModelUnusable, match=r"model\.norm\.weight have values that are no finite numbers in float16"):
        HuggingFaceChat(str(folder), dtype="float16")
    assert load(folder).context_window


@pytest.mark.parametrize("value", ["FOO", None, 5, ["LORA"]], ids=str)
def test_a_type_of_adapter_that_peft_does_not_know_is_named(copied, value):
    edit(copied, peft_type=value)
    with pytest.raises(
        ModelUnusable, match=rf"an adapter of type {re.escape(str(value))}, which PEFT .* does not know: install"
    ):
        load(copied)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "a PREFIX_TUNING adapter, which puts virtual tokens"),
        ({"task_type": "SEQ_CLS"}, "a LORA adapter for SEQ_CLS, which generates no text"),
    ],
)
def test_other_kinds_are_refused(copied, values, match):
    edit(copied, **values)
    with pytest.raises(ModelUnusable, match=match):
        load(copied)


def test_files_that_are_missing_or_damaged_are_named(copied):
    weights = copied / "adapter_model.safetensors"
    weights.rename(copied / "adapter_model.bin")
    with pytest.raises(ModelUnusable, match=r"no adapter_model\.safetensors: save the adapter again"):
        resolve(str(copied))
    weights.write_bytes(b"\x00" * 64)
    with pytest.raises(ModelUnusable, match="damaged"):
        resolve(str(copied))
    (copied / "adapter_config.json").unlink()
    with pytest.raises(ModelUnusable, match=r"no config\.json.*adapter_model\.safetensors is an adapter"):
        resolve(str(copied))


def test_a_model_of_peft_with_virtual_tokens_is_refused():
    config = peft.PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    model = peft.get_peft_model(copy.deepcopy(tiny.make("llama").model), config).eval()
    with pytest.raises(ModelUnusable, match="puts virtual tokens before the prompt"):
        HuggingFaceChat(model=model, tokenizer=tiny.make("llama").tokenizer)


def test_an_adapter_beside_its_base_without_its_configuration_is_not_ignored(base, adapter, tmp_path):
    folder = shutil.copytree(base, tmp_path / "both")
    shutil.copy(adapter / "adapter_model.safetensors", folder)
    with pytest.raises(
        ModelUnusable, match=r"adapter_model\.safetensors without its adapter_config\.json: copy that file"
    ):
        load(folder)


def test_the_folder_of_a_training_names_the_one_with_the_adapter(adapter, tmp_path):
    checkpoint = shutil.copytree(adapter, tmp_path / "output" / "checkpoint-5")
    with pytest.raises(ModelUnusable, match=f"name the folder inside of it, {checkpoint}"):
        load(tmp_path / "output")


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_adapters_that_transformers_itself_added_are_followed(monkeypatch):
    monkeypatch.setattr("transformers.integrations.peft.MIN_PEFT_VERSION", "0.18.0")  # what it needs here is there
    made = tiny.make("llama")
    model = copy.deepcopy(made.model).float()
    llm = HuggingFaceChat(model=model, tokenizer=made.tokenizer, temperature=0, max_new_tokens=4)
    before = scores(llm)
    for name in ("a", "b"):
        model.add_adapter(KINDS["lora"], adapter_name=name)
    model.eval()
    found: dict[str, object] = {}
    for name in ("a", "b", "a"):
        model.set_adapter(name)
        found.setdefault(name, scores(llm))
        again = HuggingFaceChat(model=copy.deepcopy(model), tokenizer=made.tokenizer, temperature=0, max_new_tokens=4)
        assert scores(llm) == pytest.approx(found[name])
        assert scores(again) == pytest.approx(found[name])
        assert again.invoke(PROMPT).text == llm.invoke(PROMPT).text
    assert found["a"] != pytest.approx(found["b"], abs=1e-3)
    model.disable_adapters()
    assert scores(llm) == pytest.approx(before)

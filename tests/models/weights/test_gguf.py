"""GGUF files become folders with the same weights and tokens; damaged files are refused."""

import json
import shutil
from pathlib import Path

import gguf
import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit import HuggingFaceLLM
from llmkit.errors import CacheError, ModelUnusable
from llmkit.models.weights.gguf import convert
from llmkit.models.weights.loading import from_objects
from llmkit.models.weights.model_folder import validate_model_folder
from tests.support.gguf_files import WINDOW, make_gguf


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory):
    return make_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def load(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_the_folder_is_a_whole_model(tiny_gguf, out):
    convert(tiny_gguf, out)
    assert validate_model_folder(out) == out
    model, tokenizer = load(out)
    assert tokenizer.is_fast
    assert tokenizer.model_max_length == model.config.max_position_embeddings == WINDOW
    assert (model.generation_config.bos_token_id, model.generation_config.eos_token_id) == (1, 2)
    assert json.loads((out / "generation_config.json").read_text()).get("_from_model_config") is None


@pytest.mark.parametrize(("token", "ends"), [(0, [0, 2]), (2, [2]), (44, [2, 44])])
def test_an_answer_ends_at_the_end_of_a_turn_too(tmp_path, out, token, ends):
    convert(make_gguf(tmp_path / "turns.gguf", turn_ends=token), out)
    model, tokenizer = load(out)
    assert from_objects(model, tokenizer).eos_token_ids == set(ends)
    llm = HuggingFaceLLM(model=model, tokenizer=tokenizer, temperature=0, max_new_tokens=30)
    [free] = llm.generate(["a b c"]).generations[0]
    assert free.generation_info["usage_metadata"]["output_tokens"] > 1
    number = llm.engine.generate([llm._prepare(llm._convert("a b c"), None, {}).request])[0][0].token_ids[0]
    convert(make_gguf(tmp_path / "first.gguf", turn_ends=number), out)
    ended = HuggingFaceLLM(model=str(out), dtype="float32", temperature=0, max_new_tokens=30)
    [answer] = ended.generate(["a b c"]).generations[0]
    assert (answer.text, answer.generation_info["finish_reason"]) == ("", "stop")


def test_weights_are_those_of_the_file(tiny_gguf, out):
    convert(tiny_gguf, out)
    model, _ = load(out)
    stored = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tiny_gguf).tensors}
    layer = model.model.layers[0]
    assert numpy.array_equal(model.model.embed_tokens.weight.detach().numpy(), stored["token_embd.weight"])
    assert numpy.array_equal(layer.mlp.down_proj.weight.detach().numpy(), stored["blk.0.ffn_down.weight"])
    assert numpy.array_equal(layer.self_attn.v_proj.weight.detach().numpy(), stored["blk.0.attn_v.weight"])


@pytest.mark.parametrize(("stored", "kept"), [(numpy.float32, "float32"), (numpy.float16, "float16")])
def test_weights_that_are_not_quantized_keep_their_type(tmp_path, out, stored, kept):
    convert(make_gguf(tmp_path / "typed.gguf", dtype=stored), out)
    assert json.loads((out / "config.json").read_text())["dtype"] == kept


def test_digits_stand_alone_as_the_file_says(tiny_gguf, out):
    convert(tiny_gguf, out)
    _, tokenizer = load(out)
    assert tokenizer.tokenize("a  12\n\n3") == ["a", "ĠĠ", "1", "2", "ĊĊ", "3"]


@given(text=st.text(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_text_comes_back_from_its_tokens(converted_tokenizer, text):
    ids = converted_tokenizer.encode(text, add_special_tokens=False)
    assert converted_tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


@pytest.fixture(scope="session")
def converted_tokenizer(tiny_gguf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    convert(tiny_gguf, folder)
    return load(folder)[1]


def test_nothing_is_said(tiny_gguf, out, capfd):
    convert(tiny_gguf, out)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["blk.0.ffn_down.weight", "output_norm.weight"])
def test_missing_weights_are_told(tmp_path, out, name):
    with pytest.raises(ModelUnusable, match="lacks weights"):
        convert(make_gguf(tmp_path / "part.gguf", without=name), out)


def harmed(tiny_gguf: Path, tmp_path: Path, content: bytes) -> str | None:
    """Convert damaged content; give the message, or nothing where the damage is in a number or a name."""
    file, folder = tmp_path / "harmed.gguf", tmp_path / "harmed"
    file.write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    told = None
    try:
        convert(file, folder)
    except ModelUnusable as error:
        told = str(error)
    assert told is None or (str(file) in told and "\n" not in told)
    return told


@given(share=st.floats(0, 0.9999))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_a_cut_file_is_refused(tiny_gguf, tmp_path, share):
    whole = tiny_gguf.read_bytes()
    assert harmed(tiny_gguf, tmp_path, whole[: int(len(whole) * share)])


@given(at=st.integers(0, 6000), noise=st.binary(min_size=1, max_size=24))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_noise_in_the_head_is_refused_or_harmless(tiny_gguf, tmp_path, at, noise):
    whole = tiny_gguf.read_bytes()
    told = harmed(tiny_gguf, tmp_path, whole[:at] + noise + whole[at + len(noise) :])
    assert told or validate_model_folder(tmp_path / "harmed").is_dir()


@pytest.mark.parametrize("key", ["block_count", "embedding_length", "feed_forward_length", "attention.head_count"])
@pytest.mark.parametrize("value", [5_000_000, 2**32 - 1])
def test_a_size_that_the_weights_do_not_have_takes_no_memory(tiny_gguf, tmp_path, key, value):
    """Without a check, one flipped bit in the number of layers keeps transformers busy until memory is full."""
    whole, name = tiny_gguf.read_bytes(), f"llama.{key}".encode()
    at = whole.index(name) + len(name) + 4  # the type of the value stands between
    assert harmed(tiny_gguf, tmp_path, whole[:at] + value.to_bytes(4, "little") + whole[at + 4 :])


def test_weights_that_are_not_numbers_are_refused(tiny_gguf, tmp_path):
    whole = bytearray(tiny_gguf.read_bytes())
    whole[-64:] = numpy.full(16, numpy.nan, numpy.float32).tobytes()
    assert "not finite" in str(harmed(tiny_gguf, tmp_path, bytes(whole)))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGML" + bytes(500), b"GGUF" + b"\xff" * 500, bytes(5000)])
def test_what_is_no_gguf_file_is_refused(tiny_gguf, tmp_path, content):
    assert harmed(tiny_gguf, tmp_path, content)


def test_a_disk_that_fills_up_is_told(tiny_gguf, out):
    """The system's own limit on a file's size stands in for it."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(CacheError, match="cannot be written to"):
            convert(tiny_gguf, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

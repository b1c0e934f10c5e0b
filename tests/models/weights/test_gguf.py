"""GGUF files are converted to folders with the same weights and tokenizer; damaged files raise an error."""

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
def output_folder(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def load(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_the_converted_folder_is_a_complete_model(tiny_gguf, output_folder):
    convert(tiny_gguf, output_folder)
    assert validate_model_folder(output_folder) == output_folder
    model, tokenizer = load(output_folder)
    assert tokenizer.is_fast
    assert tokenizer.model_max_length == model.config.max_position_embeddings == WINDOW
    assert (model.generation_config.bos_token_id, model.generation_config.eos_token_id) == (1, 2)
    assert json.loads((output_folder / "generation_config.json").read_text()).get("_from_model_config") is None


@pytest.mark.parametrize(("token", "end_tokens"), [(0, [0, 2]), (2, [2]), (44, [2, 44])])
def test_the_end_of_turn_token_ends_an_answer(tmp_path, output_folder, token, end_tokens):
    convert(make_gguf(tmp_path / "turns.gguf", end_of_turn=token), output_folder)
    model, tokenizer = load(output_folder)
    assert from_objects(model, tokenizer).eos_token_ids == set(end_tokens)
    llm = HuggingFaceLLM(model=model, tokenizer=tokenizer, temperature=0, max_new_tokens=30)
    [unrestricted] = llm.generate(["a b c"]).generations[0]
    assert unrestricted.generation_info["usage_metadata"]["output_tokens"] > 1
    first_token = llm.engine.generate([llm.prepare_call(llm._convert("a b c"), None, {}).request])[0][0].token_ids[0]
    convert(make_gguf(tmp_path / "first.gguf", end_of_turn=first_token), output_folder)
    ended = HuggingFaceLLM(model=str(output_folder), dtype="float32", temperature=0, max_new_tokens=30)
    [answer] = ended.generate(["a b c"]).generations[0]
    assert (answer.text, answer.generation_info["finish_reason"]) == ("", "stop")


def test_weights_equal_those_of_the_file(tiny_gguf, output_folder):
    convert(tiny_gguf, output_folder)
    model, _ = load(output_folder)
    stored = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tiny_gguf).tensors}
    layer = model.model.layers[0]
    assert numpy.array_equal(model.model.embed_tokens.weight.detach().numpy(), stored["token_embd.weight"])
    assert numpy.array_equal(layer.mlp.down_proj.weight.detach().numpy(), stored["blk.0.ffn_down.weight"])
    assert numpy.array_equal(layer.self_attn.v_proj.weight.detach().numpy(), stored["blk.0.attn_v.weight"])


@pytest.mark.parametrize(("stored", "saved"), [(numpy.float32, "float32"), (numpy.float16, "float16")])
def test_unquantized_weights_keep_their_dtype(tmp_path, output_folder, stored, saved):
    convert(make_gguf(tmp_path / "typed.gguf", dtype=stored), output_folder)
    assert json.loads((output_folder / "config.json").read_text())["dtype"] == saved


def test_digits_are_separate_tokens(tiny_gguf, output_folder):
    convert(tiny_gguf, output_folder)
    _, tokenizer = load(output_folder)
    assert tokenizer.tokenize("a  12\n\n3") == ["a", "ĠĠ", "1", "2", "ĊĊ", "3"]


@given(text=st.text(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_encode_and_decode_restore_any_text(converted_tokenizer, text):
    ids = converted_tokenizer.encode(text, add_special_tokens=False)
    assert converted_tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


@pytest.fixture(scope="session")
def converted_tokenizer(tiny_gguf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    convert(tiny_gguf, folder)
    return load(folder)[1]


def test_conversion_prints_nothing(tiny_gguf, output_folder, capfd):
    convert(tiny_gguf, output_folder)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["blk.0.ffn_down.weight", "output_norm.weight"])
def test_missing_weights_raise_a_clear_error(tmp_path, output_folder, name):
    with pytest.raises(ModelUnusable, match="lacks weights"):
        convert(make_gguf(tmp_path / "part.gguf", omitted=name), output_folder)


def convert_damaged(tiny_gguf: Path, tmp_path: Path, content: bytes) -> str | None:
    """Convert damaged content; return the error message, or `None` if the damage only changed a value or a name."""
    file, folder = tmp_path / "harmed.gguf", tmp_path / "harmed"
    file.write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    message = None
    try:
        convert(file, folder)
    except ModelUnusable as error:
        message = str(error)
    assert message is None or (str(file) in message and "\n" not in message)
    return message


@given(share=st.floats(0, 0.9999))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_a_truncated_file_is_refused(tiny_gguf, tmp_path, share):
    original = tiny_gguf.read_bytes()
    assert convert_damaged(tiny_gguf, tmp_path, original[: int(len(original) * share)])


@pytest.mark.slow
@given(offset=st.integers(0, 6000), noise=st.binary(min_size=1, max_size=24))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_noise_in_the_header_is_refused_or_harmless(tiny_gguf, tmp_path, offset, noise):
    original = tiny_gguf.read_bytes()
    message = convert_damaged(tiny_gguf, tmp_path, original[:offset] + noise + original[offset + len(noise) :])
    assert message or validate_model_folder(tmp_path / "harmed").is_dir()


@pytest.mark.parametrize("key", ["block_count", "embedding_length", "feed_forward_length", "attention.head_count"])
@pytest.mark.parametrize("value", [5_000_000, 2**32 - 1])
def test_a_wrong_size_in_the_header_allocates_no_memory(tiny_gguf, tmp_path, key, value):
    """Check sizes before loading: with one flipped bit in the number of layers, transformers would fill the memory."""
    original, name = tiny_gguf.read_bytes(), f"llama.{key}".encode()
    offset = original.index(name) + len(name) + 4  # skip the type of the value
    assert convert_damaged(
        tiny_gguf, tmp_path, original[:offset] + value.to_bytes(4, "little") + original[offset + 4 :]
    )


def test_weights_that_are_not_finite_are_refused(tiny_gguf, tmp_path):
    original = bytearray(tiny_gguf.read_bytes())
    original[-64:] = numpy.full(16, numpy.nan, numpy.float32).tobytes()
    assert "not finite" in str(convert_damaged(tiny_gguf, tmp_path, bytes(original)))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGML" + bytes(500), b"GGUF" + b"\xff" * 500, bytes(5000)])
def test_a_file_of_another_format_is_refused(tiny_gguf, tmp_path, content):
    assert convert_damaged(tiny_gguf, tmp_path, content)


def test_a_full_disk_raises_cache_error(tiny_gguf, output_folder):
    """Simulate a full disk by the operating system's limit on file sizes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(CacheError, match="cannot be written to"):
            convert(tiny_gguf, output_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

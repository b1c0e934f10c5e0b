"""The files of a model's folder that are read: which they are, and that reading them neither waits nor fills memory."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmkit.errors import ModelUnusable
from llmkit.regular_files import MAX_BYTES, open_regular, parse_object, read_regular

CONFIG, GENERATION_CONFIG, TOKENIZER = "config.json", "generation_config.json", "tokenizer.json"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""The files of an adapter of PEFT."""

_READ = {".json", ".jinja", ".txt", ".model", ".spm", ".bpe", ".tiktoken", ".safetensors"}
_TEMPLATES = "additional_chat_templates"
_SETTINGS = {CONFIG, GENERATION_CONFIG, ADAPTER_CONFIG, "tokenizer_config.json", "special_tokens_map.json"}
_SETTINGS |= {"added_tokens.json", "chat_template.json"}
_VOCABULARIES = {TOKENIZER, INDEX, "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model"}
_VOCABULARIES |= {"sentencepiece.bpe.model", "tekken.json"}
_MAX_VOCABULARY = 1 << 27
_FLOATS = {"F64", "F32", "F16", "BF16"}
_MAX_HEADER = 100_000_000  # of safetensors itself


class StoredWeights(NamedTuple):
    """What the headers of weights say that is there.

    Attributes:
        numbers: all of them.
        nbytes: of the files.
        longest: the longest dimension.
        floats: how many numbers have 2 bytes or more of floating point, and get the precision of the device.
        packed_nbytes: the bytes of the others, which stay as they are.
    """

    numbers: int
    nbytes: int
    longest: int
    floats: int = 0
    packed_nbytes: int = 0


def check_files(folder: Path) -> None:
    """Check each file that transformers may read: it is a regular one, and no larger than such a file can be.

    Raises:
        ModelUnusable: one is a pipe, a socket, a device or a link to nothing, or too large; names it.
    """
    for path in readable_files(folder):
        try:
            found = path.stat()
        except OSError as error:
            raise ModelUnusable(f"{path} cannot be read ({error.strerror}): get the model's files again") from error
        if stat.S_ISDIR(found.st_mode):
            continue
        if not stat.S_ISREG(found.st_mode):
            raise ModelUnusable(f"{path} is a pipe, a socket or a device, not a file: get the model's files again")
        limit = _limit(path)
        if limit and found.st_size > limit:
            raise ModelUnusable(
                f"{path} has {found.st_size >> 20:,} MiB, more than the {limit >> 20} MiB that such a file may have: "
                "it is damaged, so get the model's files again"
            )


def readable_files(folder: Path) -> list[Path]:
    """Return what transformers may read of a folder: files of settings, tokenizers, templates and weights."""
    inside = folder / _TEMPLATES
    paths = [*folder.iterdir(), *(inside.iterdir() if inside.is_dir() else ())]
    return sorted(path for path in paths if path.suffix in _READ)


def _limit(path: Path) -> int:
    """Return the most bytes that a file may have; 0 for those that are not read, such as a trainer's records."""
    if path.name in _SETTINGS or path.suffix == ".jinja":
        return MAX_BYTES
    return _MAX_VOCABULARY if path.name in _VOCABULARIES else 0


def read_content(file: Path) -> bytes:
    """Read a file, or raise `ModelUnusable`."""
    try:
        return read_regular(file, _limit(file) or MAX_BYTES)
    except OSError as error:
        raise ModelUnusable(f"{file} cannot be read: {error.strerror}") from error


def read_object(file: Path) -> dict[str, Any]:
    """Read a file of JSON, or raise `ModelUnusable`."""
    try:
        return parse_object(read_content(file))
    except ValueError as error:
        raise ModelUnusable(f"{file} is damaged: {error}") from error


def weight_files(folder: Path) -> list[Path]:
    """Return the files with a model's weights: those that its index names, or all safetensors but an adapter's.

    Raises:
        ModelUnusable: the index is damaged, or names what is no file in the folder.
    """
    every = sorted(path for path in folder.glob("*.safetensors") if path.name != ADAPTER_WEIGHTS)
    if not (folder / INDEX).is_file():
        return every
    listed = read_object(folder / INDEX).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise ModelUnusable(f"{folder / INDEX} is damaged: it has no weight_map")
    names = {str(name) for name in listed.values()}
    for name in sorted(names):
        if "\0" in name or "\\" in name or Path(name).name != name:
            raise ModelUnusable(f"{folder / INDEX} is damaged: it names {name!r:.100}, which is no file of the folder")
    present = {path.name for path in every}
    if missing := sorted(names - present):
        raise ModelUnusable(f"the folder {folder} is incomplete: {INDEX} names {missing[0]:.100}, which is not there")
    return [path for path in every if path.name in names or path.name == "model.safetensors"]  # transformers takes it


def check_weights(file: Path) -> None:
    """Raise `ModelUnusable` if a file of safetensors is damaged, by its header."""
    from safetensors import SafetensorError, safe_open

    try:
        _read_header(file)
        with safe_open(file, framework="np"):
            pass
    except (SafetensorError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        what = "a pointer of git-lfs, not the weights: run git lfs pull" if _is_pointer(file) else f"damaged: {reason}"
        raise ModelUnusable(f"{file} is {what}") from error


def stored_weights(files: Sequence[Path]) -> StoredWeights:
    """Return what files of safetensors have in all.

    Raises:
        ModelUnusable: a file is damaged.
    """
    tensors, nbytes = list[_Tensor](), 0
    for file in files:
        try:
            tensors += _read_header(file)
            nbytes += file.stat().st_size
        except (OSError, ValueError) as error:
            raise ModelUnusable(f"{file} is damaged: {error}") from error
    longest = max((size for tensor in tensors for size in tensor.shape), default=0)
    floats = sum(tensor.numbers for tensor in tensors if tensor.dtype in _FLOATS)
    packed = sum(tensor.nbytes for tensor in tensors if tensor.dtype not in _FLOATS)
    return StoredWeights(sum(tensor.numbers for tensor in tensors), nbytes, longest, floats, packed)


class _Tensor(NamedTuple):
    shape: list[int]
    dtype: str
    nbytes: int

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


def _read_header(file: Path) -> list[_Tensor]:
    """Return a file's tensors; `SafetensorError` is left to safetensors, which maps the whole file."""
    with open_regular(file) as opened:
        size = file.stat().st_size
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER):
            raise ValueError("its header is longer than the file")
        try:
            header = json.loads(opened.read(length))
        except RecursionError as error:
            raise ValueError("its header is nested too deeply") from error
    try:
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        if tensors and 8 + length + max(entry["data_offsets"][1] for entry in tensors) != size:
            raise ValueError("it is not as long as its header says")
        return [_tensor(entry) for entry in tensors]
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError("its header is not that of safetensors") from error


def _tensor(entry: Mapping[str, Any]) -> _Tensor:
    start, end = entry["data_offsets"]
    return _Tensor([int(part) for part in entry["shape"]], str(entry.get("dtype")), int(end) - int(start))


def _is_pointer(file: Path) -> bool:
    try:
        with open_regular(file) as start:
            return start.read(24) == b"version https://git-lfs."
    except OSError:
        return False

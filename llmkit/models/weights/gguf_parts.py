"""GGUF files in parts, `model-00001-of-00003.gguf`, and tensors of types that transformers does not read."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from llmkit.errors import ModelUnusable
from llmkit.models.weights.cache import require_disk_space
from llmkit.regular_files import open_regular

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.IGNORECASE)
"""The names that llama.cpp gives the parts (llama_split_path)."""
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""The bytes of each type of numbers."""
_STRING, _ARRAY = 8, 9
_MAX_VALUES = 2_000_000  # some three for each token of a vocabulary


def parts_of(file: Path) -> list[Path]:
    """Return all parts of the model that a GGUF file belongs to, in order; of most models, the file alone.

    Raises:
        ModelUnusable: a part is missing, says which.
    """
    match = _PART.fullmatch(file.name)
    if match is None:
        return [file]
    count = int(match["count"])
    names = (f"{match['stem']}-{number:05}-of-{count:05}{match['suffix']}" for number in range(1, count + 1))
    parts = [file.with_name(name) for name in names]
    if missing := [part.name for part in parts if not part.is_file()]:
        raise ModelUnusable(
            f"{file} is one of {count} parts of a model, of which {' and '.join(missing[:3])}"
            f"{' and others' if len(missing) > 3 else ''} {'is' if len(missing) == 1 else 'are'} not in {file.parent}: "
            "fetch all parts"
        )
    return parts


def model_of_folder(folder: Path) -> Path | None:
    """Return the first part of the one model in parts that a folder has; `None` if it has none, several, or another."""
    if (folder / "config.json").is_file():
        return None
    matches = [match for path in sorted(folder.iterdir()) if (match := _PART.fullmatch(path.name))]
    stems = {match["stem"] for match in matches}
    return folder / matches[0].string if len(stems) == 1 else None


def needs_rewrite(parts: Sequence[Path]) -> bool:
    """Return whether transformers cannot read these parts as they are.

    Raises:
        ModelUnusable: the file is a part of a model, but has no such name.
    """
    if len(parts) > 1:
        return True
    reader = _open(parts[0])
    number, count = _place(reader)
    if count > 1:
        raise ModelUnusable(
            f"{parts[0]} is part {number + 1} of {count} parts of a model: name the parts as they were, "
            f"…-00001-of-{count:05}.gguf, in one folder"
        )
    return any(not _is_known(tensor.tensor_type) for tensor in reader.tensors)


def rewrite(parts: Sequence[Path], target: Path) -> None:
    """Write the tensors of all parts into one GGUF file, with those dequantized that transformers does not read.

    Raises:
        ModelUnusable: a part is damaged, or the parts are not those of one model.
        CacheError: the disk has no space for it.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    readers = _in_order(parts)
    require_disk_space(target.parent, sum(part.stat().st_size for part in parts))
    architecture = readers[0].get_field("general.architecture")
    if architecture is None:
        raise ModelUnusable(f"{parts[0]} is damaged, or not the first part: it names no architecture")
    writer = GGUFWriter(target, architecture.contents())
    for name, field in readers[0].fields.items():
        if name != "general.architecture" and not name.startswith(("GGUF.", "split.")):
            sub_type = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=sub_type)
    for tensor in (tensor for reader in readers for tensor in reader.tensors):
        data, kind = tensor.data, tensor.tensor_type
        if not _is_known(kind):
            data = quants.quantize(quants.dequantize(data, kind), GGMLQuantizationType.BF16)
            kind = GGMLQuantizationType.BF16
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _open(part: Path) -> Any:
    from gguf import GGUFReader

    try:
        _check_counts(part)
        return GGUFReader(str(part))
    except Exception as error:  # a damaged file fails anywhere: numpy, struct, gguf
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelUnusable(f"{part} is damaged, or no GGUF file: fetch it again ({reason})") from error


def _check_counts(part: Path) -> None:
    """Raise `ValueError` for a header with more values than its file has bytes: the reader would make a list of them.

    See https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#file-structure
    """
    size = part.stat().st_size
    with open_regular(part) as file:
        _, version, _, entries = struct.unpack("<4sIQQ", file.read(24))
        if not version & 0xFFFF:
            raise ValueError("its numbers are big-endian")
        left = _MAX_VALUES
        for _ in range(entries if version > 1 else 0):
            file.seek(struct.unpack("<Q", file.read(8))[0], os.SEEK_CUR)
            left -= _skip_value(file, struct.unpack("<I", file.read(4))[0], size)
            if left < 0:
                raise ValueError(f"its header has more than {_MAX_VALUES:,} values")


def _skip_value(file: BinaryIO, kind: int, size: int) -> int:
    """Skip a value; return how many it has. `struct.error` and `ValueError` say that the file ends before."""
    if kind == _STRING:
        file.seek(struct.unpack("<Q", file.read(8))[0], os.SEEK_CUR)
        return 1
    if kind != _ARRAY:
        file.seek(_SIZES[kind], os.SEEK_CUR)
        return 1
    inner, count = struct.unpack("<IQ", file.read(12))
    if count > min(size - file.tell(), _MAX_VALUES):
        raise ValueError(f"its header has a list of {count:,} values")
    if inner in _SIZES:
        file.seek(count * _SIZES[inner], os.SEEK_CUR)
        return int(count)
    return sum(_skip_value(file, inner, size) for _ in range(count))


def _place(reader: Any) -> tuple[int, int]:
    """Return the number of a part, from 0, and of how many parts, as the file says; 0 of 0 if it does not."""
    number, count = (reader.get_field(f"split.{name}") for name in ("no", "count"))
    return int(number.contents()) if number else 0, int(count.contents()) if count else 0


def _in_order(parts: Sequence[Path]) -> list[Any]:
    """Open the parts in the order that they say: the first has the metadata."""
    readers = [_open(part) for part in parts]
    places = [_place(reader) for reader in readers]
    known = {place: part for place, part in zip(places, parts, strict=True) if place[1]}
    for place, part in zip(places, parts, strict=True):
        number, count = place
        if count not in (0, len(parts)) or known.get(place, part) != part:
            raise ModelUnusable(
                f"{part} is part {number + 1} of {count} parts of a model, which its name does not say, or it is there "
                "twice: fetch the parts again, and keep their names"
            )
    return [reader for _, reader in sorted(zip(places, readers, strict=True), key=lambda pair: pair[0])]


def _is_known(kind: Any) -> bool:
    from gguf import GGMLQuantizationType
    from transformers.integrations.gguf.dequant import GGML_BLOCK

    plain = (GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16)
    return kind in plain or int(kind) in GGML_BLOCK

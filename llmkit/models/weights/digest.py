"""A digest of what a loaded model computes: two models with the same digest give the same answers."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from llmkit.models.weights.cache import read_manifest
from llmkit.models.weights_monitor import (
    adapter_state,
    has_adapters,
    identity,
    inner_tensors,
    replaced_code,
    sample,
    tensors_of,
)

_NOT_CONTENT = {"_name_or_path", "name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures"}
_THREADS = 8


def hash_text(*parts: object) -> str:
    """Return the hash of some values, by their text, in hexadecimal digits."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


class WeightsDigest:
    """The digest of a model's configuration, weights and adapters.

    All values are hashed, a gigabyte in about a second. A tensor that did not change is not hashed again. Hooks, and
    whatever else cannot be compared with that of another process, makes the digest that of this object alone.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._hashes: dict[Any, str] = {}
        self._code: dict[tuple[int, ...], tuple[str, list[Any]]] = {}
        self._object = uuid.uuid4().hex

    def compute(self, unseen: int = 0) -> str:
        """Return the digest, in hexadecimal digits; `unseen` counts the changes that cannot be seen."""
        entries: list[str] = [type(self._model).__name__, _config_text(self._model.config)]
        if unseen:
            entries.append(f"{self._object} {unseen}")
        tensors: dict[Any, torch.Tensor] = {}
        keys = []
        for name, module in _named_modules(self._model):
            entries.append(f"{name} {type(module).__name__} {adapter_state(module) if has_adapters(module) else ''}")
            if name and (code := replaced_code(module)):
                kept = self._code.setdefault(
                    tuple(map(id, code)), (uuid.uuid4().hex, code)
                )  # or the ids are used again
                entries.append(kept[0])
            for own, tensor in tensors_of(module):
                values = sample(tensor)
                seen = "" if values is None else _hash_values(values)
                key = (f"{name}.{own}", *identity(tensor), seen)
                tensors[key] = tensor
                keys.append(key)
        missing = [key for key in tensors if key not in self._hashes]
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:  # hashing releases the interpreter's lock
            new = dict(zip(missing, pool.map(lambda key: self._hash(tensors[key]), missing), strict=True))
        self._hashes = {key: new.get(key) or self._hashes[key] for key in keys}
        return hash_text(*entries, *(f"{key[0]} {self._hashes[key]}" for key in keys))

    def _hash(self, tensor: torch.Tensor) -> str:
        parts = inner_tensors(tensor.detach())
        values = (self._object if part.is_meta else _hash_values(part) for part in parts)  # meta: on a disk
        return hash_text(tensor.dtype, tuple(tensor.shape), *values)


def _hash_values(tensor: torch.Tensor) -> str:
    values = tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy()
    return hashlib.sha256(values.data).hexdigest()


def folder_digest(folder: Path) -> str:
    """Return what identifies the files of a model's folder, without reading the weights.

    The cache's own folders list a hash of each file; others are identified by their files' sizes and times.
    """
    try:
        files = read_manifest(folder)
        return hash_text(*(f"{name} {digest}" for name, (_, _, digest) in sorted(files.items())))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        stats = [(path.name, path.stat()) for path in found]
        return hash_text(*(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats))


def _config_text(config: Any) -> str:
    values = {name: value for name, value in config.to_dict().items() if name not in _NOT_CONTENT}
    return json.dumps(values, sort_keys=True, default=str)


def _named_modules(module: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None:
            yield from _named_modules(child, f"{prefix}.{name}")

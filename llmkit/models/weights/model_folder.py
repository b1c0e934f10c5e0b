"""What a folder must contain to be a model."""

from __future__ import annotations

import json
from pathlib import Path

from llmkit.errors import ModelUnusable

TOKENIZER_FILES = {
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
}
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_INDEX = "model.safetensors.index.json"
GENERATION_CONFIG = "generation_config.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""The files of an adapter of PEFT."""
_ADAPTER_FILES = (ADAPTER_WEIGHTS, "adapter_model.bin")


def validate_model_folder(folder: Path) -> Path:
    """Return the folder if it has a complete model: config.json, weights as safetensors and a tokenizer.

    Or an adapter of PEFT, alone or with the model.

    Only the headers of the weights are read, so this takes milliseconds whatever the size.

    Raises:
        ModelUnusable: names all that is missing, or the file that is damaged.
    """
    if (folder / ADAPTER_CONFIG).is_file():
        _validate_adapter(folder)
        if not has_base_weights(folder):
            return folder
    elif has_base_weights(folder) and (lone := [name for name in _ADAPTER_FILES if (folder / name).is_file()]):
        raise ModelUnusable(
            f"the folder {folder} has the adapter {lone[0]} without its {ADAPTER_CONFIG}: copy that file too, or move "
            f"{lone[0]} away to use the base alone"
        )
    parts = {
        "config.json": (folder / "config.json").is_file(),
        "weights (*.safetensors)": has_base_weights(folder),
        "tokenizer (tokenizer.json)": any((folder / name).is_file() for name in TOKENIZER_FILES),
    }
    if missing := " and no ".join(part for part, found in parts.items() if not found):
        raise ModelUnusable(f"the folder {folder} is not a usable model: it has no {missing}{_hint(folder)}")
    _read_json(folder / "config.json")
    if (folder / GENERATION_CONFIG).is_file():  # transformers would pass over a damaged one
        _read_json(folder / GENERATION_CONFIG)
    for shard in _shards(folder):
        _check_weights(shard)
    return folder


def has_base_weights(folder: Path) -> bool:
    """Return whether a folder has weights of a whole model."""
    return any(path.name != ADAPTER_WEIGHTS for path in folder.glob("*.safetensors"))


def _validate_adapter(folder: Path) -> None:
    _read_json(folder / ADAPTER_CONFIG)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelUnusable(
            f"the folder {folder} has {ADAPTER_CONFIG}, but no {ADAPTER_WEIGHTS}: save the adapter again as "
            "safetensors (model.save_pretrained)"
        )
    _check_weights(folder / ADAPTER_WEIGHTS)


def _hint(folder: Path) -> str:
    if has_base_weights(folder):
        return ""
    if (folder / ADAPTER_WEIGHTS).is_file():
        return f"; {ADAPTER_WEIGHTS} is an adapter, whose {ADAPTER_CONFIG} names its base"
    if gguf := sorted(folder.glob("*.gguf")):
        return f"; name the file itself, {gguf[0]}"
    inside = sorted(path.parent for name in ("config.json", ADAPTER_CONFIG) for path in folder.glob(f"*/{name}"))
    if inside:
        return f"; name the folder inside of it, {inside[-1]}"
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        return (
            f"; {pickled[0]} is pickled, which can run code when it is opened, and is not read: "
            "save the weights again as safetensors (model.save_pretrained)"
        )
    return ""


def _shards(folder: Path) -> list[Path]:
    if not (folder / _INDEX).is_file():
        return sorted(path for path in folder.glob("*.safetensors") if path.name != ADAPTER_WEIGHTS)
    listed = _read_json(folder / _INDEX).get("weight_map")
    if not isinstance(listed, dict):
        raise ModelUnusable(f"{folder / _INDEX} is damaged: it has no weight_map")
    shards = sorted({folder / str(name) for name in listed.values()})
    for shard in shards:
        if not shard.is_file():
            raise ModelUnusable(f"the folder {folder} is incomplete: {_INDEX} names {shard.name}, which is not there")
    return shards


def _check_weights(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        with file.open("rb") as start:
            pointer = start.read(24) == b"version https://git-lfs."
        reason = "a pointer of git-lfs, not the weights: run git lfs pull" if pointer else f"damaged: {error}"
        raise ModelUnusable(f"{file} is {reason}") from error


def _read_json(file: Path) -> dict[str, object]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"{file} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise ModelUnusable(f"{file} is damaged: it is not a JSON object")
    return value

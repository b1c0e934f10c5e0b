"""What a folder must contain to be a model."""

from __future__ import annotations

from pathlib import Path

from llmkit.errors import ModelUnusable
from llmkit.models.weights.architectures import is_for_encoder
from llmkit.models.weights.folder_files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CONFIG,
    GENERATION_CONFIG,
    check_files,
    check_weights,
    read_object,
    weight_files,
)

SENTENCE_TRANSFORMERS = "modules.json"
"""The file that makes a folder one of sentence-transformers."""
_SENTENCE_TRANSFORMERS_CONFIG = "config_sentence_transformers.json"
TOKENIZER_FILES = {
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
}
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_ADAPTER_FILES = (ADAPTER_WEIGHTS, "adapter_model.bin")


def validate_model_folder(folder: Path) -> Path:
    """Return the folder if it has a complete model: config.json, weights as safetensors and a tokenizer.

    Or an adapter of PEFT, alone or with the model.

    Only the headers of the weights are read, so this takes milliseconds whatever the size.

    Raises:
        ModelUnusable: names all that is missing, or the file that is damaged.
    """
    check_files(folder)
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
        "config.json": (folder / CONFIG).is_file(),
        "weights (*.safetensors)": has_base_weights(folder),
        "tokenizer (tokenizer.json)": any((folder / name).is_file() for name in TOKENIZER_FILES),
    }
    if missing := " and no ".join(part for part, found in parts.items() if not found):
        raise ModelUnusable(f"the folder {folder} is not a usable model: it has no {missing}{_hint(folder)}")
    read_object(folder / CONFIG)
    if (folder / GENERATION_CONFIG).is_file():  # transformers would pass over a damaged one
        read_object(folder / GENERATION_CONFIG)
    for file in weight_files(folder):
        check_weights(file)
    return folder


def has_base_weights(folder: Path) -> bool:
    """Return whether a folder has weights of a whole model."""
    return any(path.name != ADAPTER_WEIGHTS for path in folder.glob("*.safetensors"))


def sentence_transformers_class(folder: Path) -> str:
    """Return the class of sentence-transformers that a folder was saved by; "" for a folder of another library.

    It is `model_type` of the configuration, which older versions did not write; they saved `SentenceTransformer` alone
    with a list of modules:
    https://github.com/huggingface/sentence-transformers/blob/main/sentence_transformers/base/model.py
    """
    if not (folder / SENTENCE_TRANSFORMERS).is_file():
        return ""
    config = folder / _SENTENCE_TRANSFORMERS_CONFIG
    name = read_object(config).get("model_type") if config.is_file() else None
    return str(name or "SentenceTransformer")


def has_head(folder: Path) -> bool:
    """Return whether a folder has a model that `HuggingFaceEncoder` loads, by its configuration."""
    if (folder / ADAPTER_CONFIG).is_file() or not (folder / CONFIG).is_file():
        return False
    architectures = read_object(folder / CONFIG).get("architectures")
    architecture = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    return is_for_encoder(architecture, embeds=sentence_transformers_class(folder) == "SentenceTransformer")


def _validate_adapter(folder: Path) -> None:
    read_object(folder / ADAPTER_CONFIG)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelUnusable(
            f"the folder {folder} has {ADAPTER_CONFIG}, but no {ADAPTER_WEIGHTS}: save the adapter again as "
            "safetensors (model.save_pretrained)"
        )
    check_weights(folder / ADAPTER_WEIGHTS)


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

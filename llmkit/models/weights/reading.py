"""Configuration, tokenizer and weights of a model's folder, each checked before and after transformers reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmkit.errors import ModelUnusable
from llmkit.models.library_errors import reason_of
from llmkit.models.weights.folder_files import GENERATION_CONFIG, read_object
from llmkit.models.weights.quantization import check_int4_layers, quantization_config
from llmkit.models.weights.size_limits import (
    backend_components,
    check_growth,
    check_settings,
    check_tokenizer_file,
)

if TYPE_CHECKING:
    import torch

_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_ATTENTION = (None, "eager", "sdpa")
"""The attention that a configuration may choose; others need packages, or are compiled for minutes (flash, flex)."""
_REPORTED: Any = {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
"""Mismatched sizes are not ignored: `read_weights` raises an error that names them."""


def read_config(folder: Path) -> Any:
    """Return the configuration of a folder's model, or raise `ModelUnusable` if it is damaged."""
    from transformers import AutoConfig

    check_settings(folder)
    config = AutoConfig.from_pretrained(folder, **_LOCAL)
    if config._attn_implementation not in _ATTENTION:
        config._attn_implementation = None  # transformers chooses
    return config


def read_weights(
    folder: Path,
    config: Any,
    auto_class: Any,
    device: str,
    dtype: torch.dtype,
    quantization: str | None,
    **options: Any,
) -> Any:
    """Return the model of a folder in evaluation mode, with all of its weights from there.

    Raises:
        ModelUnusable: a weight is missing, has another shape, or has values that are no finite numbers; names it.
    """
    placed = {"dtype": dtype, "device_map": device, **_LOCAL, **quantization_config(quantization, dtype)}
    model, read = auto_class.from_pretrained(folder, config=config, **options, **_REPORTED, **placed)
    if wrong := read["mismatched_keys"]:
        name, stored, wanted = min(wrong)
        raise ModelUnusable(
            f"{folder}: {len(wrong)} of the weights have another shape than config.json says, such as {name}: "
            f"{list(stored)}, and by config.json {list(wanted)}; get the model's files again, all from one place"
        )
    if read["missing_keys"]:
        missing = sorted(read["missing_keys"])
        raise ModelUnusable(
            f"{folder} lacks {len(missing)} of the weights of a {type(model).__name__}, such as {missing[0]}: it is "
            "incomplete, or another architecture"
        )
    check_int4_layers(model, quantization)
    if quantization is None:
        check_finite(folder, model)
    return model.eval()


def check_finite(folder: Path, model: Any) -> None:
    """Raise `ModelUnusable` for weights that are no finite numbers, with which every result would be noise."""
    for name, weight in model.named_parameters():
        if weight.numel() and weight.is_floating_point() and not all(bound.isfinite() for bound in weight.aminmax()):
            dtype = str(weight.dtype).removeprefix("torch.")
            raise ModelUnusable(
                f"{folder}: the weights {name} have values that are no finite numbers in {dtype}: they are damaged, or "
                "too large for it (dtype='float32' shows which)"
            )


def read_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a folder, or raise `ModelUnusable` if it makes a text much longer."""
    from transformers import AutoTokenizer

    check_tokenizer_file(folder)  # added tokens are normalized when it is loaded
    tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    if getattr(tokenizer, "is_fast", False):
        check_growth(folder, backend_components(tokenizer))  # of other files
    return tokenizer


def read_generation_config(folder: Path) -> dict[str, Any]:
    """Return the option for a generation config that needs a change: `num_return_sequences` has no effect.

    Raises:
        ModelUnusable: transformers refuses an entry when it loads the model; names the file.
    """
    from transformers import GenerationConfig

    if not (folder / GENERATION_CONFIG).is_file():
        return {}
    values = read_object(folder / GENERATION_CONFIG)
    is_changed = values.pop("num_return_sequences", None) is not None
    try:
        config: Any = GenerationConfig.from_dict(values)
    except Exception as error:  # it checks some entries by using them
        reason = reason_of(error).rstrip(".")
        raise ModelUnusable(
            f"{folder / GENERATION_CONFIG} has an entry that cannot be used ({reason}): change it or remove it"
        ) from error
    return {"generation_config": config} if is_changed else {}

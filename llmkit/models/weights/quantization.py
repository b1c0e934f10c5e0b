"""Quantized weights: int8 by torchao, int4 by bitsandbytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

METHODS = ("int8", "int4")


def quantization_config(method: str | None, dtype: torch.dtype) -> dict[str, Any]:
    """Return the argument of `from_pretrained` that quantizes weights; activations stay in `dtype`.

    int8 has one scale for each row of a weight matrix (torchao); int4 is NF4 in blocks of 64 (bitsandbytes; QLoRA,
    Dettmers et al. 2023), as torchao 0.18 packs no int4 for a CPU.

    Raises:
        InputError: there is no such quantization, or its library is not installed.
    """
    validate_method(method)
    if method is None:
        return {}
    try:
        return {"quantization_config": _int8() if method == "int8" else _int4(dtype)}
    except ImportError as error:
        raise InputError(
            f"quantization={method!r} needs {error.name}: python -m pip install 'llmkit[quantization]'"
        ) from error


def validate_method(method: str | None) -> None:
    """Check that there is such a quantization.

    Raises:
        InputError: there is none.
    """
    if method not in (None, *METHODS):
        raise InputError(f"quantization is {method!r}, but must be {' or '.join(METHODS)}, or left out")


def _int8() -> Any:
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    return TorchAoConfig(Int8WeightOnlyConfig(version=2))


def _int4(dtype: torch.dtype) -> Any:
    import bitsandbytes  # noqa: F401  (transformers would say less clearly that it is missing)
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def check_int4_layers(model: PreTrainedModel, method: str | None) -> None:
    """Check that a model's layers have sizes that int4 takes on a CPU; bitsandbytes would fail at the first use only.

    Raises:
        InputError: one has not.
    """
    if method != "int4" or model.device.type != "cpu":
        return
    for name, layer in model.named_modules():
        if type(layer).__name__ == "Linear4bit" and layer.in_features % _BLOCK:
            raise InputError(
                f"quantization is 'int4', for which a CPU needs layers of {_BLOCK}, 2 x {_BLOCK}, … inputs, but "
                f"{name} has {layer.in_features}: take 'int8'"
            )


_BLOCK = 64


def weights_nbytes(model: PreTrainedModel) -> int:
    """Return the memory of a model's weights in bytes, as stored; shared tensors count once."""
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return sum(_nbytes(tensor) for tensor in tensors.values())


def _nbytes(tensor: Any) -> int:
    if not hasattr(tensor, "__tensor_flatten__"):
        return int(tensor.nbytes)
    inner, _ = tensor.__tensor_flatten__()
    return sum(_nbytes(getattr(tensor, name)) for name in inner)

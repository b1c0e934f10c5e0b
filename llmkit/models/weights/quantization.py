"""Weights in fewer bits, by libraries that are kept well: torchao for int8, bitsandbytes for int4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

KINDS = ("int8", "int4")


def quantization_config(kind: str | None, dtype: torch.dtype) -> dict[str, Any]:
    """Give the argument of `from_pretrained` that reads weights in fewer bits; activations stay in `dtype`.

    int8 has one scale for each row of a weight matrix (torchao); int4 is NF4 in blocks of 64 (bitsandbytes; QLoRA,
    Dettmers et al. 2023), as torchao 0.18 packs no int4 for a CPU.

    Raises:
        InputError: there is no such kind, or its library is not installed.
    """
    check_kind(kind)
    if kind is None:
        return {}
    try:
        return {"quantization_config": _int8() if kind == "int8" else _int4(dtype)}
    except ImportError as error:
        raise InputError(
            f"quantization={kind!r} needs {error.name}: python -m pip install 'llmkit[quantization]'"
        ) from error


def check_kind(kind: str | None) -> None:
    """Check that there is such a quantization.

    Raises:
        InputError: there is none.
    """
    if kind not in (None, *KINDS):
        raise InputError(f"quantization is {kind!r}, but must be {' or '.join(KINDS)}, or left out")


def _int8() -> Any:
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    return TorchAoConfig(Int8WeightOnlyConfig(version=2))


def _int4(dtype: torch.dtype) -> Any:
    import bitsandbytes  # noqa: F401  (transformers would say less clearly that it is missing)
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def check_widths(model: PreTrainedModel, kind: str | None) -> None:
    """Check that a model's layers are such as int4 takes on a CPU, which finds out at the first use only.

    Raises:
        InputError: they are not.
    """
    if kind != "int4" or model.device.type != "cpu":
        return
    for name, layer in model.named_modules():
        if type(layer).__name__ == "Linear4bit" and layer.in_features % _BLOCK:
            raise InputError(
                f"quantization is 'int4', for which a CPU needs layers of {_BLOCK}, 2 x {_BLOCK}, … inputs, but "
                f"{name} has {layer.in_features}: take 'int8'"
            )


_BLOCK = 64


def weights_nbytes(model: PreTrainedModel) -> int:
    """Give the memory of a model's weights in bytes, as they are stored; tensors that are shared count once."""
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return sum(_nbytes(tensor) for tensor in tensors.values())


def _nbytes(tensor: Any) -> int:
    if not hasattr(tensor, "__tensor_flatten__"):
        return int(tensor.nbytes)
    inner, _ = tensor.__tensor_flatten__()
    return sum(_nbytes(getattr(tensor, name)) for name in inner)

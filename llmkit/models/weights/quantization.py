"""Quantized weights: int8 by torchao, int4 by bitsandbytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

METHODS = ("int8", "int4")


_BLOCK = 64


def quantization_config(method: str | None, dtype: torch.dtype) -> dict[str, Any]:
    """Return the argument of `from_pretrained` that quantizes weights; activations stay in `dtype`.

    int8 has one scale for each row of a weight matrix (torchao); int4 is NF4 in blocks of 64 (bitsandbytes; QLoRA,
    Dettmers et al. 2023), as torchao 0.18 packs no int4 for a CPU.

    Raises:
        InputError: the library is not installed.
    """
    try:
        if method == "int8":
            from torchao.quantization import Int8WeightOnlyConfig
            from transformers import TorchAoConfig

            return {"quantization_config": TorchAoConfig(Int8WeightOnlyConfig(version=2))}
        if method == "int4":
            import bitsandbytes  # noqa: F401  (transformers would say less clearly that it is missing)
            from transformers import BitsAndBytesConfig

            int4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
            return {"quantization_config": int4}
    except ImportError as error:
        install = "python -m pip install 'llmkit[quantization]'"
        raise InputError(f"quantization={method!r} needs {error.name}: {install}") from error
    return {}


def validate_method(method: str | None) -> None:
    """Raise `InputError` if there is no such quantization."""
    if method not in (None, *METHODS):
        raise InputError(f"quantization is {method!r}, but must be {' or '.join(METHODS)}, or left out")


def check_int4_layers(model: PreTrainedModel, method: str | None) -> None:
    """Raise `InputError` if int4 on a CPU does not take a layer's size; bitsandbytes fails only when it is used."""
    if method != "int4" or model.device.type != "cpu":
        return
    for name, layer in model.named_modules():
        if type(layer).__name__ == "Linear4bit" and layer.in_features % _BLOCK:
            raise InputError(
                f"quantization is 'int4', for which a CPU needs layers of {_BLOCK}, 2 x {_BLOCK}, … inputs, but "
                f"{name} has {layer.in_features}: take 'int8'"
            )


def weights_nbytes(model: PreTrainedModel) -> int:
    """Return the memory of a model's weights in bytes, as stored; shared tensors count once."""
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return sum(_nbytes(tensor) for tensor in tensors.values())


def _nbytes(tensor: Any) -> int:
    if not hasattr(tensor, "__tensor_flatten__"):
        return int(tensor.nbytes)
    inner, _ = tensor.__tensor_flatten__()
    return sum(_nbytes(getattr(tensor, name)) for name in inner)

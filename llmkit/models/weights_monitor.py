"""Whether a model's weights or adapters have changed since they were last looked at.

What was computed with earlier weights must not be used with others: cached keys and values, packed weights, measured
priors. A look costs a millisecond or two for the default model. It compares

- the memory, type, shape and version counter of each parameter and persistent buffer: moves, replaced tensors,
  optimizer steps, `load_state_dict` and all in-place operations that autograd counts;
- the values of small tensors, and samples of large ones: writes through `.data`, which are not counted, such as PEFT's
  merges;
- PEFT's state in each layer: active adapters, disabled or merged ones, and their scaling;
- forward hooks of its layers, and a `forward` that was replaced in one. Those of the model itself, which often only
  count or log, are not looked at.

A write through `.data` to a few values of a large tensor, and what a hook does by variables of its own, are not seen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import torch

from llmkit.errors import ModelUnusable

_SMALL = 2**16  # most values of a tensor that are all compared; with 2**17 a look takes twice as long
_SAMPLES = 64  # values of a larger one
_GOLDEN = 0.618  # samples at this part of a row after each other are in all columns
_PLAIN = (torch.Tensor, torch.nn.Parameter)

NamedTensor = tuple[str, torch.Tensor]


class WeightsMonitor:
    """Counts the changes of a model's weights that it has noticed.

    Attributes:
        version: the number of changes; equal versions mean equal weights.
        unseen: how many of them `mark_changed` counted.
    """

    def __init__(self, model: Any) -> None:
        self.version = self.unseen = 0
        self._model = model
        self._lock = threading.Lock()
        self._state, self._samples = self._look(list(walk_modules(model)))

    def check(self) -> int:
        """Compare the weights with those of the last check, and return the version.

        Raises:
            ModelUnusable: the model, or a dropout layer in it, is in training mode, in which its answers are random.
        """
        with self._lock:
            modules = list(walk_modules(self._model))
            _require_eval_mode(modules)
            state, samples = self._look(modules)
            if state != self._state or not _equal(samples, self._samples):
                self.version += 1
                self._state, self._samples = state, samples
            return self.version

    def mark_changed(self) -> None:
        """Count a change that `check` cannot see."""
        with self._lock:
            self.version += 1
            self.unseen += 1

    @torch.inference_mode()
    def _look(self, modules: list[Any]) -> tuple[list[Any], list[torch.Tensor]]:
        tensors = [tensor for module in modules for _, tensor in tensors_of(module)]
        state: list[Any] = [identity(tensor) for tensor in tensors]
        state.extend(adapter_state(module) for module in modules if has_adapters(module))
        state.extend(
            (index, *code) for index, module in enumerate(modules) if index and (code := replaced_code(module))
        )
        groups: dict[Any, list[torch.Tensor]] = {}
        for tensor in tensors:
            if (values := sample(tensor)) is not None:
                groups.setdefault((tensor.device, tensor.dtype), []).append(values)
        return state, [torch.cat(samples) for samples in groups.values()]


def walk_modules(module: Any) -> Iterator[Any]:
    """Yield a module and all modules in it, in the order of registration; shared ones each time."""
    yield module
    for child in module._modules.values():  # named_modules takes four times as long
        if child is not None:
            yield from walk_modules(child)


def tensors_of(module: Any) -> Iterator[NamedTensor]:
    """Yield a module's own parameters and buffers, but for derived buffers that a forward pass may change.

    Of the buffers that are not persistent these are rotary frequencies, unless they depend on the prompt's length.
    """
    for name, tensor in module._parameters.items():
        if tensor is not None:
            yield name, tensor
    for name, tensor in module._buffers.items():
        if tensor is None:
            continue
        if name not in module._non_persistent_buffers_set or (name.endswith("inv_freq") and _is_fixed(module)):
            yield name, tensor


def _is_fixed(rotary: Any) -> bool:
    kinds = str(getattr(rotary, "rope_type", ""))
    return "dynamic" not in kinds and "longrope" not in kinds


def replaced_code(module: Any) -> list[Any]:
    """Return what runs in a module beside the code of its class: hooks, and a `forward` of its own.

    Those of accelerate, which move data between devices, and of transformers, which read hidden states, change nothing.
    """
    own = module.__dict__.get("forward")
    if own is None and not module._forward_pre_hooks and not module._forward_hooks:
        return []
    hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
    code = [hook for hook in hooks if getattr(hook, "__module__", "") != "transformers.utils.output_capturing"]
    return code if own is None or hasattr(module, "_hf_hook") else [*code, own]


def has_adapters(module: Any) -> bool:
    """Return whether a module is a layer with PEFT's adapters."""
    return hasattr(type(module), "_disable_adapters")


def adapter_state(module: Any) -> str:
    """Return which of a layer's adapters are used, and how."""
    names = ("_active_adapter", "_disable_adapters", "merged_adapters", "scaling")
    return repr([getattr(module, name, None) for name in names])


def require_eval_mode(model: Any) -> None:
    """Raise `ModelUnusable` if the model is being trained, or has a dropout layer that is, as of an adapter added.

    What wraps a model of transformers, such as a new `SentenceTransformer`, may be in training mode: it has no effect.
    """
    _require_eval_mode(list(walk_modules(model)))


def _require_eval_mode(modules: list[Any]) -> None:
    from transformers import PreTrainedModel

    dropout = torch.nn.modules.dropout._DropoutNd
    model = next((module for module in modules if isinstance(module, PreTrainedModel)), modules[0])
    if model.training or any(module.training and isinstance(module, dropout) and module.p > 0 for module in modules):
        raise ModelUnusable(
            f"this {type(model).__name__} is in training mode, in which its answers are random: call its eval() first"
        )


def identity(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Return the memory, type and version of a tensor: they change with its values, but for writes to `.data`."""
    version = -1 if tensor.is_inference() else tensor._version
    pointers = [tensor.data_ptr()] if type(tensor) in _PLAIN else [part.data_ptr() for part in inner_tensors(tensor)]
    return version, tensor.dtype, *pointers


def inner_tensors(tensor: Any) -> list[torch.Tensor]:
    """Return the tensors that a quantized tensor consists of, or a plain tensor itself."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return [tensor]
    return [part for name in tensor.__tensor_flatten__()[0] for part in inner_tensors(getattr(tensor, name))]


def sample(tensor: torch.Tensor) -> torch.Tensor | None:
    """Return the values of a small tensor, some of a large one; `None` if they are elsewhere or quantized."""
    size = tensor.numel()
    if type(tensor) not in _PLAIN or tensor.is_meta or not size:
        return None
    if size <= _SMALL:
        return tensor.reshape(-1)
    if not tensor.is_contiguous():
        return tensor[(0,) * (tensor.dim() - 1)][:_SAMPLES]
    stride, width = size // _SAMPLES, tensor.shape[-1]
    if rows := stride // width:
        stride = (rows - 1) * width + int(_GOLDEN * width)
    return tensor.as_strided((_SAMPLES,), (stride,), tensor.storage_offset())


def _equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    """Return whether all bits are equal: a NaN equals itself."""
    return len(first) == len(second) and all(
        a.device == b.device and torch.equal(a.view(torch.uint8), b.view(torch.uint8))
        for a, b in zip(first, second, strict=True)
    )

"""Whether a model's weights or adapters have changed since they were last looked at.

What was computed with earlier weights must not be used with others: cached keys and values, packed weights, measured
priors. A look costs a millisecond or two for the default model. It compares

- the memory, type, shape and version counter of each parameter and persistent buffer: moves, replaced tensors,
  optimizer steps, `load_state_dict` and all in-place operations that autograd counts;
- samples of their values: writes through `.data`, which are not counted, such as PEFT's merges;
- PEFT's state in each layer: active adapters, disabled or merged ones, and their scaling.

A write through `.data` to a few values of a large tensor, a forward hook and a replaced `forward` are not seen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import torch

from llmkit.errors import ModelUnusable

_SAMPLES = 16  # values of each tensor
_PLAIN = (torch.Tensor, torch.nn.Parameter)

NamedTensor = tuple[str, torch.Tensor]


class WeightsMonitor:
    """Counts the changes of a model's weights that it has noticed.

    Attributes:
        version: the number of changes; equal versions mean equal weights.
    """

    def __init__(self, model: Any) -> None:
        self.version = 0
        self._model = model
        self._lock = threading.Lock()
        self._state, self._samples = self._look()

    def check(self) -> int:
        """Compare the weights with those of the last check, and return the version.

        Raises:
            ModelUnusable: the model is in training mode, in which its answers are random.
        """
        with self._lock:
            require_eval_mode(self._model)
            state, samples = self._look()
            if state != self._state or not _equal(samples, self._samples):
                self.version += 1
                self._state, self._samples = state, samples
            return self.version

    def mark_changed(self) -> None:
        """Count a change that `check` cannot see."""
        with self._lock:
            self.version += 1

    @torch.inference_mode()
    def _look(self) -> tuple[list[Any], list[torch.Tensor]]:
        modules = list(walk_modules(self._model))
        tensors = [tensor for module in modules for _, tensor in tensors_of(module)]
        state: list[Any] = [identity(tensor) for tensor in tensors]
        state.extend(adapter_state(module) for module in modules if has_adapters(module))
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
    """Yield a module's own parameters and persistent buffers: others are derived, such as rotary frequencies."""
    for name, tensor in module._parameters.items():
        if tensor is not None:
            yield name, tensor
    for name, tensor in module._buffers.items():
        if tensor is not None and name not in module._non_persistent_buffers_set:
            yield name, tensor


def has_adapters(module: Any) -> bool:
    """Return whether a module is a layer with PEFT's adapters."""
    return hasattr(type(module), "_disable_adapters")


def adapter_state(module: Any) -> str:
    """Return which of a layer's adapters are used, and how."""
    names = ("_active_adapter", "_disable_adapters", "merged_adapters", "scaling")
    return repr([getattr(module, name, None) for name in names])


def require_eval_mode(model: Any) -> None:
    """Raise `ModelUnusable` if the model is being trained."""
    if model.training:
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
    """Return some values of a tensor as a view, evenly spaced; `None` if its values are elsewhere or quantized."""
    size = tensor.numel()
    if type(tensor) not in _PLAIN or tensor.is_meta or not size:
        return None
    if not tensor.is_contiguous():
        return tensor[(0,) * (tensor.dim() - 1)][:_SAMPLES]
    return tensor.as_strided((min(_SAMPLES, size),), (max(size // _SAMPLES, 1),), tensor.storage_offset())


def _equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    """Return whether all bits are equal: a NaN equals itself."""
    return len(first) == len(second) and all(
        a.device == b.device and torch.equal(a.view(torch.uint8), b.view(torch.uint8))
        for a, b in zip(first, second, strict=True)
    )

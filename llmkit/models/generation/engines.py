"""Engines by what they were loaded from: model objects, copies and unpickled ones share the weights of one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from llmkit.errors import InputError, kind_of
from llmkit.models.generation.engine import Engine
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.weights.context_window import validate_window
from llmkit.models.weights.file_state import ModelSpec, file_state, is_unchanged
from llmkit.models.weights.loading import from_objects, load

_lock = threading.RLock()


@dataclass(frozen=True)
class EngineSpec(ModelSpec):
    """What an engine is loaded from; `context_window` is 0 for the model's own."""

    context_window: int = 0


class NamedEngine(Engine):
    """An engine of a model that has a name: it is pickled as its specification, and found or loaded again."""

    def __init__(self, loaded: LoadedModel, spec: EngineSpec, files: tuple[object, ...]) -> None:
        super().__init__(loaded)
        self.spec, self.files = spec, files  # as they were before they were read

    def __reduce__(self) -> tuple[Any, ...]:
        if self.loaded.check_weights():
            raise InputError(
                f"the weights of {self.spec.model} have changed since they were loaded, so its name does not stand for "
                "them: save them (llm.engine.loaded.model.save_pretrained(folder), the tokenizer too) and load the "
                "folder"
            )
        return find_engine, (self.spec,)


_engines: WeakValueDictionary[EngineSpec, NamedEngine] = WeakValueDictionary()


def find_engine(spec: EngineSpec) -> NamedEngine:
    """Return the engine in this process with the same weights, loaded in the same way, or load one.

    One whose weights, or whose files on the disk, were changed stays with those who have it.
    """
    with _lock:
        files = file_state(spec.model)
        engine = _engines.get(spec)
        if engine is None or not is_unchanged(engine.loaded, engine.files, files):
            loaded = _with_window(spec, files) or _load(spec)
            engine = _engines[spec] = NamedEngine(loaded, spec, files)
        return engine


def engine_of_objects(model: Any, tokenizer: Any, context_window: int) -> Engine:
    """Return a new engine of a model and a tokenizer that are loaded.

    Raises:
        InputError: these are no such objects.
        ModelUnusable: the model cannot generate text.
    """
    if not hasattr(model, "config"):
        raise InputError(f"model is {kind_of(model)}, but must be a name, or a model of transformers")
    if tokenizer is None:
        raise InputError("a loaded model needs its tokenizer: pass tokenizer= with model=")
    return Engine(from_objects(model, tokenizer, context_window=context_window or None))


def _load(spec: EngineSpec) -> LoadedModel:
    where: dict[str, Any] = {"device": spec.device, "dtype": spec.dtype, "quantization": spec.quantization}
    return load(spec.model, **where, context_window=spec.context_window or None)


def _with_window(spec: EngineSpec, files: tuple[object, ...]) -> LoadedModel | None:
    """Return the weights of an engine that differs in the context window alone, with this window."""
    if not spec.context_window:
        return None
    for other, engine in list(_engines.items()):
        loaded = engine.loaded
        if replace(other, context_window=spec.context_window) == spec and is_unchanged(loaded, engine.files, files):
            validate_window(loaded.model, spec.context_window)
            completion = loaded.completion_window if loaded.is_encoder_decoder else spec.context_window
            return replace(loaded, window=spec.context_window, completion_window=completion)
    return None

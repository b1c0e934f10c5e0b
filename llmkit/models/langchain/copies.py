"""Copies of models: they share the engine. A pickled model finds or loads it again."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Mapping
from typing import Any

from llmkit.errors import InputError, SettingsError
from llmkit.models.generation.engines import NamedEngine
from llmkit.models.generation.settings import NAMES

_LOADING = {"model", "tokenizer", "device", "dtype", "quantization", "context_window"}
_SHARED = {"model", "tokenizer", "cache", "callbacks", "rate_limiter"}  # by deep copies too


class Copies:
    """How a model is copied, with other fields or settings, and pickled."""

    def model_copy(self: Any, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Any:
        """Return a copy with some fields or generation settings changed, checked as the constructor checks them.

        It shares the engine unless the change is about what is loaded.

        Raises:
            SettingsError: a name is unknown, or a value is wrong.
        """
        source = copy.deepcopy(self) if deep else self
        changes = dict(update or {})
        if isinstance(changes.get("model"), os.PathLike):
            changes["model"] = os.fspath(changes["model"])
        known = {*type(self).model_fields, *NAMES, "max_tokens", "do_sample"}
        if unknown := sorted(changes.keys() - known):
            raise SettingsError(
                f"{unknown[0]} is no field and no generation setting: the settings are {', '.join(NAMES)}"
            )
        settings = changes.pop("settings", source.settings)
        # A field that nobody set stays unset: with `streaming` set to false, LangChain does not stream.
        given = (source.model_fields_set | {"model"}) & type(self).model_fields.keys() - {"settings"}
        fields = {name: getattr(source, name) for name in given}
        loading = changes.keys() & _LOADING
        if not loading or (loading == {"model"} and isinstance(changes["model"], str)):
            model = changes.pop("model", source.model)
            fields |= {"model": self.engine_for(model), "context_window": 0}
            copied = type(self)(**{**fields, **changes}, settings=settings)
            copied.model = model
            return copied
        engine = self.engine
        fields["context_window"] = engine.spec.context_window if isinstance(engine, NamedEngine) else 0
        if isinstance(changes.get("model"), str):
            fields["tokenizer"] = None
        return type(self)(**{**fields, **changes}, settings=settings)

    def __deepcopy__(self: Any, memo: dict[int, Any] | None = None) -> Any:
        copied = self.__copy__()
        for name in type(self).model_fields.keys() - _SHARED:
            vars(copied)[name] = copy.deepcopy(getattr(self, name), memo)
        return copied

    def __getstate__(self: Any) -> dict[str, Any]:
        if not isinstance(self.engine, NamedEngine):
            raise InputError(
                "this model was given as objects, and only a model by name can be pickled: save it "
                "(model.save_pretrained(folder) and tokenizer.save_pretrained(folder)) and use "
                f"{type(self).__name__}(folder)"
            )
        for name in ("callbacks", "rate_limiter", "cache"):
            _require_no_lock(name, getattr(self, name, None))
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {**state, "__pydantic_private__": {"_engine": self.engine, "_other": None}}


def _require_no_lock(name: str, value: Any) -> None:
    """Raise `InputError` if a field's value cannot be in another process; what cloudpickle can do is left to it."""
    try:
        pickle.dumps(value)
    except TypeError as error:
        raise InputError(
            f"{name} cannot be pickled ({error}), so neither can this model: pickle a copy without it "
            f'(model_copy(update={{"{name}": None}})), and set it again in the other process'
        ) from error
    except (pickle.PicklingError, AttributeError):  # a lambda or a local class
        return

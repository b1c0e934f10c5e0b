"""What LangChain's cache knows an answer by: all that the answer depends on.

LangChain's cache (`set_llm_cache`) returns the answer that was given for the same prompt and the same key. The key here
has a digest of weights, adapters, tokenizer, chat template and generation config, and every option of the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.globals import get_llm_cache
from langchain_core.language_models.base import LangSmithParams

from llmkit.models.generation.settings import NAMES
from llmkit.models.langchain.batching import NOT_OPTIONS
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.weights.digest import hash_text

_completion_key: ContextVar[str] = ContextVar("llmkit_completion_key", default="")


class CacheKeys:
    """The identity of a model and of a call, for LangChain's cache and tracers."""

    @property
    def _identifying_params(self: Any) -> dict[str, Any]:
        name = self.engine.loaded.name
        params = {"model": name, "dtype": self.dtype, "quantization": self.quantization, "settings": self.settings}
        if self._uses_cache:  # tracers do not need it, and the first time it takes a while
            params["digest"] = self.engine.digest()
        return params

    @property
    def _uses_cache(self: Any) -> bool:
        return self.cache is not False and (isinstance(self.cache, BaseCache) or get_llm_cache() is not None)

    def _call_key(self: Any, stop: Sequence[str] | None, options: Mapping[str, Any]) -> str:
        """Return the key of a call, or raise what its options would raise."""
        given = {name: value for name, value in options.items() if name not in NOT_OPTIONS and name != "model"}
        call = CallOptions.parse(self.settings, stop, given)
        chosen = {field.name: getattr(call, field.name) for field in fields(call) if field.name != "timeout"}
        digest = self.engine_for(options.get("model")).digest()
        tuning = getattr(self, "tool_tuning", None)  # of chat models
        return f"{self._llm_type} {digest} {hash_text(sorted(chosen.items()), tuning)}"

    def _get_llm_string(self: Any, stop: list[str] | None = None, **kwargs: Any) -> str:
        return str(self._call_key(stop, kwargs))

    @contextmanager
    def _keyed(self: Any, stop: Sequence[str] | None, options: Mapping[str, Any]) -> Iterator[None]:
        """Put the key of a call into `asdict`, which is the key of completion models, but without a call's options."""
        token = _completion_key.set(self._call_key(stop, options) if self._uses_cache else "")
        try:
            yield
        finally:
            _completion_key.reset(token)

    def asdict(self: Any) -> dict[str, Any]:
        """Return what identifies the model, as LangChain's tracers and caches read it."""
        key = _completion_key.get()
        return {**self._identifying_params, "_type": self._llm_type, **({"call": key} if key else {})}

    def _get_ls_params(self: Any, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params: LangSmithParams = super()._get_ls_params(stop=stop, **kwargs)  # type: ignore[misc]
        settings = self.settings.override(**{name: kwargs[name] for name in NAMES if name in kwargs})
        params["ls_provider"], params["ls_model_name"] = "huggingface", str(kwargs.get("model") or self.model_name)
        if settings.temperature is not None:
            params["ls_temperature"] = settings.temperature
        if settings.max_new_tokens is not None:
            params["ls_max_tokens"] = settings.max_new_tokens
        if isinstance(stop, list) or settings.stop:  # what else it may be is refused by the call itself
            params["ls_stop"] = list(stop or settings.stop)
        return params

"""What the chat model and the completion model share: construction, token counts, scoring, and preparing a call."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import BaseLanguageModel
from langchain_core.runnables.config import run_in_executor
from pydantic import Field, PrivateAttr, SecretStr, ValidationError

from llmkit.errors import InputError, LlmkitError, SettingsError
from llmkit.models import DEFAULT_MODEL
from llmkit.models.cancellation import caller_event
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.engines import EngineSpec, engine_of_objects, find_engine
from llmkit.models.generation.settings import GenerationSettings, explain
from llmkit.models.langchain.batching import (
    Batching,
    BatchPlan,
    Cancellation,
    PreparedCall,
    as_prompt_value,
    current_plan,
    prompt_key,
)
from llmkit.models.langchain.cache_keys import CacheKeys
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.langchain.copies import Copies
from llmkit.models.langchain.settings_access import SettingsAccess
from llmkit.models.scoring.continuations import continuation_lists, encode_continuations
from llmkit.models.tokens.chat_template import Layout
from llmkit.models.tokens.token_ids import is_token_ids
from llmkit.models.weights.catalog import CATALOG
from llmkit.models.weights.quantization import weights_nbytes

_others_lock = threading.RLock()


class LocalModel(SettingsAccess, CacheKeys, Copies, Batching, BaseLanguageModel[Any]):
    """A model that runs in this process: which one, where, and with what settings.

    Attributes:
        model: a name or a path (see `llmkit.models.weights.catalog.resolve`), a loaded transformers model, or the
            `engine` of another model object, to share its weights; default: the environment variable `LLMKIT_MODEL`, or
            the catalog's default model.
        tokenizer: the tokenizer of a loaded model; not needed with a name.
        device: "cpu", "cuda", "cuda:1", "mps", "auto" (the best one here), or a device map of accelerate.
        dtype: "float32" (then exact to the last bit), "bfloat16", "float16" or "auto" (what the device multiplies
            fastest).
        quantization: "int8", "int4" or `None`.
        settings: the generation settings of every call that does not override them.
        context_window: the most tokens that a prompt and its completion may have together.
        timeout: seconds that a call may take to generate, checked after each token; a batch is one call. Then
            `GenerationTimeout` is raised. `None` is no limit.
        max_retries: accepted because LangChain's models have it, and not used, like `api_key`.
    """

    model: Any = Field(default_factory=lambda: os.environ.get("LLMKIT_MODEL", DEFAULT_MODEL))
    tokenizer: Any = None
    device: str = "auto"
    dtype: str = "auto"
    quantization: str | None = None
    settings: GenerationSettings = GenerationSettings()
    context_window: int = Field(default=0, ge=0)
    timeout: float | None = Field(default=None, gt=0)
    max_retries: int | None = Field(default=None, ge=0)
    api_key: SecretStr | None = Field(default=None, exclude=True)

    _engine: Engine = PrivateAttr()
    _other: tuple[Any, Engine] | None = PrivateAttr(default=None)  # the last that a call asked for stays loaded
    _continues_prompt: ClassVar[bool] = False  # whether a completion is more of the prompt's own text

    def __init__(self, model: Any = None, *, settings: GenerationSettings | None = None, **fields: Any) -> None:
        if model is not None:
            fields["model"] = os.fspath(model) if isinstance(model, os.PathLike) else model
        known = set(type(self).model_fields)
        changes = {name: fields.pop(name) for name in list(fields) if name not in known}
        if not isinstance(settings, GenerationSettings | None):
            raise SettingsError(f"settings is {settings!r}, but must be a GenerationSettings")
        settings = (settings or GenerationSettings()).override(**changes)
        if isinstance(fields.get("context_window"), bool):
            raise InputError(f"context_window is {fields['context_window']}, but must be a whole number of tokens")
        try:
            super().__init__(settings=settings, **fields)  # type: ignore[call-arg]
        except ValidationError as error:
            raise InputError(explain(error)) from error
        self._engine = self.engine_for(self.model)
        self.context_window = self._engine.loaded.window

    @property
    def engine(self) -> Engine:
        """What computes; shared by all model objects with the same weights, loaded in the same way."""
        return self._engine

    def engine_for(self, model: Any) -> Engine:
        """Return the engine of this model, or of another one that a call asks for."""
        engine: Engine | None = getattr(self, "_engine", None)
        model = os.fspath(model) if isinstance(model, os.PathLike) else model
        if engine is None:
            return self._find(model, self.context_window)
        if model is None or model == self.model:
            return engine
        with _others_lock:
            if self._other is None or self._other[0] != model:
                self._other = None  # first, so that two others are not in memory at once
                self._other = (model, self._find(model, 0))
            return self._other[1]

    def _find(self, model: Any, window: int) -> Engine:
        if isinstance(model, Engine):
            return model
        if not isinstance(model, str):
            return engine_of_objects(model, self.tokenizer, window)
        return find_engine(EngineSpec(model, self.device, self.dtype, self.quantization, window))

    @property
    def model_name(self) -> str:
        """The model's name in the catalog or on the hub, or else its folder or class."""
        return self._engine.loaded.name

    @property
    def weights_version(self) -> int:
        """How many changes of the weights or adapters were noticed since they were loaded; looks for one now."""
        return self._engine.loaded.check_weights()

    @property
    def tokenizer_state(self) -> object:
        """Equal values mean that the tokenizer has not been changed, such as by tokens or another chat template."""
        return self._engine.tokenizer_parts.state

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the model knows, by their codes of ISO 639-1; empty where the catalog does not say."""
        entry = CATALOG.get(self.model_name)
        return entry.languages if entry and not self.weights_version else ()

    def reset_caches(self) -> None:
        """Drop all that was computed from the weights, such as cached keys and values.

        Needed only after a change that is not noticed before each call: a write through `.data` to a few values of a
        large tensor, a hook on the model itself or with variables of its own.
        """
        self._engine.loaded.mark_weights_changed()
        self._engine.prefix_cache.clear()

    @property
    def num_parameters(self) -> int:
        """How many weights the model has."""
        return int(self._engine.loaded.model.num_parameters())

    @property
    def layout(self) -> Layout:
        """How a prompt is rendered: "chat", "completion", or "flan" for an encoder-decoder model."""
        return self._engine.encoder.layout

    def get_token_ids(self, text: str) -> list[int]:
        """Return the model's own tokens of plain text, without start or end tokens."""
        return self._engine.encoder.encode_text(text, special=False)

    def get_num_tokens_from_messages(
        self, messages: LanguageModelInput, tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Count the tokens that the model receives for an input of `invoke`, with its markup and the tools."""
        given = {"tools": tools, **kwargs} if tools is not None or kwargs else None
        options = CallOptions.parse(self.settings, None, given) if given else CallOptions(self.settings)
        prompt = self._convert(messages)
        return 0 if prompt == [] else len(self._encode(prompt, options, self._engine))  # trim_messages counts none too

    def encode_ahead(self, inputs: Sequence[LanguageModelInput], texts: Sequence[str] = ()) -> None:
        """Encode inputs and plain texts that will soon be counted, in few calls; what is wrong is left to these."""

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the half-open range of characters of `text` that each of its tokens covers."""
        return self._engine.encoder.offsets(text)

    def score(
        self,
        inputs: Sequence[Any],
        continuations: Sequence[str] | Sequence[Sequence[str]],
        *,
        include_eos: bool = False,
    ) -> npt.NDArray[np.float64] | list[npt.NDArray[np.float64]]:
        """Compute the log-likelihood of each continuation after each input, in nats, summed over its tokens.

        Args:
            inputs: prompts, as for `invoke`.
            continuations: one list for all inputs, or a list for each.
            include_eos: score whole completions: the token that ends one counts too.

        Returns:
            An array `[inputs, continuations]`, or with a list for each input, a list of arrays.

        Raises:
            InputError: there is nothing to score, or a text is empty (an input only if no token begins a text).
            ContextWindowExceeded: an input and its longest continuation do not fit the window together.
        """
        lists, shared = continuation_lists(inputs, continuations)
        encoder = self._engine.encoder
        end = self._engine.loaded.likeliest_eos if include_eos else []
        options = CallOptions(self.settings)
        prompts = [self._encode(self._convert(given), options, self._engine) for given in inputs]
        encoded = encode_continuations(encoder, prompts, lists, end=end, is_completion=self._continues_prompt)
        scores = self._engine.scorer.score(prompts, encoded, self._engine.decoder_start(self.settings))
        return np.stack(scores) if shared else scores

    def _convert(self, given: LanguageModelInput) -> Any:
        """Return an input of `invoke` as LangChain gives it to `_generate`: messages, or text."""
        raise NotImplementedError

    def _encode(self, prompt: Any, options: CallOptions, engine: Engine) -> list[int]:
        """Return the tokens of messages or text."""
        raise NotImplementedError

    def _resolve(self, prompt: Any, options: CallOptions, engine: Engine) -> CallOptions:
        """Decide what the options leave to the model before it generates."""
        return options

    def prepare_call(
        self, prompt: Any, stop: Sequence[str] | None = None, options: Mapping[str, Any] = MappingProxyType({})
    ) -> PreparedCall:
        """Check and encode one call, before any computation; the options are those of `invoke`.

        The prompt is a list of messages for a chat model; text or a list of token ids for a completion model.
        """
        given = {name: value for name, value in options.items() if name not in ("model", "_cancel")}
        call = CallOptions.parse(self.settings, stop, given)
        cancel = Cancellation(call.timeout or self.timeout, options.get("_cancel") or caller_event())
        engine = self.engine_for(options.get("model"))
        if not is_token_ids(prompt):
            engine.encoder.check_length(prompt, engine.loaded.window)
        call = self._resolve(prompt, call, engine)
        tokens = tuple(self._encode(prompt, call, engine))
        continues = self._continues_prompt and not engine.loaded.is_encoder_decoder
        constraint = call.constraint(engine, continues_prompt=continues)
        visible = call.visible_tokens(engine.encoder)
        asked = call.tokens_to_report(engine.loaded.vocab_size)
        request = GenerationRequest(tokens, call.settings, constraint, call.logprobs, asked, cancel, continues, visible)
        engine.validate(request)
        return PreparedCall(engine, call, request, cancel)

    def _complete(self, prompt: Any, stop: Sequence[str] | None, options: Mapping[str, Any]) -> Any:
        """Return a call and its completions: from the current plan if the call is in it, else computed alone."""
        plan = current_plan.get()
        taken = plan.take(prompt_key(prompt), {**options, "stop": stop}) if plan else None
        if taken is None:
            call = self.prepare_call(prompt, stop, options)
            taken = call, call.engine.generate([call.request])[0]
        taken[0].check_time(taken[1])
        return taken

    def prepare_batch(self, inputs: Sequence[LanguageModelInput], options: Mapping[str, Any]) -> BatchPlan:
        """Prepare the calls of a batch; an input that is wrong is left to its own call, which raises the error."""
        call_options = {name: value for name, value in options.items() if name != "stop"}
        prompts, calls = [], []
        for given in inputs:
            value: Any = given
            with suppress(LlmkitError, ValueError, TypeError, NotImplementedError):
                prompt = self._convert(given)
                value = as_prompt_value(prompt)
                calls.append((prompt_key(prompt), self.prepare_call(prompt, options.get("stop"), call_options)))
            prompts.append(value)
        return BatchPlan(prompts, calls, options)

    async def _agenerate(self, *args: Any, run_manager: Any = None, **kwargs: Any) -> Any:
        """Run `_generate` in a thread, and stop it when the task is cancelled."""
        cancel = threading.Event()  # LangChain passes a call's options only to a method that takes a run_manager
        try:
            return await run_in_executor(None, self._generate, *args, **kwargs, _cancel=cancel)  # type: ignore[attr-defined]
        except asyncio.CancelledError:
            cancel.set()
            raise

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Return what `repr` shows: the model, and the settings that differ from their defaults."""
        yield "model", self.model_name
        for name, value in self.settings:
            if value != GenerationSettings.model_fields[name].default:
                yield name, value
        for name in ("device", "dtype", "quantization", "timeout"):
            field = type(self).model_fields.get(name)
            if field is not None and (value := getattr(self, name)) != field.default:
                yield name, value

    def memory_footprint(self) -> int:
        """Return the memory of the weights, and of keys and values that are kept between calls, in bytes."""
        loaded = self._engine.loaded
        packed = loaded.fast_forward.nbytes if loaded.fast_forward else 0
        return weights_nbytes(loaded.model) + packed + self._engine.cache_nbytes

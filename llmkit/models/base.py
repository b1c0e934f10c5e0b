"""What the chat model and the completion model have in common."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import BaseLanguageModel, LangSmithParams
from langchain_core.runnables.config import run_in_executor
from pydantic import Field, PrivateAttr, ValidationError

from llmkit.errors import InputError, LlmkitError, SettingsError
from llmkit.models import DEFAULT_MODEL
from llmkit.models.generation.completion import GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.generation.settings import NAMES, GenerationSettings
from llmkit.models.langchain.batching import Batching
from llmkit.models.langchain.call_options import Call
from llmkit.models.weights.loading import adopt, load
from llmkit.models.weights.quantization import weights_nbytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from llmkit.models.tokens.chat_template import Layout

SMALL_MODEL, SMALL_MODEL_TOKENS = 10**9, 512
"""Models with fewer parameters lose the thread of longer texts, whatever their window. Measured on the default model:
ten meetings of 2,000 to 20,000 words get summaries of ROUGE-1 0.16 out of one full window, and 0.32 out of parts."""

AGAINST_REPETITION = frozenset({"presence_penalty", "frequency_penalty", "repetition_penalty", "no_repeat_ngram_size"})

T = TypeVar("T")

_engines: WeakValueDictionary[tuple[Any, ...], Engine] = WeakValueDictionary()
"""Weights never change, so all in a process that ask for the same ones share them, as long as one is in use."""
_engines_lock = threading.Lock()


class LocalModel(Batching, BaseLanguageModel[Any]):
    """A model of this process: which one, where, and with what settings.

    Attributes:
        model: a name (see `llmkit.models.weights.catalog.resolve`), a loaded transformers model, or the `engine` of
            another model object, to share its weights; default: the environment variable `LLMKIT_MODEL`, or the
            catalog's default model.
        tokenizer: the loaded model's tokenizer; not needed with a name.
        device: "cpu", "cuda", "cuda:1", "mps", "auto" (the best one here), or a device map of accelerate.
        dtype: "float32" (then exact to the last bit), "bfloat16", "float16" or "auto" (what the device multiplies
            fastest).
        quantization: "int8", "int4" or `None`.
        settings: what holds for every call that does not say otherwise.
        context_window: the most tokens that a prompt and its answer may have together.
    """

    model: Any = Field(default_factory=lambda: os.environ.get("LLMKIT_MODEL", DEFAULT_MODEL))
    tokenizer: Any = None
    device: str = "auto"
    dtype: str = "auto"
    quantization: str | None = None
    settings: GenerationSettings = GenerationSettings()
    context_window: int = Field(default=0, ge=0)

    _engine: Engine = PrivateAttr()
    _other: tuple[Any, Engine] | None = PrivateAttr(default=None)  # the last that a call asked for stays loaded
    _continues_prompt: ClassVar[bool] = False  # whether an answer is more of the prompt's own text

    def __init__(self, *, settings: GenerationSettings | None = None, **fields: Any) -> None:
        known = set(type(self).model_fields)
        changes = {name: fields.pop(name) for name in list(fields) if name not in known}
        if not isinstance(settings, GenerationSettings | None):
            raise SettingsError(f"settings is {settings!r}, but must be a GenerationSettings")
        settings = (settings or GenerationSettings()).override(**changes)
        try:
            super().__init__(settings=settings, **fields)  # type: ignore[call-arg]
        except ValidationError as error:
            wrong = error.errors()[0]
            name = ".".join(map(str, wrong["loc"]))
            raise InputError(f"{name} is {wrong['input']!r}, which cannot be: {wrong['msg']}") from error
        self._engine = self.engine_for(self.model)
        self.context_window = self._engine.loaded.window

    @property
    def engine(self) -> Engine:
        """What computes: shared by all who loaded the same weights in the same way."""
        return self._engine

    def engine_for(self, model: Any) -> Engine:
        """Give the engine of this model, or of another one that a call asks for."""
        own: Engine | None = getattr(self, "_engine", None)
        if own is None:
            return self._find(model, self.context_window)
        if model is None or model == self.model:
            return own
        kept = self._other
        if kept is None or kept[0] != model:
            kept = self._other = None  # first, so that two others are not in memory at once
            kept = self._other = (model, self._find(model, 0))
        return kept[1]

    def _find(self, model: Any, window: int) -> Engine:
        if isinstance(model, Engine):
            return model
        if not isinstance(model, str):
            if self.tokenizer is None:
                raise InputError("a loaded model needs its tokenizer: pass tokenizer= with model=")
            return Engine(adopt(model, self.tokenizer, context_window=window or None))
        key = (model, self.device, self.dtype, self.quantization, window)
        with _engines_lock:
            engine = _engines.get(key)
            if engine is None:
                loaded = load(
                    model,
                    device=self.device,
                    dtype=self.dtype,
                    quantization=self.quantization,
                    context_window=window or None,
                )
                _engines[key] = engine = Engine(loaded)
        return engine

    @property
    def model_name(self) -> str:
        """The model's name in the catalog or on the hub, or else its folder or class."""
        return self._engine.loaded.name

    @property
    def num_parameters(self) -> int:
        """How many weights the model has."""
        return int(self._engine.loaded.model.num_parameters())

    @property
    def layout(self) -> Layout:
        """How a conversation is laid out: "chat", "completion", or "flan" for an encoder-decoder model."""
        return self._engine.encoder.layout

    @property
    def is_small(self) -> bool:
        """Whether the model has fewer than a billion parameters: such models read long texts badly, and repeat."""
        return self.num_parameters < SMALL_MODEL

    @property
    def repeats_itself(self) -> bool:
        """Whether the model is a small decoder, and neither its settings nor its own hold it back from repetition."""
        loaded = self._engine.loaded
        own = loaded.model.generation_config
        named = [getattr(given, name, None) for given in (self.settings, own) for name in AGAINST_REPETITION]
        held = any(value not in (None, 0, 1) for value in named)
        return self.is_small and not loaded.is_encoder_decoder and not held

    @property
    def reliable_tokens(self) -> int:
        """How long a passage the model is trusted to read: its window, or 512 tokens if it is small."""
        return min(self.context_window, SMALL_MODEL_TOKENS) if self.is_small else self.context_window

    def get_token_ids(self, text: str) -> list[int]:
        """Give the model's own tokens of plain text, without start or end tokens."""
        return self._engine.encoder.encode_text(text, special=False)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Give the half-open range of characters of `text` that each of its tokens covers."""
        return self._engine.encoder.offsets(text)

    def score(
        self,
        inputs: Sequence[Any],
        continuations: Sequence[str] | Sequence[Sequence[str]],
        *,
        include_eos: bool = False,
    ) -> npt.NDArray[np.float64] | list[npt.NDArray[np.float64]]:
        """Give how likely each text is to follow each input: log-likelihoods, in nats, summed over its tokens.

        `continuations` is one list for all inputs, which gives an array [inputs, continuations]; or a list for each
        input, which gives a list of arrays. With `include_eos`, the token that ends an answer counts too.

        Raises:
            InputError: there is nothing to score, or a text is empty.
            ContextWindowExceeded: an input and its longest continuation do not fit the window together.
        """
        import numpy as np

        for name, value in (("inputs", inputs), ("continuations", continuations)):
            if isinstance(value, str):
                raise InputError(f"{name} is {value!r}, but must be a list")
        encoder = self._engine.encoder
        shared = not continuations or isinstance(continuations[0], str)
        each: list[Any] = [continuations] * len(inputs) if shared else list(continuations)
        if not inputs or len(each) != len(inputs) or not all(each):
            raise InputError("score needs at least one input, and at least one continuation for each")
        end = self._engine.loaded.likeliest_eos if include_eos else []
        distinct = dict.fromkeys(text for texts in each for text in texts)  # each is tokenized once
        known = {text: [*encoder.encode_continuation(text), *end] for text in distinct}
        prompts = [self._prompt(given, Call(self.settings), self._engine) for given in inputs]
        scores = self._engine.scorer.score(prompts, [[known[text] for text in texts] for texts in each])
        return np.stack(scores) if shared else scores

    def _prompt(self, given: LanguageModelInput, call: Call, engine: Engine) -> list[int]:
        """Give the tokens of a prompt."""
        raise NotImplementedError

    def _decide(self, given: LanguageModelInput, call: Call, engine: Engine) -> Call:
        """Settle what a call leaves to the model before its answer begins."""
        return call

    def _request(
        self, given: LanguageModelInput, stop: Sequence[str] | None, options: Mapping[str, Any]
    ) -> tuple[Engine, Call, GenerationRequest]:
        """Sort a call's options, and check that it can be answered, before any computation."""
        own = {name: value for name, value in options.items() if name not in ("model", "_cancel")}
        engine = self.engine_for(options.get("model"))
        call = self._decide(given, Call.parse(self.settings, stop, own), engine)
        prompt = tuple(self._prompt(given, call, engine))
        cancel = options.get("_cancel") or threading.Event()
        continues_prompt = self._continues_prompt and not engine.loaded.is_encoder_decoder
        held = call.constraint(engine, continues_prompt=continues_prompt)
        shown = call.shown(engine.encoder)
        request = GenerationRequest(prompt, call.settings, held, call.logprobs, cancel, continues_prompt, shown)
        engine.validate(request)
        return engine, call, request

    def _foresee(
        self, inputs: Sequence[LanguageModelInput], options: Mapping[str, Any]
    ) -> tuple[Engine, list[GenerationRequest]]:
        """Prepare the requests of a batch; an input that cannot be one is left for its own call to complain about."""
        own, requests = dict(options), []
        stop = own.pop("stop", None)
        try:
            engine = self.engine_for(options.get("model"))
        except LlmkitError:
            return self._engine, []
        for given in inputs:
            with suppress(InputError, ValueError, TypeError, NotImplementedError):
                requests.append(self._request(given, stop, own)[2])
        return engine, requests

    def memory_footprint(self) -> int:
        """Give the memory that the weights and the kept keys and values take, in bytes."""
        loaded = self._engine.loaded
        packed = loaded.fast_forward.nbytes if loaded.fast_forward else 0
        return weights_nbytes(loaded.model) + packed + self._engine.prefix_cache.nbytes

    @property
    def _identifying_params(self) -> dict[str, Any]:
        name = self._engine.loaded.name
        return {"model": name, "dtype": self.dtype, "quantization": self.quantization, "settings": self.settings}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        settings = self.settings.override(**{name: kwargs[name] for name in NAMES if name in kwargs})
        params["ls_provider"] = "huggingface"
        params["ls_model_name"] = str(kwargs.get("model") or self._engine.loaded.name)
        if settings.temperature is not None:
            params["ls_temperature"] = settings.temperature
        if settings.max_new_tokens is not None:
            params["ls_max_tokens"] = settings.max_new_tokens
        if isinstance(stop, list) or settings.stop:  # what else it may be is refused by the call itself
            params["ls_stop"] = list(stop or settings.stop)
        return params


async def in_threads(steps: Iterator[T], cancel: threading.Event) -> AsyncIterator[T]:
    """Run each step of an iterator in a thread; when the caller goes away, stop it after the step it is in."""
    import asyncio

    end = object()
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            step = asyncio.ensure_future(run_in_executor(None, next, steps, end))
            item = await asyncio.shield(step)
            if item is end:
                return
            yield item
    finally:
        cancel.set()
        close = getattr(steps, "close", lambda: None)
        if step is None or step.done():
            close()
        else:
            step.add_done_callback(lambda done: (done.exception(), close()))

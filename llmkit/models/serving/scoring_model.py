"""What makes a chat model of langchain-openai one that chains can score with: tokens, window and log-likelihoods."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import run_in_executor
from pydantic import BaseModel, Field, PrivateAttr

from llmkit.errors import InputError
from llmkit.locks import CopyableLock
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.scoring.continuations import check_sizes, continuation_lists, encode_continuations
from llmkit.models.serving.adapters import Exactness
from llmkit.models.serving.address import ServerAddress, without_password
from llmkit.models.serving.background_loop import run, run_async
from llmkit.models.serving.client_options import ClientOptions, environment_key
from llmkit.models.serving.connection import Connection
from llmkit.models.serving.http_client import ServerClient
from llmkit.models.tokens.chat_template import Layout, PromptEncoder
from llmkit.models.tokens.content_blocks import with_plain_text_blocks

if TYPE_CHECKING:
    from llmkit.models.serving.completion import ServedCompletion

Encode = Callable[[Any], list[int]]

_CLIENTS = ("client", "async_client", "root_client", "root_async_client")
_GIVEN_CLIENTS = ("http_client", "http_async_client")


class ScoringModel(BaseModel):
    """A model of langchain-openai whose server tells log-probabilities; see `llmkit.models.served`.

    Attributes:
        tokenizer: the name or the folder of the model that the server runs, or its tokenizer; by default the name of
            the served model, if it is that of a model here or on the Hugging Face hub.
        window_limit: the most tokens that a prompt and its completion may have together, where the server does not
            say it, or less than it says; the constructor calls it `context_window`.
        max_in_flight: the most requests for scores that wait for the server at a time.
    """

    tokenizer: Any = Field(default=None, exclude=True)
    window_limit: int = Field(default=0, ge=0, alias="context_window")
    max_in_flight: int = Field(default=16, ge=1)

    _opened: tuple[Any, Connection] | None = PrivateAttr(default=None)
    _lock: CopyableLock = PrivateAttr(default_factory=CopyableLock)

    @property
    def connection(self: Any) -> Connection:
        """The checked connection to the server, opened when it is first asked for.

        Raises:
            ServerUnusable: the address is no model server's, the key is refused, or the tokenizer does not match.
            ModelNotFound: the server has no such model, or there is no tokenizer of it.
            ServerError: the server cannot be reached.
        """
        address = ServerAddress.parse(self.openai_api_base or "")
        options = ClientOptions.of(self)
        key = (address, options, self.model_name, id(self.tokenizer), self.window_limit, os.getpid())
        with self._lock:
            if self._opened is None or self._opened[0] != key:
                client = ServerClient(address, options)
                opened = run(Connection.open(client, self.model_name, self.tokenizer, self.window_limit))
                self._opened = key, opened
            connection: Connection = self._opened[1]
            return connection

    @property
    def exactness(self) -> Exactness:
        """Whether scores are "exact", "bounded" (unlikely tokens may have less), or the server tells "none"."""
        return self.connection.exactness

    @property
    def refusal(self) -> str:
        """Why the server tells no scores; empty if it does."""
        return self.connection.refusal

    @property
    def context_window(self) -> int | None:
        """The most tokens that a prompt and its completion may have together; `None` if the server does not say."""
        return self.connection.window or None

    @property
    def encoder(self) -> PromptEncoder:
        """Turns messages and text into the tokens that the server's model reads."""
        return self.connection.tokens.encoder

    @property
    def layout(self) -> Layout:
        """How a prompt is rendered: "chat", or "completion" if the tokenizer has no chat template."""
        return self.encoder.layout

    def as_completion(self) -> ServedCompletion:
        """Return the same served model as one whose prompt is plain text, as `HuggingFaceChat.as_completion` does."""
        from llmkit.models.serving.completion import ServedCompletion

        return ServedCompletion(chat=self)

    def get_token_ids(self, text: str) -> list[int]:
        """Return the model's own tokens of plain text, without start or end tokens."""
        return self.encoder.encode_text(text, special=False)

    def get_num_tokens_from_messages(
        self, messages: LanguageModelInput, tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Count the tokens that the model receives for an input of `invoke`, with its markup and the tools."""
        return len(self._encode(messages, tools)) if messages else 0

    def encode_ahead(self, inputs: Sequence[LanguageModelInput], texts: Sequence[str] = ()) -> None:
        """Encode inputs and plain texts that will soon be counted, in few calls; what is wrong is left to these."""
        self.encoder.encode_ahead([self._messages(given) for given in inputs], {}, texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the half-open range of characters of `text` that each of its tokens covers."""
        return self.encoder.offsets(text)

    def prompt_changes(self, messages: LanguageModelInput, **kwargs: Any) -> tuple[str, ...]:
        """Return how an input of `invoke` is changed so that the chat template renders all of it, a sentence each."""
        return self.encoder.changes(self._messages(messages))

    def score(
        self,
        inputs: Sequence[LanguageModelInput],
        continuations: Sequence[str] | Sequence[Sequence[str]],
        *,
        include_eos: bool = False,
    ) -> npt.NDArray[np.float64] | list[npt.NDArray[np.float64]]:
        """Compute log-likelihoods as `HuggingFaceChat.score` does, by the server.

        Raises:
            InputError: there is nothing to score, or a text is empty.
            ContextWindowExceeded: before anything is sent, if an input and its longest continuation do not fit.
            ServerUnusable: the server tells no log-likelihoods; says why.
            ServerError: the server cannot be reached, stays busy, or stops in the middle.
        """
        return self.score_prompts(self._encode, inputs, continuations, include_eos)

    def score_prompts(
        self, encode: Encode, inputs: Sequence[Any], continuations: Sequence[Any], include_eos: bool, **how: bool
    ) -> npt.NDArray[np.float64] | list[npt.NDArray[np.float64]]:
        """Compute the log-likelihoods after inputs whose tokens `encode` returns."""
        prompts, encoded, shared = self._prepare_scores(encode, inputs, continuations, include_eos, **how)
        scores = run(self.connection.score(prompts, encoded))
        return np.stack(scores) if shared else scores

    async def ascore(
        self,
        inputs: Sequence[LanguageModelInput],
        continuations: Sequence[str] | Sequence[Sequence[str]],
        *,
        include_eos: bool = False,
    ) -> npt.NDArray[np.float64] | list[npt.NDArray[np.float64]]:
        """Do as `score`; a task that is cancelled cancels its requests."""
        prepared = run_in_executor(None, self._prepare_scores, self._encode, inputs, continuations, include_eos)
        prompts, encoded, shared = await prepared
        scores = await run_async(self.connection.score(prompts, encoded))
        return np.stack(scores) if shared else scores

    def require_scores(self) -> None:
        """Check, before any work, that there are scores and that the context window is known.

        Raises:
            ServerUnusable: the server tells no log-likelihoods; says why.
            InputError: neither the server nor `context_window` says how long the window is.
        """
        self.connection.require_scores()
        self.connection.require_window()

    def _prepare_scores(
        self,
        encode: Encode,
        inputs: Sequence[Any],
        continuations: Sequence[Any],
        include_eos: bool,
        *,
        is_completion: bool = False,
    ) -> tuple[list[list[int]], list[list[list[int]]], bool]:
        """Return the tokens of prompts and continuations, checked, and whether all inputs share the continuations."""
        lists, shared = continuation_lists(inputs, continuations)
        self.require_scores()
        connection = self.connection
        prompts = [encode(given) for given in inputs]
        end = connection.tokens.end if include_eos else []
        encoder = connection.tokens.encoder
        encoded = encode_continuations(encoder, prompts, lists, end=end, is_completion=is_completion)
        check_sizes(prompts, encoded, connection.window)
        return prompts, encoded, shared

    def _messages(self: Any, given: LanguageModelInput) -> list[BaseMessage]:
        return with_plain_text_blocks(self._convert_input(given).to_messages())

    def _encode(self, given: LanguageModelInput, tools: Sequence[Any] | None = None) -> list[int]:
        settings = GenerationSettings()
        options = CallOptions.parse(settings, None, {"tools": tools}) if tools else CallOptions(settings)
        return options.encode(self._messages(given), self.encoder)

    def _get_request_payload(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Name the limit `max_tokens`, which all servers know, and let an answer that was begun be continued."""
        payload: dict[str, Any] = super()._get_request_payload(*args, **kwargs)  # type: ignore[misc]
        if (limit := payload.pop("max_completion_tokens", None)) is not None:
            payload["max_tokens"] = limit
        messages = payload.get("messages") or [{}]
        if messages[-1].get("role") == "assistant":
            begun = {"add_generation_prompt": False, "continue_final_message": True}
            payload["extra_body"] = {**begun, **(payload.get("extra_body") or {})}
        return payload

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = {**state["__dict__"], **dict.fromkeys(_CLIENTS)}
        if fields.get("openai_proxy"):  # langchain-openai makes these from it
            fields |= dict.fromkeys(_GIVEN_CLIENTS)
        if given := [name for name in _GIVEN_CLIENTS if fields.get(name) is not None]:
            raise InputError(
                f"{given[0]} cannot be pickled, so neither can this model: make it again without {given[0]}"
            )
        private = {**(state["__pydantic_private__"] or {}), "_opened": None, "_lock": CopyableLock()}
        return {**state, "__dict__": fields, "__pydantic_private__": private}

    def __setstate__(self: Any, state: dict[Any, Any]) -> None:
        fields = state["__dict__"]
        key = fields.get("openai_api_key") or environment_key()
        super().__setstate__({**state, "__dict__": {**fields, "openai_api_key": key}})
        self.validate_environment()  # langchain-openai makes its clients there

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what is pickled: all but the key, which is read from `LLMKIT_API_KEY` where the model is unpickled."""
        state = self.__getstate__()
        state["__dict__"] = {**state["__dict__"], "openai_api_key": None}
        return _new, (_UNSCORED.get(type(self), type(self)),), state

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Any:
        copied = _new(type(self))
        copied.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return copied

    def __repr_args__(self: Any) -> Iterable[tuple[str | None, Any]]:
        """Return what `repr` shows: where the model is, without keys, and the settings that are given."""
        yield "base_url", without_password(self.openai_api_base or "")
        yield "model", self.model_name
        shown = {"temperature", "max_tokens", "top_p", "seed", "stop", "window_limit"}
        for name in sorted(shown & self.model_fields_set):
            if (value := getattr(self, name)) is not None:
                yield "context_window" if name == "window_limit" else name, value


_UNSCORED: dict[type[Any], type[Any]] = {}  # the class without scores, by the one that was made of it


def _scoring_class(base: type[Any]) -> Any:
    """Return the subclass of a model's class that has `score`, always the same one."""
    if issubclass(base, ScoringModel):
        return base
    made = next((made for made, plain in _UNSCORED.items() if plain is base), None)
    if made is None:
        metaclass: Any = type(base)
        namespace = {"__module__": __name__, "__doc__": base.__doc__}
        made = metaclass(f"Scoring{base.__name__}", (ScoringModel, base), namespace)
        _UNSCORED[made] = base
    return made


def _new(base: type[Any]) -> Any:
    """Return a model without fields, of a class that pickle finds by its name, with `score`."""
    made = _scoring_class(base)
    return made.__new__(made)


def with_scores(llm: Any, fields: Mapping[str, Any]) -> Any:
    """Return a copy of a model of langchain-openai that has `score`, with these fields; it shares the clients."""
    model = _new(type(llm))
    state = BaseModel.__getstate__(llm)
    values = {**state["__dict__"], **fields}
    private = {**(state["__pydantic_private__"] or {}), "_opened": None, "_lock": CopyableLock()}
    BaseModel.__setstate__(model, {**state, "__dict__": values, "__pydantic_private__": private})
    return model

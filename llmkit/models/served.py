"""Models that a server runs, as LangChain chat models that also return log-likelihoods.

`ServedChat` is a `ChatOpenAI` of langchain-openai with `score`; `scoring` adds it to one that exists. All that chains
of llmkit ask of a model is computed as in this process: the chat template is applied here, and the server is asked for
the log-probabilities of given tokens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables.config import run_in_executor
from pydantic import ValidationError

from llmkit.errors import ContextWindowExceeded, InputError, kind_of
from llmkit.models.generation.settings import explain
from llmkit.models.serving.address import ServerAddress
from llmkit.models.serving.client_options import environment_key
from llmkit.models.serving.scoring_model import ScoringModel, with_scores

try:
    from langchain_openai import ChatOpenAI
    from langchain_openai.chat_models.base import BaseChatOpenAI

    from llmkit.models.serving.openai_errors import served_errors
except ImportError as error:
    raise InputError("served models need langchain-openai: python -m pip install 'llmkit[served]'") from error


class ServedChat(ScoringModel, ChatOpenAI):
    """A chat model that a server runs: vLLM, SGLang, llama.cpp's `llama-server`, llama-cpp-python, or another one.

    It has all that `ChatOpenAI` has, and `score`, so that chains compute with it what they compute with a model of
    this process. The server is checked at the first use; one that tells no log-probabilities of given tokens has the
    `exactness` "none": chains then ask it for structured output, and their results say so.

    Example:
        >>> llm = ServedChat("http://127.0.0.1:8000/v1", "Qwen/Qwen2.5-0.5B-Instruct", temperature=0)
        >>> llm.score(["The sky is"], [" blue", " green"])
        >>> ZeroShotClassificationChain(llm, ["sports", "business"]).invoke("The match ended 3 to 2.").label

    Args:
        base_url: the server's OpenAI-compatible API; without a path, `/v1` is added.
        model: the name that the server gives its model.
        tokenizer: the name or the folder of that model, or its tokenizer; by default `model`, if it is the name of a
            model here or on the Hugging Face hub. Weights are never fetched.
        api_key: the server's key; by default the environment variable `LLMKIT_API_KEY`. It is not pickled: where the
            model is unpickled, that variable is read.
        context_window: in tokens; needed if the server does not say it.
        options: those of `ChatOpenAI`, such as `temperature`, `max_tokens`, `timeout` or `max_retries`.

    Raises:
        InputError: the address or an option is wrong.
        ServerUnusable, ModelNotFound, ServerError: at the first use; see `ScoringModel.connection`.
        ContextWindowExceeded: by a call, before anything is sent, if prompt and completion do not fit the window.
    """

    def __init__(
        self, base_url: str, model: str, *, tokenizer: Any = None, api_key: Any = None, **options: Any
    ) -> None:
        if not model:
            raise InputError(f"model is {model!r}, but must be the name that the server gives its model")
        address = ServerAddress.parse(base_url)
        given: dict[str, Any] = {"base_url": address.api, "model": model, "api_key": api_key or environment_key()}
        try:
            super().__init__(**given, **{"use_responses_api": False, "tokenizer": tokenizer, **options})
        except ValidationError as error:
            raise InputError(explain(error)) from error

    @property
    def _llm_type(self) -> str:
        return "llmkit-served-chat"

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where LangChain's serialization finds the class."""
        return ["llmkit", "models", "served"]

    def _check_window(self, messages: list[BaseMessage], options: dict[str, Any]) -> None:
        """Raise `ContextWindowExceeded` for a prompt and a completion that do not fit the window."""
        window = self.context_window
        if not window:
            return
        self.encoder.check_length(messages, window)
        limits = (options.get("max_tokens"), options.get("max_completion_tokens"), self.max_tokens, 1)
        reserved = next(limit for limit in limits if limit is not None)
        needed = 0
        with suppress(InputError):  # such as an image, which the tokenizer cannot count
            needed = self.get_num_tokens_from_messages(messages, options.get("tools")) + int(reserved)
        if needed > window:
            raise ContextWindowExceeded(needed, window)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self._check_window(messages, kwargs)
        with served_errors(self._place):
            return super()._generate(messages, stop, run_manager, **kwargs)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        await run_in_executor(None, self._check_window, messages, kwargs)
        with served_errors(self._place):
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        self._check_window(messages, kwargs)
        with served_errors(self._place):
            yield from super()._stream(messages, *args, **kwargs)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        await run_in_executor(None, self._check_window, messages, kwargs)
        with served_errors(self._place):
            async for chunk in super()._astream(messages, *args, **kwargs):
                yield chunk

    @property
    def _place(self) -> str:
        return str(ServerAddress.parse(str(self.openai_api_base)))


def scoring(llm: Any, *, tokenizer: Any = None, context_window: int = 0, max_in_flight: int = 16) -> Any:
    """Return a model of langchain-openai with `score`, and all that it had: its class, settings, tools and key.

    Example:
        >>> llm = scoring(ChatOpenAI(base_url="http://127.0.0.1:8000/v1", model="Qwen/Qwen2.5-0.5B-Instruct"))

    Args:
        llm: a `ChatOpenAI`, or another chat model derived from `BaseChatOpenAI`, with a `base_url`.
        tokenizer: as for `ServedChat`.
        context_window: as for `ServedChat`.
        max_in_flight: the most requests for scores that wait for the server at a time.

    Raises:
        InputError: it is another model, or has no `base_url`.
    """
    if not isinstance(llm, BaseChatOpenAI):
        raise InputError(
            f"llm is {kind_of(llm)}, but must be a chat model of langchain-openai, such as ChatOpenAI(base_url=…)"
        )
    if not llm.openai_api_base:
        raise InputError("llm has no base_url: OpenAI's own API tells no log-likelihoods of given texts")
    ServerAddress.parse(llm.openai_api_base)
    return with_scores(llm, {"tokenizer": tokenizer, "window_limit": context_window, "max_in_flight": max_in_flight})

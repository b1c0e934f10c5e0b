"""A local Hugging Face model as a LangChain chat model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool

from llmkit.models.base import LocalModel, in_threads
from llmkit.models.generation.completion import Completion, GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.langchain.batch_plan import Plan, answer, planned
from llmkit.models.langchain.call_options import Call
from llmkit.models.langchain.message_parser import MessageReader
from llmkit.models.langchain.response_metadata import metadata, usage
from llmkit.models.langchain.structured_output import structured
from llmkit.models.langchain.tools import described
from llmkit.models.llm import HuggingFaceLLM


class HuggingFaceChat(LocalModel, BaseChatModel):
    """A chat model that runs in this process, on this machine.

    Example:
        >>> llm = HuggingFaceChat()                                   # the default model, on the best device here
        >>> llm = HuggingFaceChat(model="Qwen/Qwen2.5-0.5B-Instruct", temperature=0, max_new_tokens=64)
        >>> llm.invoke("What is the capital of France?").text
        'The capital of France is Paris.'

    Every generation setting (see `GenerationSettings`) may be given by name, here or in a call:
    `llm.invoke(x, temperature=0, stop=".")`. A call also takes `tools`, `tool_choice`, `response_format`,
    `logprobs`, `top_logprobs`, `chat_template_kwargs` (see `Call`) and `model`, to use another one this once.

    Raises:
        ModelNotFound, ModelUnusable: there is no such model, or it cannot generate text.
        SettingsError: a setting is unknown, or out of range.
        ContextWindowExceeded: by a call, before any computation, if prompt and answer do not fit the window.
    """

    streaming: bool = False
    """Whether `invoke` goes through `stream`, for the sake of callbacks that want each token."""

    def __init__(self, **options: Any) -> None:  # said here, or type checkers know the fields and no setting
        super().__init__(**options)

    @property
    def _llm_type(self) -> str:
        return "llmkit-huggingface-chat"

    def as_completion(self) -> HuggingFaceLLM:
        """Return the same weights and settings as a completion model, whose prompt is plain text."""
        return HuggingFaceLLM(model=self.engine, settings=self.settings)

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Count the tokens that the model receives for these messages, its chat markup included."""
        call = Call.parse(self.settings, None, {"tools": tools, **kwargs})
        return len(call.encode(messages, self.engine.encoder))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the model call tools; what it calls always parses, and fits the tool's schema.

        `tool_choice` is "auto" (the default), "any", "none" or a tool's name. `parallel_tool_calls=True` allows more
        than one call in an answer.
        """
        return self.bind(tools=described(tools), tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        include_raw: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Give a runnable whose answers are instances of a schema: a pydantic class, a TypedDict or a JSON schema.

        The answer is decoded under the schema with each method; they differ in what the model is told. "json_schema"
        puts the schema into the system message, "function_calling" offers it as a tool, "json_mode" says nothing:
        the prompt has to.
        """
        return structured(self, schema, method=method, include_raw=include_raw, **kwargs)

    def generate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Answer several conversations, in true batches; arguments are LangChain's."""
        with self._together(messages, stop, kwargs):
            return super().generate(messages, stop, callbacks, **kwargs)

    async def agenerate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Answer several conversations, in true batches; arguments are LangChain's."""
        with self._together(messages, stop, kwargs):
            return await super().agenerate(messages, stop, callbacks, **kwargs)

    def _together(
        self, messages: list[list[BaseMessage]], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> AbstractContextManager[Any]:
        if len(messages) < 2:
            return nullcontext()
        options = {name: value for name, value in kwargs.items() if name not in _CONFIG}
        return planned(Plan(*self._foresee(messages, {"stop": stop, **options})))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        engine, call, request = self._request(messages, stop, kwargs)
        answers = answer(engine, request)
        return ChatResult(generations=[self._generation(done, engine, call) for done in answers])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        cancel = threading.Event()
        try:
            return await run_in_executor(None, self._generate, messages, stop, None, **kwargs, _cancel=cancel)
        except asyncio.CancelledError:
            cancel.set()
            raise

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Generator[ChatGenerationChunk, None, None]:
        engine, call, request = self._request(messages, stop, kwargs)
        reader = self._reader(request, engine, call)
        with closing(engine.stream(request)) as steps:
            for answer_, text in steps:
                last = answer_.finish_reason is not None
                chunk = reader.push(text, last=last)
                if last:
                    self._complete(chunk, answer_, engine)
                if last or chunk.content or chunk.tool_call_chunks or chunk.additional_kwargs:
                    yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        cancel = threading.Event()
        async for chunk in in_threads(self._stream(messages, stop, None, **kwargs, _cancel=cancel), cancel):
            yield chunk

    def _generation(self, done: Completion, engine: Engine, call: Call) -> ChatGeneration:
        chunk = self._reader(done.request, engine, call).push(done.text, last=True)
        self._complete(chunk, done, engine)
        return ChatGeneration(message=message_chunk_to_message(chunk))

    def _complete(self, chunk: AIMessageChunk, done: Completion, engine: Engine) -> None:
        chunk.chunk_position = "last"
        chunk.usage_metadata = usage(done)
        chunk.response_metadata = metadata(done, engine.loaded.name, engine.loaded.tokenizer)

    def _reader(self, request: GenerationRequest, engine: Engine, call: Call) -> MessageReader:
        # Under a form the first token is the form's, whatever the template opened.
        prompt = "" if call.is_held else str(engine.loaded.tokenizer.decode(list(request.prompt[-16:])))
        return MessageReader(prompt, call.tool_format(engine.encoder))

    def _prompt(self, given: LanguageModelInput, call: Call, engine: Engine) -> list[int]:
        return call.encode(self._convert_input(given).to_messages(), engine.encoder)

    def _decide(self, given: LanguageModelInput, call: Call, engine: Engine) -> Call:
        return call.decided(self._convert_input(given).to_messages(), engine) if call.tools else call


_CONFIG = {"tags", "metadata", "run_name", "run_id"}

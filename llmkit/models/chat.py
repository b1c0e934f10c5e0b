"""A local Hugging Face model as a LangChain chat model."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from llmkit.models.base import LocalModel
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.engine import Engine
from llmkit.models.langchain.batching import NOT_OPTIONS, PreparedCall, use_plan
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.langchain.message_parser import (
    response_metadata,
    usage_metadata,
    without_cut_call,
)
from llmkit.models.langchain.structured_output import structured_output
from llmkit.models.langchain.threads import in_threads
from llmkit.models.langchain.tool_resolution import resolve_tool_choice
from llmkit.models.langchain.tool_tuning import ToolTuning
from llmkit.models.langchain.tools import to_tools
from llmkit.models.llm import HuggingFaceLLM
from llmkit.models.tokens.content_blocks import with_plain_text_blocks


class HuggingFaceChat(LocalModel, BaseChatModel):
    """A chat model that runs in this process, on this machine.

    Example:
        >>> llm = HuggingFaceChat()                                   # the default model, on the best device here
        >>> llm = HuggingFaceChat("Qwen/Qwen2.5-0.5B-Instruct", temperature=0, max_new_tokens=64)
        >>> llm.invoke("What is the capital of France?").text
        'The capital of France is Paris.'

    Every generation setting (see `GenerationSettings`) can be given by name, here or in a call:
    `llm.invoke(x, temperature=0, stop=".")`. A call also takes `tools`, `tool_choice`, `response_format`, `logprobs`,
    `top_logprobs`, `chat_template_kwargs` (see `CallOptions`), `timeout`, and `model`, to use another one this once.

    Raises:
        ModelNotFound, ModelUnusable: there is no such model, or it cannot generate text.
        SettingsError: a setting is unknown, or out of range.
        ContextWindowExceeded: by a call, before any computation, if prompt and completion do not fit the window.
        GenerationTimeout: by a call that takes longer than `timeout`.
    """

    streaming: bool = False
    """Whether `invoke` goes through `stream`, for callbacks that want each token."""

    tool_tuning: ToolTuning | None = None
    """When a model whose chat template has no tools calls one; default: that of this model, or neutral values."""

    def __init__(self, model: Any = None, **options: Any) -> None:  # for type checkers, which know no settings
        super().__init__(model, **options)

    @property
    def _llm_type(self) -> str:
        return "llmkit-huggingface-chat"

    def as_completion(self) -> HuggingFaceLLM:
        """Return the same weights and settings as a completion model, whose prompt is plain text."""
        return HuggingFaceLLM(self.engine, settings=self.settings, timeout=self.timeout)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the model call tools; a call always parses, and fits the tool's schema.

        Args:
            tools: what LangChain takes as tools.
            tool_choice: "auto" (the default), "any" or "required", "none", a tool's name, or a dictionary as OpenAI,
                Anthropic, Bedrock or Gemini have it.
            kwargs: `parallel_tool_calls=True` allows several calls in one message; other options of a call. `strict`
                has no effect, as every call fits its schema; `metadata` goes to tracers.
        """
        metadata = kwargs.pop("metadata", None)
        bound = self.bind(tools=to_tools(tools), tool_choice=tool_choice, **kwargs)
        return bound.with_config(metadata=metadata) if metadata else bound

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        include_raw: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable whose results are instances of a schema.

        Args:
            schema: a pydantic class, a TypedDict or a JSON schema.
            method: what the model reads; decoding follows the schema in any case. "json_schema" puts the schema into
                the system message, "function_calling" offers it as a tool, "json_mode" leaves it to the prompt.
            include_raw: return a dict with `raw`, `parsed` and `parsing_error`.
            kwargs: other options of a call.
        """
        return structured_output(self, schema, method=method, include_raw=include_raw, **kwargs)

    def generate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Answer conversations in true batches; the arguments are LangChain's."""
        messages = [with_plain_text_blocks(conversation) for conversation in messages]
        with self._together(messages, stop, kwargs):
            return super().generate(messages, stop, callbacks, **kwargs)

    async def agenerate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Answer conversations in true batches; the arguments are LangChain's."""
        messages = [with_plain_text_blocks(conversation) for conversation in messages]
        with self._together(messages, stop, kwargs):
            return await super().agenerate(messages, stop, callbacks, **kwargs)

    def _together(
        self, messages: list[list[BaseMessage]], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> AbstractContextManager[Any]:
        if len(messages) < 2:
            return nullcontext()
        options = {name: value for name, value in kwargs.items() if name not in NOT_OPTIONS}
        return use_plan(self.prepare_batch(messages, {"stop": stop, **options}))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call, completions = self._complete(messages, stop, kwargs)
        return ChatResult(generations=[self._generation(completion, call) for completion in completions])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Generator[ChatGenerationChunk, None, None]:
        call = self.prepare_call(messages, stop, kwargs)
        parser = call.message_parser()
        with closing(call.stream_one()) as steps:
            for completion, text in steps:
                last = completion.finish_reason is not None
                chunk = parser.push(text, last=last)
                if last:
                    call.check_time([completion])
                    self._finish(chunk, completion, call.engine)
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

    def _generation(self, completion: Completion, call: PreparedCall) -> ChatGeneration:
        parser = call.message_parser()
        chunk = parser.push(completion.text, last=True)
        self._finish(chunk, completion, call.engine)
        message = message_chunk_to_message(chunk)
        if isinstance(message, AIMessage) and parser.has_cut_call:
            message = without_cut_call(message, chunk.tool_call_chunks[-1])
        return ChatGeneration(message=message)

    def _finish(self, chunk: AIMessageChunk, completion: Completion, engine: Engine) -> None:
        chunk.chunk_position = "last"
        chunk.usage_metadata = usage_metadata(completion)
        chunk.response_metadata = response_metadata(completion, engine)

    def prompt_changes(self, messages: LanguageModelInput, **kwargs: Any) -> tuple[str, ...]:
        """Return how an input of `invoke` is changed so that the chat template renders all of it, a sentence each."""
        options = CallOptions.parse(self.settings, None, kwargs) if kwargs else CallOptions(self.settings)
        encoder = self.engine.encoder
        given, template = options.prompt(self._convert(messages), encoder)
        return encoder.changes(given, **template)

    def encode_ahead(self, inputs: Sequence[LanguageModelInput], texts: Sequence[str] = ()) -> None:
        """Encode inputs and plain texts that will soon be counted, in few calls; what is wrong is left to these."""
        options, encoder = CallOptions(self.settings), self.engine.encoder
        prompts = [options.prompt(self._convert(given), encoder) for given in inputs]
        if prompts:
            encoder.encode_ahead([messages for messages, _ in prompts], prompts[0][1], texts)

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        value = super()._convert_input(model_input)
        messages = value.to_messages()
        converted = with_plain_text_blocks(messages)
        changed = any(one is not other for one, other in zip(converted, messages, strict=True))
        return ChatPromptValue(messages=converted) if changed else value

    def _convert(self, given: LanguageModelInput) -> list[BaseMessage]:
        return self._convert_input(given).to_messages()

    def _encode(self, prompt: list[BaseMessage], options: CallOptions, engine: Engine) -> list[int]:
        return engine.with_languages(options.encode(prompt, engine.encoder), options.settings)

    def _resolve(self, prompt: list[BaseMessage], options: CallOptions, engine: Engine) -> CallOptions:
        return resolve_tool_choice(options, prompt, engine, self.tool_tuning) if options.tools else options

"""A local Hugging Face model as a LangChain completion model: text in, its continuation out."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue

from llmkit.errors import SettingsError
from llmkit.models.base import LocalModel
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.engine import Engine
from llmkit.models.langchain.batching import BatchPlan, use_plan
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.langchain.message_parser import response_metadata, usage_metadata
from llmkit.models.langchain.threads import in_threads
from llmkit.models.tokens.content_blocks import read_text
from llmkit.models.tokens.token_ids import check_token_ids
from llmkit.models.tokens.turns import messages_to_text, with_sender, write_call


class HuggingFaceLLM(LocalModel, BaseLLM):
    """Plain completion by a model that runs in this process: base models, and encoder-decoder models such as FLAN-T5.

    Example:
        >>> llm = HuggingFaceLLM(max_new_tokens=16, temperature=0)
        >>> llm.invoke("The capital of France is")
        ' Paris. It is located in the south of France.'

    Settings, options of a call and errors are those of `HuggingFaceChat`, but for tools and structured output.
    The prompt is never part of the completion.
    """

    _continues_prompt = True

    def __init__(self, model: Any = None, **options: Any) -> None:  # for type checkers, which know no settings
        super().__init__(model, **options)

    @property
    def _llm_type(self) -> str:
        return "llmkit-huggingface-llm"

    def as_completion(self) -> HuggingFaceLLM:
        """Return this model, as `HuggingFaceChat.as_completion` returns one."""
        return self

    def generate(
        self, prompts: list[str], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Complete texts; the arguments are LangChain's."""
        with self._keyed(stop, kwargs):
            return super().generate(prompts, stop, callbacks, **kwargs)

    async def agenerate(
        self, prompts: list[str], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Complete texts; the arguments are LangChain's."""
        with self._keyed(stop, kwargs):
            return await super().agenerate(prompts, stop, callbacks, **kwargs)

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        together: AbstractContextManager[Any] = nullcontext()
        if len(prompts) > 1:
            calls = [(prompt, self.prepare_call(prompt, stop, kwargs)) for prompt in prompts]
            together = use_plan(BatchPlan(prompts, calls, {**kwargs, "stop": stop}))
        with together:
            completed = [self._complete(prompt, stop, kwargs) for prompt in prompts]
        return LLMResult(
            generations=[
                [Generation(text=one.text, generation_info=_info(one, call.engine)) for one in completions]
                for call, completions in completed
            ]
        )

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Generator[GenerationChunk, None, None]:
        call = self.prepare_call(prompt, stop, kwargs)
        with closing(call.stream_one()) as steps:
            for completion, text in steps:
                last = completion.finish_reason is not None
                if last:
                    call.check_time([completion])
                if text or last:
                    info = _info(completion, call.engine) if last else None
                    chunk = GenerationChunk(text=text, generation_info=info)
                    if run_manager:
                        run_manager.on_llm_new_token(text, chunk=chunk)
                    yield chunk

    async def _astream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[GenerationChunk]:
        cancel = threading.Event()
        async for chunk in in_threads(self._stream(prompt, stop, None, **kwargs, _cancel=cancel), cancel):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _convert_input(self, given: LanguageModelInput) -> PromptValue:
        """Take a single user message as its text; LangChain would put `Human: ` before it, and skip blocks."""
        value = super()._convert_input(given)
        if not isinstance(value, ChatPromptValue):
            return value
        if [message.type for message in value.messages] == ["human"]:
            return StringPromptValue(text=messages_to_text(value.messages))
        return ChatPromptValue(messages=[_as_text(message) for message in value.messages])

    def _convert(self, given: LanguageModelInput) -> str:
        return self._convert_input(given).to_string()

    def _encode(self, prompt: str | Sequence[int], options: CallOptions, engine: Engine) -> list[int]:
        if options.tools:
            raise SettingsError("tools are given, but a completion model cannot call them: use HuggingFaceChat")
        if not isinstance(prompt, str):
            return check_token_ids(prompt, engine.loaded.vocab_size)
        return engine.with_languages(engine.encoder.encode_text(prompt), options.settings)


def _as_text(message: BaseMessage) -> BaseMessage:
    """Return a message whose content is text: its blocks, and the calls and names that LangChain's text leaves out."""
    broken = (write_call(str(call["name"]), call["args"]) for call in getattr(message, "invalid_tool_calls", ()))
    text = "\n".join(filter(None, (read_text(message), *broken)))
    return message.model_copy(update={"content": with_sender(message.name or "", text)})


def _info(completion: Completion, engine: Engine) -> dict[str, Any]:
    return {**response_metadata(completion, engine), "usage_metadata": usage_metadata(completion)}

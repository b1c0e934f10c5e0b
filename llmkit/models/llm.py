"""A local Hugging Face model as a LangChain completion model: text in, the text that goes on from it out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import closing, nullcontext
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from langchain_core.runnables.config import run_in_executor

from llmkit.errors import SettingsError
from llmkit.models.base import LocalModel, in_threads
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.engine import Engine
from llmkit.models.langchain.batch_plan import Plan, answer, planned
from llmkit.models.langchain.call_options import Call
from llmkit.models.langchain.response_metadata import metadata, usage
from llmkit.models.tokens.chat_template import messages_to_text


class HuggingFaceLLM(LocalModel, BaseLLM):
    """Plain completion by a model that runs in this process: base models, and encoder-decoder models such as FLAN-T5.

    Example:
        >>> llm = HuggingFaceLLM(max_new_tokens=16, temperature=0)
        >>> llm.invoke("The capital of France is")
        ' Paris. It is located in the south of France.'

    Settings, per-call options and errors are those of `HuggingFaceChat`, but for tools and structured output.
    The prompt is never part of the answer.
    """

    _continues_prompt = True

    def __init__(self, **options: Any) -> None:  # said here, or type checkers know the fields and no setting
        super().__init__(**options)

    @property
    def _llm_type(self) -> str:
        return "llmkit-huggingface-llm"

    def as_completion(self) -> HuggingFaceLLM:
        """Return this model, as `HuggingFaceChat.as_completion` returns one."""
        return self

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        engine = self.engine_for(kwargs.get("model"))
        requests = [self._request(prompt, stop, kwargs)[2] for prompt in prompts]
        with planned(Plan(engine, requests)) if len(requests) > 1 else nullcontext():
            answers = [answer(engine, request) for request in requests]
        return LLMResult(generations=[[self._generation(one, engine) for one in group] for group in answers])

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        cancel = threading.Event()
        try:
            return await run_in_executor(None, self._generate, prompts, stop, None, **kwargs, _cancel=cancel)
        except asyncio.CancelledError:
            cancel.set()
            raise

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Generator[GenerationChunk, None, None]:
        engine, _, request = self._request(prompt, stop, kwargs)
        with closing(engine.stream(request)) as steps:
            for done, text in steps:
                last = done.finish_reason is not None
                if text or last:
                    info = _info(done, engine) if last else None
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

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Count the tokens that the model receives for these messages, its start and end tokens included."""
        call = Call.parse(self.settings, None, {"tools": tools, **kwargs})
        return len(self._prompt(list(messages), call, self.engine))

    def _convert_input(self, given: LanguageModelInput) -> PromptValue:
        """Take a message that stands alone as its text, before which LangChain would put `Human: `."""
        value = super()._convert_input(given)
        if isinstance(value, ChatPromptValue) and [message.type for message in value.messages] == ["human"]:
            return StringPromptValue(text=messages_to_text(value.messages))
        return value

    def _prompt(self, given: LanguageModelInput, call: Call, engine: Engine) -> list[int]:
        if call.tools:
            raise SettingsError("tools are given, but a completion model calls none: use HuggingFaceChat")
        return engine.encoder.encode_text(self._convert_input(given).to_string())

    def _generation(self, done: Completion, engine: Engine) -> Generation:
        return Generation(text=done.text, generation_info=_info(done, engine))


def _info(done: Completion, engine: Engine) -> dict[str, Any]:
    loaded = engine.loaded
    return {**metadata(done, loaded.name, loaded.tokenizer), "usage_metadata": usage(done)}

"""Many calls as one computation.

LangChain runs each input of a batch as a separate call, in threads, so that it has separate callbacks, cache and
errors; it has no place for a chat model to compute them together. So the inputs are prepared first (`prepare_batch`),
and a context variable hands them to the calls as a `BatchPlan`. A call finds its prepared request by its prompt; the
first that needs a completion computes a batch, and the others take theirs as soon as it is finished. A call that is
not in the plan, such as one that a callback makes, is computed alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Generator, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.errors import GenerationTimeout, SettingsError
from llmkit.models.generation.completion import Completion, GenerationRequest
from llmkit.models.generation.engine import Engine
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.langchain.message_parser import MessageParser

Configs = RunnableConfig | list[RunnableConfig] | None
Inputs = Sequence[LanguageModelInput]

NOT_OPTIONS = {"tags", "metadata", "run_name", "run_id", "callbacks", "_cancel", "ls_structured_output_format"}


def prompt_key(prompt: Any) -> Hashable:
    """Return what identifies a prompt in a batch: a text itself, or the very messages, whatever they contain."""
    return prompt if isinstance(prompt, str) else tuple(map(id, prompt))


def as_prompt_value(prompt: Any) -> PromptValue:
    """Return text or messages as an input from which LangChain makes the same text, or the very same messages."""
    return StringPromptValue(text=prompt) if isinstance(prompt, str) else ChatPromptValue(messages=prompt)


class Cancellation(threading.Event):
    """Set when a caller leaves, or when a call has taken longer than its `timeout`, in seconds."""

    def __init__(self, timeout: float | None = None, caller: threading.Event | None = None) -> None:
        super().__init__()
        self.timeout, self._caller = timeout, caller
        self._deadline = float("inf") if timeout is None else time.monotonic() + timeout

    @property
    def timed_out(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._deadline

    def is_set(self) -> bool:
        """Return whether to stop."""
        return super().is_set() or (self._caller is not None and self._caller.is_set()) or self.timed_out


@dataclass(frozen=True, eq=False)
class PreparedCall:
    """One call, checked and encoded."""

    engine: Engine
    options: CallOptions
    request: GenerationRequest
    cancel: Cancellation

    def check_time(self, completions: Sequence[Completion] = ()) -> None:
        """Raise `GenerationTimeout` if the time is over and the completions are not complete."""
        cut_short = not completions or any(completion.finish_reason == "cancelled" for completion in completions)
        if cut_short and self.cancel.timed_out:
            tokens = sum(len(completion.token_ids) for completion in completions)
            raise GenerationTimeout(self.cancel.timeout or 0, tokens)

    def stream_one(self) -> Generator[tuple[Completion, str], None, None]:
        """Yield the only completion with its new text, token by token; closing the iterator stops the computation."""
        if (count := self.request.settings.n) > 1:
            raise SettingsError(f"n is {count}, but a stream has one answer: use invoke or generate")
        yield from self.engine.stream(self.request)

    def message_parser(self) -> MessageParser:
        """Return what makes a message of the text of one completion."""
        # A constraint decides about the first token, whatever the template opened.
        tokens = list(self.request.prompt[-16:])
        prompt = "" if self.options.is_constrained else str(self.engine.loaded.tokenizer.decode(tokens))
        return MessageParser(prompt, self.options.call_parser(self.engine.encoder))


class BatchPlan:
    """The calls of a batch that are known to come, and how they group into computations.

    Args:
        prompts: what the calls are given, in place of the caller's inputs.
        calls: the prepared calls, each with the key of its prompt; those that could not be prepared are left out.
        options: the options of all calls.
    """

    def __init__(
        self, prompts: Sequence[Any], calls: Sequence[tuple[Hashable, PreparedCall]], options: Mapping[str, Any]
    ) -> None:
        self.prompts = list(prompts)  # also keeps them alive, as keys may be their identity
        self._calls = [call for _, call in calls]
        self._options = _comparable(options)
        requests = [call.request for call in self._calls]
        batches = self._calls[0].engine.split_batches(requests) if calls else ()
        self._batch_of = {index: batch for batch in batches for index in batch}
        self._waiting: dict[Hashable, list[int]] = {}
        for index, (key, _) in enumerate(calls):
            self._waiting.setdefault(key, []).append(index)
        self._results: dict[int, list[Completion] | Exception] = {}
        self._finished: set[int] = set()  # also those that were taken
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._is_computing = False  # one batch after the other: together, each would wait and all take memory

    def take(self, key: Hashable, options: Mapping[str, Any]) -> tuple[PreparedCall, list[Completion]] | None:
        """Return a prepared call by its key, and its completions, computed with its batch; `None` if there is none."""
        with self._lock:
            indices = self._waiting.get(key)
            if not indices or _comparable(options) != self._options:
                return None
            index = indices.pop(0)
        call = self._calls[index]
        result = self._result_of(index)
        if isinstance(result, Exception):
            raise result
        return call, result

    def _result_of(self, index: int) -> list[Completion] | Exception:
        """Wait for a call's result while another thread computes, or compute its batch."""
        with self._changed:
            self._changed.wait_for(lambda: index in self._results or not self._is_computing)
            if index in self._results:
                return self._results.pop(index)
            self._is_computing = True
        try:
            self._calls[index].check_time()
            self._compute(self._batch_of[index])
        finally:
            with self._changed:
                self._is_computing = False
                self._changed.notify_all()
        return self._results.pop(index)

    def _finish(self, index: int, result: list[Completion] | Exception) -> None:
        with self._changed:
            self._results[index] = result
            self._finished.add(index)
            self._changed.notify_all()

    def cancel(self) -> None:
        """Stop all that is being computed, and all that would be."""
        for call in self._calls:
            call.cancel.set()

    def _compute(self, batch: Sequence[int]) -> None:
        """Compute a batch; one that fails, for lack of memory or for one of its requests, is halved and tried again."""
        batch = [index for index in batch if index not in self._finished]  # all but those of an earlier attempt
        if not batch:
            return
        calls = [self._calls[index] for index in batch]
        try:
            calls[0].engine.generate([call.request for call in calls], lambda at, found: self._finish(batch[at], found))
            return
        except Exception as error:  # raised by the call whose request this is
            if len(batch) == 1:
                self._finish(batch[0], error)
                return
        # Not within the handler: the error refers to the memory of the attempt.
        half = len(batch) // 2
        self._compute(batch[:half])
        self._compute(batch[half:])


current_plan: ContextVar[BatchPlan | None] = ContextVar("llmkit_batch_plan", default=None)


@contextmanager
def use_plan(plan: BatchPlan) -> Iterator[BatchPlan]:
    """Hand a plan to the calls within; when they are interrupted, stop what is being computed."""
    token = current_plan.set(plan)
    try:
        yield plan
    except BaseException:  # a cancelled task, above all
        plan.cancel()
        raise
    finally:
        current_plan.reset(token)


def _comparable(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None and name not in NOT_OPTIONS}


class Batching:
    """LangChain's methods for many inputs, computed together by the plan that `prepare_batch` makes."""

    def batch(
        self: Any, inputs: list[Any], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """Answer all inputs in true batches; with `return_exceptions`, a bad input fails alone."""
        with use_plan(self.prepare_batch(inputs, kwargs)) as plan, ThreadPoolExecutor(1) as executor:
            # In a thread, because LangChain waits for its own threads before an interrupt is seen.
            run: Any = partial(copy_context().run, Runnable.batch, self, plan.prompts, config)
            running: Future[list[Any]] = executor.submit(run, return_exceptions=return_exceptions, **kwargs)
            try:
                return running.result()
            except BaseException:
                plan.cancel()
                raise

    async def abatch(
        self: Any, inputs: list[Any], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """Answer all inputs in true batches; with `return_exceptions`, a bad input fails alone."""
        with use_plan(self.prepare_batch(inputs, kwargs)) as plan:
            return await Runnable.abatch(self, plan.prompts, config, return_exceptions=return_exceptions, **kwargs)

    def batch_as_completed(
        self: Any, inputs: Inputs, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> Iterator[tuple[int, Any]]:
        """Answer all inputs in true batches; yield each result with its input's index, as it is done."""
        plan, end = self.prepare_batch(inputs, kwargs), (-1, None)
        options: dict[str, Any] = {"return_exceptions": return_exceptions, **kwargs}
        with closing(Runnable.batch_as_completed(self, plan.prompts, config, **options)) as steps:  # type: ignore[type-var]
            try:
                while True:
                    with use_plan(plan):  # not while the caller runs, who may make calls too
                        item = next(steps, end)
                    if item is end:
                        return
                    yield item
            finally:
                plan.cancel()

    async def abatch_as_completed(
        self: Any, inputs: Inputs, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> AsyncIterator[tuple[int, Any]]:
        """Answer all inputs in true batches; yield each result with its input's index, as it is done."""
        plan = self.prepare_batch(inputs, kwargs)
        options: dict[str, Any] = {"return_exceptions": return_exceptions, **kwargs}
        async with aclosing(Runnable.abatch_as_completed(self, plan.prompts, config, **options)) as steps:  # type: ignore[type-var]
            try:
                while True:
                    with use_plan(plan):
                        item = await anext(steps)
                    yield item
            except StopAsyncIteration:
                return
            finally:
                plan.cancel()

"""LangChain's ways of many calls at once, each made one computation (see `plan`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.models.langchain.batch_plan import Plan, planned

if TYPE_CHECKING:
    from llmkit.models.generation.completion import GenerationRequest
    from llmkit.models.generation.engine import Engine

Configs = RunnableConfig | list[RunnableConfig] | None


class Batching:
    """What a model's runnable interface does with a list of inputs."""

    def _foresee(
        self, inputs: Sequence[LanguageModelInput], options: Mapping[str, Any]
    ) -> tuple[Engine, list[GenerationRequest]]:
        """Prepare the requests of a batch."""
        raise NotImplementedError

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer all inputs in true batches; with `return_exceptions`, a bad input fails alone."""
        runnable: Any = self
        with planned(Plan(*self._foresee(inputs, kwargs))) as plan, ThreadPoolExecutor(1) as aside:

            def run() -> list[Any]:
                return Runnable.batch(runnable, inputs, config, return_exceptions=return_exceptions, **kwargs)

            # Aside, because LangChain's own threads are waited for before an interrupt is seen.
            done = aside.submit(copy_context().run, run)
            try:
                return done.result()
            except BaseException:
                plan.cancel()
                raise

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer all inputs in true batches; with `return_exceptions`, a bad input fails alone."""
        runnable: Any = self
        with planned(Plan(*self._foresee(inputs, kwargs))):
            return await Runnable.abatch(runnable, inputs, config, return_exceptions=return_exceptions, **kwargs)

    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """Answer all inputs in true batches; yield each answer with its input's index, as its batch is done."""
        runnable: Any = self
        plan, end = Plan(*self._foresee(inputs, kwargs)), (-1, None)
        options: dict[str, Any] = {"return_exceptions": return_exceptions, **kwargs}
        with closing(Runnable.batch_as_completed(runnable, inputs, config, **options)) as steps:  # type: ignore[type-var]
            try:
                while True:
                    with planned(plan):  # not while the caller has its turn, who may make calls too
                        item = next(steps, end)
                    if item is end:
                        return
                    yield item
            finally:
                plan.cancel()

    async def abatch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Answer all inputs in true batches; yield each answer with its input's index, as its batch is done."""
        runnable: Any = self
        plan = Plan(*self._foresee(inputs, kwargs))
        options: dict[str, Any] = {"return_exceptions": return_exceptions, **kwargs}
        async with aclosing(Runnable.abatch_as_completed(runnable, inputs, config, **options)) as steps:  # type: ignore[type-var]
            try:
                while True:
                    with planned(plan):
                        item = await anext(steps)
                    yield item
            except StopAsyncIteration:
                return
            finally:
                plan.cancel()

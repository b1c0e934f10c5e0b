"""The one plan of every chain: `prepare` checks and fits one input, `run` computes all of them together."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from langchain_core.callbacks import CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list, patch_config, run_in_executor

from llmkit.errors import LlmkitError

Input = TypeVar("Input")
Prepared = TypeVar("Prepared")
Output = TypeVar("Output")


class Chain(Runnable[Input, Output], Generic[Input, Prepared, Output]):
    """A LangChain `Runnable` made of two methods, `prepare` and `run`.

    One input is a batch of one. An input that fails in `prepare` does not reach `run`; its error takes its place among
    the results, so that with `return_exceptions=True` a bad input fails alone.
    """

    @abstractmethod
    def prepare(self, input: Input) -> Prepared:
        """Check one input and fit it into the prompt, without calling the model.

        Raises:
            LlmkitError: the input cannot be processed; the message says why.
        """

    @abstractmethod
    def run(self, prepared: Sequence[Prepared], configs: Sequence[RunnableConfig]) -> list[Output | Exception]:
        """Compute the results of all prepared inputs together, in true batches.

        Args:
            prepared: what `prepare` returned; at least one.
            configs: the LangChain configuration of each.

        Returns:
            One result for each prepared input, or the error that it failed with.
        """

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Run the chain on one input."""
        return self._call_with_config(self._run_one, input, config, **kwargs)

    def batch(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Run the chain on all inputs, in true batches; with `return_exceptions`, a bad input fails alone."""
        results = self._batch_with_config(
            self._run_all, list(inputs), config, return_exceptions=return_exceptions, **kwargs
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result  # LangChain returns even an interrupt as a result
        return results

    async def abatch(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Run the chain on all inputs, in true batches, in a thread."""
        first = get_config_list(config, max(len(inputs), 1))[0]

        def run() -> list[Output]:
            return self.batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

        return await run_in_executor(first, run)

    def _run_one(self, input: Input, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Output:
        [result] = self._prepare_and_run([input], [patch_config(config, callbacks=run_manager.get_child())])
        if isinstance(result, Exception):
            raise result
        return result

    def _run_all(
        self,
        inputs: Sequence[Input],
        run_manager: list[CallbackManagerForChainRun],
        config: list[RunnableConfig],
    ) -> list[Output | Exception]:
        pairs = zip(config, run_manager, strict=True)
        children = [patch_config(each, callbacks=manager.get_child()) for each, manager in pairs]
        return self._prepare_and_run(inputs, children)

    def _prepare_and_run(self, inputs: Sequence[Input], configs: Sequence[RunnableConfig]) -> list[Output | Exception]:
        """Prepare each input, run the good ones together, and put results and errors back in the order of inputs."""
        results: list[Output | Exception | None] = [None] * len(inputs)
        prepared: dict[int, Prepared] = {}
        for place, given in enumerate(inputs):
            try:
                prepared[place] = self.prepare(given)
            except LlmkitError as error:
                results[place] = error
        if prepared:
            done = self.run(list(prepared.values()), [configs[place] for place in prepared])
            for place, result in zip(prepared, done, strict=True):
                results[place] = result
        return results  # type: ignore[return-value]  # every place is filled

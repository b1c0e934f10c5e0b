"""What every chain is: one function from inputs to results, behind LangChain's interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

from langchain_core.callbacks import CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list, patch_config, run_in_executor

Input = TypeVar("Input")
Output = TypeVar("Output")


class Chain(Runnable[Input, Output]):
    """A chain says what to do with several inputs; one input is the case of one, and batches come by themselves."""

    @abstractmethod
    def run(self, inputs: Sequence[Input], configs: Sequence[RunnableConfig]) -> list[Output | Exception]:
        """Give a result, or the error it failed with, for each input; each has a configuration of its own."""

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
                raise result  # LangChain gives even an interrupt as a result
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
        [result] = self.run([input], [patch_config(config, callbacks=run_manager.get_child())])
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
        return self.run(inputs, [patch_config(each, callbacks=manager.get_child()) for each, manager in pairs])

"""The base class of every chain: `prepare` checks and fits one input, `run` computes all of them together."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from langchain_core.callbacks import CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list, patch_config, run_in_executor
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from llmkit.chains.language_notice import language_notice, text_sample
from llmkit.chains.tools import ChainTool
from llmkit.errors import LlmkitError

logger = logging.getLogger(__name__)

Input = TypeVar("Input")
Prepared = TypeVar("Prepared")
Output = TypeVar("Output")


class Chain(Runnable[Input, Output], Generic[Input, Prepared, Output]):
    """A LangChain `Runnable` made of two methods, `prepare` and `run`.

    One input is a batch of one. An input that fails in `prepare` does not reach `run`; its error takes its place among
    the results, so that with `return_exceptions=True` a bad input fails alone.

    Attributes:
        tool_name, tool_description: what an agent sees of the chain as a tool.
        tool_input: a TypedDict with the tool's arguments, which `prepare` accepts as it accepts other input.
    """

    tool_name: ClassVar[str]
    tool_description: ClassVar[str]
    tool_input: Any
    _has_logged_language = False

    def __repr__(self) -> str:
        shown = {name: getattr(self, name, None) for name in ("llm", "labels")}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items() if value)})"

    @abstractmethod
    def prepare(self, input: Input) -> Prepared:
        """Check one input and fit it into the prompt without calling the model; raise `LlmkitError` if that fails."""

    @abstractmethod
    def run(self, prepared: Sequence[Prepared], configs: Sequence[RunnableConfig]) -> list[Output | Exception]:
        """Return the result of each prepared input, at least one, or its error; they are computed in true batches."""

    def as_tool(
        self,
        args_schema: type[BaseModel] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        arg_types: dict[str, type] | None = None,
    ) -> BaseTool:
        """Return the chain as a tool for an agent, which answers with the result as JSON.

        Args:
            args_schema: a pydantic model of the arguments, instead of `tool_input`.
            name: what the model calls the tool, instead of `tool_name`.
            description: tells the model what the tool does, instead of `tool_description`.
            arg_types: names and types of the arguments, if there is no `args_schema`.
        """
        described = {"name": name or self.tool_name, "description": description or self.tool_description}
        return ChainTool.of(self, args_schema, arg_types, **described)

    @property
    def InputType(self) -> Any:  # LangChain's name; it finds the types of two parameters, not of three
        """What the chain accepts; for any mapping, the keys that it needs."""
        accepted = self._types()[0]
        return self.tool_input if get_origin(accepted) is Mapping else accepted

    @property
    def OutputType(self) -> Any:
        """What the chain returns."""
        return self._types()[2]

    def _types(self) -> tuple[Any, ...]:
        bases = (base for cls in type(self).__mro__ for base in vars(cls).get("__orig_bases__", ()))
        return next(get_args(base) for base in bases if get_origin(base) is Chain)

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Run the chain on one input."""
        return self.batch([input], config, **kwargs)[0]

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
        return await run_in_executor(first, self.batch, inputs, config, return_exceptions=return_exceptions, **kwargs)

    def _run_all(
        self,
        inputs: Sequence[Input],
        run_manager: list[CallbackManagerForChainRun],
        config: list[RunnableConfig],
    ) -> list[Output | Exception]:
        """Prepare each input, run the good ones together, and put results and errors back in the order of inputs."""
        self._log_unknown_language(inputs)
        prepared = [attempt(self.prepare, input) for input in inputs]
        configs = [
            patch_config(parent, callbacks=manager.get_child())
            for parent, manager, item in zip(config, run_manager, prepared, strict=True)
            if not isinstance(item, Exception)
        ]
        return apply_to_good(lambda items: self.run(items, configs), prepared)

    def _log_unknown_language(self, inputs: Sequence[Input]) -> None:
        """Log once that an input is in a language that the model does not know."""
        llm = getattr(self, "llm", None)
        for input in () if self._has_logged_language else inputs:
            if notice := language_notice(llm, text_sample(input)):
                logger.warning("%s", notice)
                self._has_logged_language = True
                return


def attempt(function: Callable[[Input], Output], input: Input) -> Output | LlmkitError:
    """Return the function's result, or the `LlmkitError` that it raised."""
    try:
        return function(input)
    except LlmkitError as error:
        return error


def apply_to_good(
    function: Callable[[list[Input]], Iterable[Output | Exception]], items: Sequence[Input | Exception]
) -> list[Output | Exception]:
    """Call a function with all items that are no errors; return its results, and the errors in their places."""
    good = [item for item in items if not isinstance(item, Exception)]
    results = iter(function(good) if good else ())
    return [item if isinstance(item, Exception) else next(results) for item in items]


def unwrap_all(results: Sequence[Output | Exception]) -> list[Output]:
    """Return results without errors, or raise the first error."""
    for result in results:
        if isinstance(result, Exception):
            raise result
    return list(results)  # type: ignore[arg-type]

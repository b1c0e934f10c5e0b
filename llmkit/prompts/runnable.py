"""`prompt.fitted_to(llm) | llm`: a prompt that is fitted to a model, as a LangChain Runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list

from llmkit.errors import PromptError
from llmkit.prompts.budget import FittedPrompt
from llmkit.prompts.context_budget import unbind

Configs = RunnableConfig | list[RunnableConfig] | None


class PromptFitter(Runnable[Any, FittedPrompt]):
    """Fits a prompt to a model; what `TaskPrompt.fitted_to` returns.

    Args:
        fit: fits the prompt for one input.
        max_new_tokens: what a model after it is told to generate at most, if anything.
    """

    def __init__(self, fit: Callable[[Any], FittedPrompt], max_new_tokens: int | None) -> None:
        self._fit, self._max_new_tokens = fit, max_new_tokens

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> FittedPrompt:
        """Fit the prompt for the input, or for a dictionary with `input` and the fields; further keys are ignored.

        Raises:
            ContextWindowExceeded: the prompt does not fit, even without examples; says by how much.
            PromptError: the input or a field is missing.
        """
        return self._call_with_config(self._fit, input, config, run_type="prompt")

    def __or__(self, other: Any) -> Any:
        """Return the sequence with another step; a model gets the stop strings of each prompt."""
        try:
            unbind(other)
        except PromptError:  # not a model
            return super().__or__(other)
        return super().__or__(FittedModel(other, self._max_new_tokens))


class FittedModel(Runnable[FittedPrompt, Any]):
    """A model that gets, with each fitted prompt, the stop strings and the limit that the prompt was fitted for."""

    def __init__(self, model: Runnable[Any, Any], max_new_tokens: int | None) -> None:
        llm, bound = unbind(model)
        self.model = model
        self._stop = bound.get("stop") or getattr(getattr(llm, "settings", llm), "stop", None) or ()
        is_limited = max_new_tokens is None or bound.keys() & {"max_new_tokens", "max_tokens"}
        self._limit = {} if is_limited else {"max_tokens": max_new_tokens}

    def invoke(self, input: FittedPrompt, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Answer one prompt."""
        return self.model.invoke(input, config, **self._options(input), **kwargs)

    async def ainvoke(self, input: FittedPrompt, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Answer one prompt."""
        return await self.model.ainvoke(input, config, **self._options(input), **kwargs)

    def stream(self, input: FittedPrompt, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Yield one prompt's answer in pieces."""
        yield from self.model.stream(input, config, **self._options(input), **kwargs)

    async def astream(
        self, input: FittedPrompt, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Yield one prompt's answer in pieces."""
        async for piece in self.model.astream(input, config, **self._options(input), **kwargs):
            yield piece

    def batch(
        self, inputs: list[FittedPrompt], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """Answer prompts in true batches: together where their stop strings are the same."""
        answers: list[Any] = [None] * len(inputs)
        for group, prompts, configs in _groups(inputs, config):
            options = {**self._options(prompts[0]), **kwargs}
            found = self.model.batch(prompts, configs, return_exceptions=return_exceptions, **options)
            for index, answer in zip(group, found, strict=True):
                answers[index] = answer
        return answers

    async def abatch(
        self, inputs: list[FittedPrompt], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """Answer prompts in true batches: together where their stop strings are the same."""
        answers: list[Any] = [None] * len(inputs)
        for group, prompts, configs in _groups(inputs, config):
            options = {**self._options(prompts[0]), **kwargs}
            found = await self.model.abatch(prompts, configs, return_exceptions=return_exceptions, **options)
            for index, answer in zip(group, found, strict=True):
                answers[index] = answer
        return answers

    def _options(self, prompt: FittedPrompt) -> dict[str, Any]:
        stop = {"stop": list(dict.fromkeys([*self._stop, *prompt.stop]))} if prompt.stop else {}
        return {**self._limit, **stop}


def _groups(
    prompts: Sequence[FittedPrompt], config: Configs
) -> Iterator[tuple[list[int], list[FittedPrompt], list[RunnableConfig]]]:
    """Yield the indices of the prompts with the same stop strings, those prompts, and their configurations."""
    configs = get_config_list(config, len(prompts)) if prompts else []
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, prompt in enumerate(prompts):
        groups.setdefault(prompt.stop, []).append(index)
    for group in groups.values():
        yield group, [prompts[index] for index in group], [configs[index] for index in group]

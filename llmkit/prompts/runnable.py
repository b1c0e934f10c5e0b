"""`prompt.fitted_to(llm) | llm`: a prompt that is fitted to a model, as a LangChain Runnable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.runnables.config import get_config_list, run_in_executor

from llmkit.errors import PromptError
from llmkit.prompts.budget import FittedPrompt
from llmkit.prompts.context_budget import unbind

Configs = RunnableConfig | list[RunnableConfig] | None


class PromptFitter(Runnable[Any, FittedPrompt]):
    """Fits a prompt to a model; what `TaskPrompt.fitted_to` returns."""

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


class FittedModel(RunnableLambda[FittedPrompt, Any]):
    """A model that gets, with each fitted prompt, the stop strings and the limit that the prompt was fitted for."""

    def __init__(self, model: Runnable[Any, Any], max_new_tokens: int | None) -> None:
        llm, bound = unbind(model)
        self.model = model
        stop = bound.get("stop") or getattr(getattr(llm, "settings", llm), "stop", None) or ()
        self._stop = (stop,) if isinstance(stop, str) else tuple(stop)
        is_limited = max_new_tokens is None or bound.keys() & {"max_new_tokens", "max_tokens"}
        self._limit = {} if is_limited else {"max_tokens": max_new_tokens}
        super().__init__(self._with_options, name="FittedModel")  # which then runs what that returns

    def _with_options(self, prompt: FittedPrompt) -> Runnable[Any, Any]:
        stop = {"stop": list(dict.fromkeys([*self._stop, *prompt.stop]))} if prompt.stop else {}
        return self.model.bind(**self._limit, **stop)

    def batch(
        self, inputs: list[FittedPrompt], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """Answer prompts in true batches: together where their stop strings are the same."""
        configs = get_config_list(config, len(inputs)) if inputs else []
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, prompt in enumerate(inputs):
            groups.setdefault(prompt.stop, []).append(index)
        answers: dict[int, Any] = {}
        for group in groups.values():
            prompts: list[Any] = [inputs[index] for index in group]
            options = {"return_exceptions": return_exceptions, **kwargs}
            found = self._with_options(prompts[0]).batch(prompts, [configs[index] for index in group], **options)
            answers.update(zip(group, found, strict=True))
        return [answers[index] for index in range(len(inputs))]

    async def abatch(
        self, inputs: list[FittedPrompt], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        """Do as `batch`, in a thread."""
        return await run_in_executor(None, self.batch, inputs, config, return_exceptions=return_exceptions, **kwargs)

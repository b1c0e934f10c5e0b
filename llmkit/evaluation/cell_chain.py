"""The chain of a cell, built in each worker from plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.language_models import BaseLanguageModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor
from pydantic import BaseModel, ConfigDict

from llmkit.batch.spec import ChainSpec
from llmkit.chains.postprocess import is_complete
from llmkit.evaluation.cells import CHAINS, NO_PROMPT, SELECTING, Cell
from llmkit.evaluation.items import Data
from llmkit.models.embeddings import load_embedder
from llmkit.prompts import TaskPrompt, selectors, similarity
from llmkit.prompts.library import parse

_SHOWS_EXAMPLES = ("summarize", "classify")
"""Tasks whose chain decides whether examples help; a cell with examples shows them, or asks for "auto"."""
_NULL = (("embedder", "none"), ("show_examples", "auto"))
"""Arguments that are null, which TOML does not have."""
_DEFAULT_PROMPTS = {
    "summarize": "summarize-text",
    "classify": "classify",
    "entities": "mentions",
    "answer": "question-answering",
}
"""The prompts of chains that are given none."""


class Completion(BaseModel):
    """What a model generated.

    Attributes:
        text: without white space at its ends.
        prompt_tokens, completion_tokens: how many the model read and wrote.
        examples: how many are in the prompt.
        examples_left_out: how many of those that were asked for did not fit.
        complete: whether the completion ended before `max_new_tokens`.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    prompt_tokens: int
    completion_tokens: int | None
    examples: int
    examples_left_out: int
    complete: bool


class PromptedModel(Runnable[str, Completion]):
    """A prompt, fitted to a model, and what the model generates: the plainest way to do a task."""

    def __init__(self, llm: BaseLanguageModel[Any], prompt: TaskPrompt) -> None:
        self.llm, self.prompt = llm, prompt
        self._fit = prompt.fitted_to(llm)
        self._model = (self._fit | llm).last  # stops where the prompt's layout says that a completion is over

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Completion:
        """Return the completion of one input."""
        [completion] = self.batch([input], config, **kwargs)
        return cast(Completion, completion)

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> list[Any]:
        """Return the completions of inputs, which are generated together."""
        fitted = self._fit.batch(inputs, config, return_exceptions=return_exceptions)
        good = [prompt for prompt in fitted if not isinstance(prompt, Exception)]
        answers = iter(self._model.batch(good, return_exceptions=return_exceptions))
        return [
            prompt if isinstance(prompt, Exception) else self._completion(prompt, next(answers)) for prompt in fitted
        ]

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> list[Any]:
        """Do as `batch`, in a thread."""
        return await run_in_executor(None, self.batch, inputs, config, **kwargs)

    def _completion(self, prompt: Any, answer: Any) -> Any:
        if isinstance(answer, Exception):
            return answer
        usage = answer.usage_metadata or {}
        left_out = sum(one.reason == "does not fit" for one in prompt.report.left_out)
        return Completion(
            text=answer.text.strip(),
            prompt_tokens=prompt.tokens,
            completion_tokens=usage.get("output_tokens"),
            examples=len(prompt.examples),
            examples_left_out=left_out,
            complete=is_complete(answer),
        )


def cell_spec(cell: Cell, task: str, data: Data, seed: int) -> ChainSpec:
    """Return what a worker computes for a cell, as plain data: nothing that does not change its results."""
    pool = data.examples[: cell.examples] if cell.selector == "first" else data.examples
    arguments = {
        "task": task,
        "prompt": cell.prompt,
        "examples": [*pool] if cell.examples else [],
        "count": cell.examples,
        "selector": cell.selector,
        "labels": [*data.labels],
        "seed": seed if cell.selector == "random" else 0,
        **{name: None if (name, value) in _NULL else value for name, value in cell.arguments.items()},
    }
    return ChainSpec(f"{__name__}:build", arguments, model=cell.model, settings=cell.settings, **cell.loading)


def prompt_of(cell: Cell, task: str, data: Data, seed: int) -> TaskPrompt:
    """Return the prompt of a cell, with its examples and its selector."""
    name = _DEFAULT_PROMPTS.get(task) if cell.prompt is None else cell.prompt
    prompt = _prompt(name) or TaskPrompt()
    if not cell.examples:
        return prompt
    return prompt.with_examples(data.examples, _selector(cell.selector, cell.examples, seed))


def build(
    llm: Any,
    task: str,
    prompt: str | None,
    examples: Sequence[dict[str, Any]],
    count: int,
    selector: str,
    labels: Sequence[str],
    seed: int,
    **arguments: Any,
) -> Runnable[Any, Any]:
    """Return the chain of a cell.

    Args:
        llm: the model.
        task: of the plan.
        prompt: a name, a prompt text, "none", or `None` for the task's own.
        examples: all that can be chosen.
        count: how many are chosen for each input.
        selector: chooses them.
        labels: of a classification, or of entities.
        seed: of the random selector.
        **arguments: of the task's chain.
    """
    text = _prompt(prompt)
    chosen = _selector(selector, count, seed) if examples else None
    if task == "generate" or prompt == NO_PROMPT:
        base = text or TaskPrompt()
        return PromptedModel(llm, base.with_examples(examples, chosen) if examples else base)
    from llmkit import chains

    if text is not None:
        arguments["prompt"] = text
    if labels:
        arguments["labels"] = list(labels)
    if examples:
        arguments |= _examples(task, examples, chosen, count, arguments)
    if task == "answer" and arguments.get("embedder"):
        arguments["embedder"] = load_embedder(arguments["embedder"])
    return getattr(chains, CHAINS[task])(llm=llm, **arguments)  # type: ignore[no-any-return]


def _examples(
    task: str, examples: Sequence[dict[str, Any]], selector: Any, count: int, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a chain for its examples."""
    if task not in SELECTING:
        return {"examples": list(examples)[:count]}
    given: dict[str, Any] = {"examples": list(examples), "selector": selector}
    if task in _SHOWS_EXAMPLES:
        given["show_examples"] = arguments.get("show_examples", True)
    return given


def _prompt(name: str | None) -> TaskPrompt | None:
    if name is None or name == NO_PROMPT:
        return None
    return TaskPrompt(**parse(name)) if "\n" in name else TaskPrompt.load(name)


def _selector(name: str, count: int, seed: int) -> Any:
    match name:
        case "random":
            return selectors.RandomExamples(count, seed=seed)
        case "balanced":
            return selectors.BalancedExamples(k=count)
        case "lexical":
            return similarity.LexicalExamples(count)
        case "similar":
            return similarity.SimilarExamples(count)
        case "diverse":
            return similarity.DiverseExamples(count)
    return selectors.FirstExamples(count)

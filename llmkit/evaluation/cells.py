"""Cells: the ways to do a task that are compared, as a plan names them or as the product of its lists."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from llmkit.errors import InputError, LlmkitError
from llmkit.models import DEFAULT_MODEL
from llmkit.models.generation.settings import GenerationSettings

Task = Literal["generate", "summarize", "classify", "entities", "answer"]
Selector = Literal["first", "random", "balanced", "lexical", "similar", "diverse"]

CHAINS = {
    "summarize": "SummarizationChain",
    "classify": "ZeroShotClassificationChain",
    "entities": "NERChain",
    "answer": "QAChain",
}
"""The chain of each task, in `llmkit.chains`; "generate" gives a prompt to the model."""
SELECTING = ("generate", "summarize", "classify")
"""Tasks in which each input can get examples of its own."""
NO_PROMPT = "none"
"""The name of the prompt that is the input alone."""

_OWN: dict[str, tuple[type, str]] = {
    "name": (str, "a text"),
    "prompt": (str, 'the name of a prompt text, a path that ends in .md, or "none"'),
    "examples": (int, "a whole number"),
    "selector": (str, "a text"),
    "model": (str, "a name or a path"),
}
_LOADING: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("device", "dtype", "quantization", "base_url", "tokenizer"), (str, "a text")),
    "context_window": (int, "a number of tokens"),
}
_OF_THE_PLAN = ("self", "llm", "labels", "examples", "selector", "prompt", "progress", "tuning", "retriever")
"""Arguments of chains that are no keys of a cell: the plan gives them, or TOML cannot."""


@dataclass(frozen=True)
class Cell:
    """One way to do the task: a prompt, examples, a model and settings.

    Attributes:
        name: in tables; made of what differs between the cells of a matrix.
        prompt: the name of a prompt text, the text of one, or "none"; `None` is the task's own.
        examples: how many are in the prompt.
        selector: how they are chosen for each input.
        model: a name or a path.
        loading: how the model is loaded, or the server that runs it: `device`, `dtype`, `base_url` and others.
        settings: generation settings.
        arguments: of the task's chain.
    """

    name: str
    prompt: str | None = None
    examples: int = 0
    selector: Selector = "first"
    model: str = DEFAULT_MODEL
    loading: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_sampled(self) -> bool:
        """Whether another seed gives another result."""
        return bool(GenerationSettings(**self.settings).sampled)

    def with_seed(self, seed: int) -> Cell:
        """Return the cell with a seed, if it samples."""
        return replace(self, settings={**self.settings, "seed": seed}) if self.is_sampled else self


def cell_keys(task: str) -> list[str]:
    """Return the keys that a cell of a task can have."""
    return [*_OWN, *_LOADING, *GenerationSettings.model_fields, *_chain_arguments(task)]


@cache
def _chain_arguments(task: str) -> tuple[str, ...]:
    if task not in CHAINS:
        return ()
    from llmkit import chains

    return tuple(
        name for name in inspect.signature(getattr(chains, CHAINS[task])).parameters if name not in _OF_THE_PLAN
    )


def parse_cells(
    given: Sequence[Mapping[str, Any]], shared: Mapping[str, Any], task: str, folder: Path
) -> tuple[Cell, ...]:
    """Return the cells that are given; or one cell, of what is shared.

    Args:
        given: the keys of each cell, `name` among them.
        shared: keys that all cells have, unless they have their own value.
        task: of the plan.
        folder: that paths are relative to.

    Raises:
        InputError: a key is unknown, a value is wrong, or two cells have one name.
    """
    cells = tuple(_cell({**shared, **one}, task, folder) for one in given or [{"name": "default"}])
    names = [cell.name for cell in cells]
    if double := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two cells are called {double[0]!r}")
    return cells


def product_of(matrix: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of a matrix, one for each combination, named by what differs; without examples none selects.

    Args:
        matrix: a value or a list of values of each key.
    """
    if not matrix:
        return []
    lists = {key: value if isinstance(value, list) else [value] for key, value in matrix.items()}
    if empty := [key for key, value in lists.items() if not value]:
        raise InputError(f"{empty[0]} of the matrix has no values")
    varied = [key for key, value in lists.items() if len(value) > 1] or list(lists)
    cells = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    if "examples" in lists:
        cells = [{k: v for k, v in cell.items() if k != "selector" or cell["examples"] != 0} for cell in cells]
    different = [cell for index, cell in enumerate(cells) if cell not in cells[:index]]
    return [
        {"name": ", ".join(_describe(key, cell[key]) for key in varied if key in cell), **cell} for cell in different
    ]


def _describe(key: str, value: Any) -> str:
    match key:
        case "examples":
            return f"{value} example{'' if value == 1 else 's'}"
        case "prompt" | "model" | "selector":
            name = Path(value).name if isinstance(value, str) else str(value)
            return "no prompt" if (key, value) == ("prompt", NO_PROMPT) else name.removesuffix(".md")
        case _:
            return f"{key.replace('_', ' ')} {value}"


def _cell(values: Mapping[str, Any], task: str, folder: Path) -> Cell:
    """Return a checked cell."""
    name = values.get("name")
    if not isinstance(name, str) or not name.strip() or re.search(r"[\x00-\x1f\x7f-\x9f]", name):
        raise InputError(f"a cell has the name {name!r}, but needs a line of text: [[cells]], then name = …")
    groups: dict[str, dict[str, Any]] = {"own": {}, "loading": {}, "settings": {}, "arguments": {}}
    for key, value in values.items():
        groups[_group(key, value, task, name)][key] = value
    own = groups.pop("own")
    _check(own, task)
    if isinstance(prompt := own.get("prompt"), str):
        own["prompt"] = _prompt_text(prompt, folder)
    try:
        if GenerationSettings(**groups["settings"]).sampled is None:  # else a model's own defaults may sample
            groups["settings"]["temperature"] = 0
    except LlmkitError as error:
        raise InputError(f"cell {name!r}: {error}") from error
    parts: dict[str, Any] = {**own, **groups}
    return Cell(**parts)


def _group(key: str, value: Any, task: str, name: str) -> str:
    """Return what a key is for, after a check of its value's type."""
    known = _OWN.get(key) or _LOADING.get(key)
    if known:
        if not isinstance(value, known[0]) or isinstance(value, bool):
            raise InputError(f"cell {name!r}: {key} is {value!r}, but must be {known[1]}")
        return "own" if key in _OWN else "loading"
    if key in _chain_arguments(task):
        return "arguments"
    if key in (*GenerationSettings.model_fields, "max_tokens", "do_sample"):
        return "settings"
    raise InputError(f"cell {name!r} has the unknown key {key!r}: those for {task} are {', '.join(cell_keys(task))}")


def _check(own: Mapping[str, Any], task: str) -> None:
    selector, count = own.get("selector", "first"), own.get("examples", 0)
    selectors = Selector.__args__  # type: ignore[attr-defined]
    if selector not in selectors:
        raise InputError(f"cell {own['name']!r}: selector is {selector!r}, but must be one of {', '.join(selectors)}")
    if selector != "first" and task not in SELECTING:
        raise InputError(f"cell {own['name']!r}: selectors are for {', '.join(SELECTING)}, not for {task}")
    if count < 0:
        raise InputError(f"cell {own['name']!r}: examples is {count}, but must not be negative")
    if own.get("prompt") == NO_PROMPT and task not in ("generate", "summarize"):
        raise InputError(f'cell {own["name"]!r}: the prompt "none" is for generate and summarize, not for {task}')


def _prompt_text(name: str, folder: Path) -> str:
    """Return a name of a prompt text as it is, and a file of one as its text; raise `PromptError` if it is wrong."""
    from llmkit.prompts import TaskPrompt

    if name == NO_PROMPT:
        return name
    if name.endswith(".md"):
        return TaskPrompt.load(folder / name).to_markdown()
    TaskPrompt.load(name)
    return name

"""What a model can do: tell likelihoods or, where it tells none, hold what it writes to a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBinding

from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt


def scores_of(llm: Runnable[Any, Any]) -> Any:
    """Give the model that tells likelihoods (`llm.score`), bound arguments or not; `None` if it tells none."""
    while isinstance(llm, RunnableBinding):
        llm = llm.bound
    return llm if hasattr(llm, "score") else None


def structured(prompt: TaskPrompt, llm: Any, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
    """Give a chain from the prompt's fields to an object of the schema.

    Raises:
        InputError: the model has no structured output.
    """
    try:
        chain: Runnable[Any, Any] = prompt | llm.with_structured_output(schema)
        return chain
    except (AttributeError, NotImplementedError) as error:
        raise InputError(
            f"{type(llm).__name__} tells no likelihoods, and has no structured output: "
            "choose another model, such as HuggingFaceChat"
        ) from error

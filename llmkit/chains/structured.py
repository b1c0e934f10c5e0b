"""The fallback for models that return no log-likelihoods: structured output, parsed into a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.chains.base import attempt
from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt

Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


def text_fields(text: str) -> dict[str, Any]:
    """Return the fields of a prompt whose only input is the text."""
    return {"input": text}


class StructuredTask(Generic[Prepared, Result]):
    """A prompt whose completion is an object of a JSON schema, and what a chain makes of that object.

    Args:
        llm: a model with structured output.
        prompt: asks for the object.
        schema: the JSON schema.
        fields: returns the values of the prompt's fields for one prepared input.
        parse: turns an object into a result; raises `GenerationError` if it is not what was asked for.

    Raises:
        InputError: the model has no structured output.
    """

    def __init__(
        self,
        llm: Any,
        prompt: TaskPrompt,
        schema: Mapping[str, Any],
        *,
        fields: Callable[[Prepared], dict[str, Any]],
        parse: Callable[[Prepared, Any], Result],
    ) -> None:
        self.fields, self.parse = fields, parse
        try:
            self.completion: Runnable[Any, Any] = prompt | llm.with_structured_output(schema)
        except (AttributeError, NotImplementedError) as error:
            raise InputError(
                f"{type(llm).__name__} returns no log-likelihoods and has no structured output: "
                "choose another model, such as HuggingFaceChat"
            ) from error

    def run(self, prepared: Sequence[Prepared], configs: Sequence[RunnableConfig]) -> list[Result | Exception]:
        """Return the result for each input, or the error that it failed with."""
        inputs = [self.fields(item) for item in prepared]
        answers = self.completion.batch(inputs, list(configs), return_exceptions=True)
        return [
            answer if isinstance(answer, Exception) else attempt(partial(self.parse, item), answer)
            for item, answer in zip(prepared, answers, strict=True)
        ]

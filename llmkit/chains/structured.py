"""The fallback for models that return no log-likelihoods: structured output, parsed into a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.errors import GenerationError, InputError
from llmkit.prompts import TaskPrompt

Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


@dataclass(frozen=True)
class StructuredTask(Generic[Prepared, Result]):
    """A prompt whose completion is an object of a JSON schema, and what a chain makes of that object.

    Attributes:
        completion: a chain from the prompt's fields to an object of the schema.
        fields: returns the values of the prompt's fields for one prepared input.
        parse: turns an object into a result; raises `GenerationError` if it is not what was asked for.
    """

    completion: Runnable[Any, Any]
    fields: Callable[[Prepared], dict[str, Any]]
    parse: Callable[[Prepared, Any], Result]

    @classmethod
    def from_prompt(
        cls,
        llm: Any,
        prompt: TaskPrompt,
        schema: Mapping[str, Any],
        *,
        fields: Callable[[Prepared], dict[str, Any]],
        parse: Callable[[Prepared, Any], Result],
    ) -> StructuredTask[Prepared, Result]:
        """Bind a prompt and a JSON schema to a model; raise `InputError` if it has no structured output."""
        try:
            completion: Runnable[Any, Any] = prompt | llm.with_structured_output(schema)
        except (AttributeError, NotImplementedError) as error:
            raise InputError(
                f"{type(llm).__name__} returns no log-likelihoods and has no structured output: "
                "choose another model, such as HuggingFaceChat"
            ) from error
        return cls(completion, fields, parse)

    def run(self, prepared: Sequence[Prepared], configs: Sequence[RunnableConfig]) -> list[Result | Exception]:
        """Return the result for each input, or the error that it failed with."""
        inputs = [self.fields(item) for item in prepared]
        answers = self.completion.batch(inputs, list(configs), return_exceptions=True)
        return [self._parse(*pair) for pair in zip(prepared, answers, strict=True)]

    def _parse(self, prepared: Prepared, answer: Any) -> Result | Exception:
        if isinstance(answer, Exception):
            return answer
        try:
            return self.parse(prepared, answer)
        except GenerationError as error:
            return error

"""TaskPrompt: an instruction, examples and an input, as a LangChain prompt that fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, cast

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import BaseMessage
from langchain_core.prompts.chat import BaseChatPromptTemplate
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from llmkit.errors import LlmkitError, PromptError
from llmkit.prompts import library
from llmkit.prompts.budget import ExampleOrder, FittedPrompt, UnfittedPrompt
from llmkit.prompts.context_budget import ContextBudget
from llmkit.prompts.rendering import Layout, PromptParts, RenderedPrompt, Turn, render, render_text
from llmkit.prompts.runnable import PromptFitter
from llmkit.prompts.selectors import ExampleSelector, FirstExamples, candidates, same_text, selector_with_examples
from llmkit.prompts.validation import (
    Example,
    or_error,
    pydantic_errors,
    validate_field_names,
    validate_text,
    validate_values,
)

Task = Literal["summarize", "classify", "entities", "ask"]
"""What a prompt is for: the name of the command whose chain takes it."""


class TaskPrompt(BaseChatPromptTemplate):
    """A prompt for one task; `fitted_to(llm) | llm` makes it fit the model's window, to the token.

    Args:
        instruction: describes the task, once, before everything else.
        input_label: names the input, as in `Dialogue: …`.
        question: asks about each input, after it, as in `What was going on?`.
        output_label: names the output, as in `Summary: …`.
        output_start: the words that every output begins with; the model continues them.
        fields: names of the `{fields}` in the texts above; any other brace is text.
        examples: dictionaries with `input`, `output` and, where they differ by example, fields.
        selector: ranks the examples; without one they keep the order given.
        example_order: `best_last` puts the best example next to the input.
        layout: `chat`, `completion` or `flan`; `None` takes the model's.
        description: its line in the list of prompts.
        task: what it is for; chains for another task refuse it. `None` fits every chain.

    Raises:
        PromptError: a text, a field or an example is wrong.
    """

    model_config = ConfigDict(frozen=True)

    parts: PromptParts
    fields: tuple[str, ...] = ()
    selector: BaseExampleSelector
    example_order: ExampleOrder = "best_last"
    layout: Layout | None = None
    description: str = ""
    task: Task | None = None

    def __init__(
        self,
        instruction: str = "",
        *,
        input_label: str = "",
        question: str = "",
        output_label: str = "",
        output_start: str = "",
        fields: Iterable[str] = (),
        examples: Iterable[Mapping[str, str]] = (),
        selector: BaseExampleSelector | None = None,
        example_order: ExampleOrder = "best_last",
        layout: Layout | None = None,
        description: str = "",
        task: Task | None = None,
    ) -> None:
        names = fields if isinstance(fields, str) else tuple(fields)  # pydantic refuses a string
        with pydantic_errors():
            parts = PromptParts(
                instruction=instruction,
                input_label=input_label,
                question=question,
                output_label=output_label,
                output_start=output_start,
            )
            values: dict[str, Any] = {"parts": parts, "fields": names, "example_order": example_order, "layout": layout}
            values["task"] = task
            values["input_variables"] = ["input", *names]
            values["selector"] = selector_with_examples(selector, list(examples), names)
            values["description"] = validate_text(description, "description").strip()
            super(BaseChatPromptTemplate, self).__init__(**values)
        validate_field_names(self.fields, list(dict(parts).values()))

    @property
    def examples(self) -> tuple[Example, ...]:
        """The examples, in the order given; none where a selector of LangChain has them."""
        return tuple(self.selector.examples) if isinstance(self.selector, ExampleSelector) else ()

    def fit(
        self,
        input: str,
        *,
        model: Runnable[Any, Any],
        max_new_tokens: int | None = None,
        context_window: int | None = None,
        layout: Layout | None = None,
        **fields: str | int | float,
    ) -> FittedPrompt:
        """Fill the prompt and take as many examples as fit beside the input and the completion.

        Args:
            input: the text that the task is about.
            model: any LangChain model, with bound arguments or without; its tokenizer counts.
            max_new_tokens: tokens to reserve for the completion; by default the model's setting.
            context_window: in tokens; needed for models that do not report theirs, else it can only make it smaller.
            layout: overrides the prompt's and the model's.
            **fields: values of the prompt's fields.

        Raises:
            ContextWindowExceeded: the prompt does not fit, even without examples; says by how much.
            PromptError: a field is missing or unknown, or an example is wrong.
        """
        budget = ContextBudget(model, max_new_tokens, context_window, layout or self.layout)
        return self._unfitted(input, fields, budget).fit()

    def fit_all(
        self,
        inputs: Sequence[str],
        *,
        model: Runnable[Any, Any],
        max_new_tokens: int | None = None,
        context_window: int | None = None,
    ) -> list[FittedPrompt | LlmkitError]:
        """Do as `fit` for each input, or return the error that it failed with; all are encoded together."""
        budget = ContextBudget(model, max_new_tokens, context_window, self.layout)
        results: list[Any] = [or_error(self._unfitted, input, {}, budget) for input in inputs]
        unfitted = [one for one in results if isinstance(one, UnfittedPrompt) and one.may_fit]
        budget.encode_ahead([one.likely_messages() for one in unfitted], [one.rendered_input for one in unfitted])
        return [or_error(one.fit) if isinstance(one, UnfittedPrompt) else one for one in results]

    def _unfitted(self, input: str, fields: Mapping[str, Any], budget: ContextBudget) -> UnfittedPrompt:
        turn = self._turn(input, fields)
        ranked, k = candidates(self.selector, {"input": input, **turn.values}, self.fields)
        return UnfittedPrompt(self.parts, turn, budget, self.example_order, ranked, k)

    def fitted_to(
        self,
        llm: Runnable[Any, Any],
        *,
        max_new_tokens: int | None = None,
        context_window: int | None = None,
        layout: Layout | None = None,
    ) -> PromptFitter:
        """Return a Runnable that fits the prompt to a model: `prompt.fitted_to(llm) | llm`.

        It takes the input, or a dictionary with `input` and the prompt's fields. A model after it also gets the stop
        strings of the prompt's layout and `max_new_tokens`, if given. The arguments are those of `fit`.

        Raises:
            PromptError: the model does not report its window, or has no tokenizer; or an argument is wrong.
        """
        ContextBudget(llm, max_new_tokens, context_window, layout or self.layout)  # what is wrong shows now
        options: Any = {"max_new_tokens": max_new_tokens, "context_window": context_window, "layout": layout}
        return PromptFitter(partial(self._fit_given, llm, options), max_new_tokens)

    def _fit_given(self, llm: Runnable[Any, Any], options: Mapping[str, Any], given: Any) -> FittedPrompt:
        values: dict[str, Any] = self._validate_input(given)
        fields = {name: values[name] for name in self.fields if name in values}
        return self.fit(values.get("input"), model=llm, **options, **fields)  # type: ignore[arg-type]

    def format_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """Return the messages of `format_prompt`."""
        return self.format_prompt(**kwargs).to_messages()

    def format_prompt(self, **kwargs: Any) -> RenderedPrompt:  # type: ignore[override]
        """Fill the prompt with the selector's examples, whether they fit or not (see `fit`).

        Raises:
            PromptError: the input or a field is missing.
        """
        turn = self._turn(kwargs.get("input"), {name: kwargs[name] for name in self.fields if name in kwargs})
        ranked, k = candidates(self.selector, {"input": turn.input, **turn.values}, self.fields)
        chosen = [one.example for one in ranked if not same_text(one.example["input"], turn.input)][:k]
        if self.example_order == "best_last":
            chosen.reverse()
        turns = [*(Turn.from_example(example, turn.values) for example in chosen), turn]
        layout = self.layout or "chat"
        plain = render_text(self.parts, turns, "completion" if layout == "chat" else layout)
        return RenderedPrompt(messages=render(self.parts, turns, layout), text=plain)

    async def aformat_prompt(self, **kwargs: Any) -> RenderedPrompt:  # type: ignore[override]
        """Do as `format_prompt`, in a thread: a selector may compute."""
        from langchain_core.runnables import run_in_executor

        return await run_in_executor(None, self.format_prompt, **kwargs)

    def partial(self, **kwargs: Any) -> Self:
        """Return this prompt with some of its fields filled.

        Raises:
            PromptError: a name is not a field.
        """
        filled = {**self.partial_variables, **validate_values(self.fields, kwargs, complete=False)}
        left = ["input", *(name for name in self.fields if name not in filled)]
        return self.model_copy(update={"input_variables": left, "partial_variables": filled})

    def with_parts(self, **texts: str) -> Self:
        """Return this prompt with other texts, such as `instruction`.

        Raises:
            PromptError: a prompt has no such part, or its value is no text.
        """
        with pydantic_errors():
            parts = PromptParts(**{**dict(self.parts), **texts})
        return self.model_copy(update={"parts": parts})

    def with_examples(self, examples: Iterable[Mapping[str, str]], selector: BaseExampleSelector | None = None) -> Self:
        """Return this prompt with other examples and, if one is given, another selector."""
        if selector is None and isinstance(self.selector, ExampleSelector):
            selector = self.selector.with_examples(())
        return self.model_copy(update={"selector": selector_with_examples(selector, list(examples), self.fields)})

    def check_task(self, task: Task) -> None:
        """Raise `PromptError` if the prompt is for another task."""
        if self.task not in (None, task):
            raise PromptError(
                f"the prompt is for {self.task}, not for {task}: choose one for {task}; `llmkit prompts` lists them"
            )

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Read a prompt text: a string names one that ships with llmkit, a `Path` leads to any file.

        Raises:
            PromptError: it is missing or damaged.
        """
        values = library.read(name)
        try:
            return cls(**values)
        except PromptError as error:
            raise PromptError(f"prompt text {str(name)!r}: {error}") from error

    def save(self, file_path: Path | str) -> None:
        """Write the prompt text that `load` reads back as an equal prompt.

        Raises:
            PromptError: a selector or filled fields would be lost, or the file cannot be written.
        """
        if self.partial_variables:
            raise PromptError("filled fields cannot be saved: save the prompt they were filled in")
        if type(self.selector) is not FirstExamples or self.selector.k is not None:
            raise PromptError(f"{self.selector!r} cannot be saved: save the prompt without a selector")
        library.write(Path(file_path), self.to_markdown())

    def to_markdown(self) -> str:
        """Return the prompt text as it is in a file."""
        values = {
            "description": self.description,
            "task": self.task,
            **dict(self.parts),
            "layout": self.layout,
            "example_order": "" if self.example_order == "best_last" else self.example_order,
            "fields": list(self.fields),
            "examples": list(self.examples),
        }
        instruction = values.pop("instruction")
        return library.dump({key: value for key, value in values.items() if value}, str(instruction))

    def pretty_repr(self, html: bool = False) -> str:
        """Return the prompt as plain text, its fields not filled."""
        turns = [*(Turn.from_example(example, {}) for example in self.examples), Turn("{input}", {})]
        return render_text(self.parts, turns, "flan" if self.layout == "flan" else "completion")

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return `False`: a prompt is saved as a prompt text, which is data only."""
        return False

    @property
    def _prompt_type(self) -> str:
        return "llmkit-task"

    def _turn(self, input: Any, values: Mapping[str, Any]) -> Turn:
        if input is None:
            raise PromptError("the prompt's input is missing: give input=")
        filled = {name: value for name, value in self.partial_variables.items() if name not in values}
        return Turn(validate_text(input, "the input"), validate_values(self.fields, {**filled, **values}))

    def _validate_input(self, inner_input: Any) -> dict[str, Any]:
        # LangChain raises KeyError and TypeError here; format_prompt names what is missing in a PromptError.
        given = inner_input if isinstance(inner_input, dict) else {"input": inner_input}
        return cast(dict[str, Any], given)

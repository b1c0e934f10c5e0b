"""TaskPrompt: an instruction, solved examples and an input, as a LangChain prompt that fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import BaseMessage
from langchain_core.prompts.chat import BaseChatPromptTemplate
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from llmkit.errors import PromptError
from llmkit.prompts import budget, library
from llmkit.prompts.context_budget import ContextBudget
from llmkit.prompts.examples import Example, check_example, same_text
from llmkit.prompts.fields import check_names, check_text, check_values
from llmkit.prompts.rendering import Case, LaidOut, Layout, Wording, check_layout, lay_out, solved, to_text
from llmkit.prompts.selectors import ExampleSelector, FirstExamples, candidates

Place = Literal["last", "first"]
_LINE_END = re.compile(r"\r+\n")


class TaskPrompt(BaseChatPromptTemplate):
    """A prompt for one task; `prompt | llm` works, and `fit` makes it fit the model's window, to the token.

    Attributes:
        wording: the texts that stay the same: instruction, labels, question, start of the answer.
        fields: names of the `{fields}` that stand in those texts, beside the input.
        selector: holds the examples and ranks them for an input.
        most_relevant: where the best examples stand: `last`, next to the input, or `first`.
        layout: `chat`, `completion` or `flan`; `None` leaves it to the model.

    Args:
        instruction: says the task, once, before everything else.
        input_label: names the input, as in `Dialogue: …`.
        question: asks about each input, after it, as in `What was going on?`.
        output_label: names the answer, as in `Summary: …`.
        output_start: the words that every answer begins with; the model goes on from them.
        fields: names of the `{fields}` in the texts above; any other brace is text.
        examples: dictionaries with `input`, `output` and, where they differ by example, fields.
        selector: ranks the examples; as they were given, if left out.
        most_relevant: `last` puts the best example next to the input.
        layout: `None` takes the model's own: `chat`, `completion` or `flan`.
        description: says in the list of prompts what this one is for.

    Raises:
        PromptError: a text, a field or an example is wrong; says which.
    """

    model_config = ConfigDict(frozen=True)

    wording: Wording
    fields: tuple[str, ...] = ()
    selector: BaseExampleSelector
    most_relevant: Place = "last"
    layout: Layout | None = None
    description: str = ""

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
        most_relevant: Place = "last",
        layout: Layout | None = None,
        description: str = "",
    ) -> None:
        texts = {
            "instruction": instruction,
            "input_label": input_label,
            "question": question,
            "output_label": output_label,
            "output_start": output_start,
        }
        texts = {name: _LINE_END.sub("\n", check_text(text, name)).strip() for name, text in texts.items()}
        declared = check_names(fields, list(texts.values()))
        if most_relevant not in ("last", "first"):
            raise PromptError(f"most_relevant is {most_relevant!r}, but must be 'last' or 'first'")
        fixed: dict[str, Any] = {
            "input_variables": ["input", *declared],
            "wording": Wording(**texts),
            "fields": declared,
            "selector": _selector_over(selector, list(examples), declared),
            "most_relevant": most_relevant,
            "layout": check_layout(layout),
            "description": check_text(description, "description").strip(),
        }
        super(BaseChatPromptTemplate, self).__init__(**fixed)

    @property
    def examples(self) -> tuple[Example, ...]:
        """The examples, in the order given; none where one of LangChain's own selectors holds them."""
        return tuple(self.selector.examples) if isinstance(self.selector, ExampleSelector) else ()

    def fit(
        self,
        input: str,
        *,
        model: Runnable[Any, Any],
        max_new_tokens: int,
        context_window: int | None = None,
        layout: Layout | None = None,
        **fields: str | int | float,
    ) -> budget.FittedPrompt:
        """Fill the prompt and take as many examples as fit beside the input and the room for the answer.

        Args:
            input: the text that the task is about.
            model: any LangChain model, bound arguments or not; its own tokenizer counts.
            max_new_tokens: room to keep for the answer, in tokens.
            context_window: in tokens; needed for models that do not say, else it can only make the window smaller.
            layout: overrides the prompt's own and the model's.
            **fields: values of the prompt's fields.

        Raises:
            ContextWindowExceeded: the prompt does not fit, even without examples; says by how much.
            PromptError: a field is missing or unknown, or an example is wrong.
        """
        case = Case(check_text(input, "the input"), self._values(fields))
        ranked, most = candidates(self.selector, {"input": input, **case.values}, self.fields)
        room = ContextBudget(model, max_new_tokens, context_window, layout or self.layout)
        draft = budget.Draft(self.wording, case, room, best_last=self.most_relevant == "last")
        return budget.fit(draft, ranked, most)

    def format_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """Give the turns, with the selector's examples, whether they fit or not."""
        return self.format_prompt(**kwargs).to_messages()

    def format_prompt(self, **kwargs: Any) -> LaidOut:  # type: ignore[override]
        """Fill the prompt with the selector's examples, whether they fit or not; `fit` is the careful way.

        Raises:
            PromptError: the input or a field is missing.
        """
        if "input" not in kwargs:
            raise PromptError("the prompt's input is missing: give input=")
        text = check_text(kwargs["input"], "the input")
        values = self._values({name: kwargs[name] for name in self.fields if name in kwargs})
        ranked, most = candidates(self.selector, {"input": text, **values}, self.fields)
        chosen = [each.example for each in ranked if not same_text(each.example["input"], text)][:most]
        if self.most_relevant == "last":
            chosen.reverse()
        cases, case = [solved(example, values) for example in chosen], Case(text, values)
        layout = self.layout or "chat"
        plain = to_text(self.wording, cases, case, "completion" if layout == "chat" else layout)
        return LaidOut(messages=lay_out(self.wording, cases, case, layout), text=plain)

    async def aformat_prompt(self, **kwargs: Any) -> LaidOut:  # type: ignore[override]
        """Do as `format_prompt`, in a thread, for a selector may compute."""
        from langchain_core.runnables import run_in_executor

        return await run_in_executor(None, self.format_prompt, **kwargs)

    def partial(self, **kwargs: Any) -> Self:
        """Give this prompt with some of its fields filled.

        Raises:
            PromptError: a name is not a field.
        """
        filled = {**self.partial_variables, **check_values(self.fields, kwargs, complete=False)}
        left = ["input", *(name for name in self.fields if name not in filled)]
        return self.model_copy(update={"input_variables": left, "partial_variables": filled})

    def with_examples(self, examples: Iterable[Mapping[str, str]], selector: BaseExampleSelector | None = None) -> Self:
        """Give this prompt with other examples and, if one is given, another selector."""
        own = self.selector if isinstance(self.selector, ExampleSelector) else None
        given = [check_example(each, number, self.fields) for number, each in enumerate(examples, 1)]
        chosen = _selector_over(selector, given, self.fields) if selector or not own else own.over(given, self.fields)
        return self.model_copy(update={"selector": chosen})

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Read a prompt text: a string names one that ships with llmkit, a `Path` leads to any file.

        Raises:
            PromptError: it is not there, or damaged; says where.
        """
        return cls(**library.read(name))

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
        """Give the prompt text as it stands in a file."""
        texts = {**vars(self.wording), "description": self.description, "layout": self.layout or ""}
        texts["most_relevant"] = "" if self.most_relevant == "last" else self.most_relevant
        return library.dump(texts, self.fields, self.examples, self.wording.instruction)

    def pretty_repr(self, html: bool = False) -> str:
        """Give the prompt as a plain text, its fields not filled."""
        cases = [solved(example, {}) for example in self.examples]
        return to_text(self.wording, cases, Case("{input}", {}), "flan" if self.layout == "flan" else "completion")

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Say no: a prompt is saved as a prompt text, which is data only."""
        return False

    @property
    def _prompt_type(self) -> str:
        return "llmkit-task"

    def _values(self, given: Mapping[str, Any]) -> dict[str, str]:
        filled = {name: value for name, value in self.partial_variables.items() if name not in given}
        return check_values(self.fields, {**filled, **given})

    def _validate_input(self, inner_input: Any) -> dict[str, Any]:
        # LangChain raises KeyError and TypeError here; format_prompt names what is missing in a PromptError.
        given = inner_input if isinstance(inner_input, dict) else {"input": inner_input}
        return cast(dict[str, Any], given)


def _selector_over(
    selector: BaseExampleSelector | None, examples: Sequence[Any], fields: Sequence[str]
) -> BaseExampleSelector:
    """The selector with the prompt's examples in it; one that has its own keeps them."""
    chosen = FirstExamples() if selector is None else selector
    if not isinstance(chosen, ExampleSelector):
        if examples:
            raise PromptError(f"{type(chosen).__name__} holds its own examples: give them to it, not to the prompt")
        return chosen
    if examples and chosen.examples:
        raise PromptError("examples were given twice: to the prompt and to its selector")
    return chosen.over(examples or chosen.examples, fields)

"""How a prompt is laid out: as chat turns, as plain text, or as the FLAN models were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import PromptValue

from llmkit.errors import PromptError
from llmkit.prompts.fields import fill

Layout = Literal["chat", "completion", "flan"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def check_layout(layout: Any) -> Layout | None:
    """Give the layout, or `None` where it is left open.

    Raises:
        PromptError: there is no such layout.
    """
    if layout is not None and layout not in LAYOUTS:
        raise PromptError(f"layout is {layout!r}, but must be one of {', '.join(LAYOUTS)}")
    return cast("Layout | None", layout)


@dataclass(frozen=True, kw_only=True)
class Wording:
    """The texts of a prompt that stay the same from input to input; fields are not filled yet."""

    instruction: str = ""
    input_label: str = ""
    question: str = ""
    output_label: str = ""
    output_start: str = ""


@dataclass(frozen=True)
class Case:
    """One input with the values of the fields, and the answer where it is known."""

    input: str
    values: Mapping[str, str]
    output: str | None = None


def ask(wording: Wording, case: Case, layout: Layout) -> str:
    """Give the words that show an input and ask about it."""
    label = fill(wording.input_label, case.values)
    between = ":\n\n" if layout == "flan" else ": "
    shown = f"{label}{between}{case.input}" if label else case.input
    question = fill(wording.question, case.values)
    if not question:
        return shown
    return f"{shown}\n{question}" if layout == "completion" else f"{shown}\n\n{question}"


def answer(wording: Wording, case: Case) -> str:
    """Give the words of the answer: its label, its start and, in an example, the rest."""
    label = fill(wording.output_label, case.values)
    parts = [f"{label}:" if label else "", fill(wording.output_start, case.values), case.output or ""]
    return " ".join(part for part in parts if part)


def solved(example: Mapping[str, str], values: Mapping[str, str]) -> Case:
    """Give an example as a case; its own values of fields go before the prompt's."""
    own = {name: value for name, value in example.items() if name not in ("input", "output")}
    return Case(example["input"], {**values, **own}, example["output"])


def lay_out(wording: Wording, examples: Sequence[Case], case: Case, layout: Layout) -> list[BaseMessage]:
    """Give what a model with this layout gets; plain text is one message, which such models take as it is."""
    if layout == "chat":
        return to_messages(wording, examples, case)
    return [HumanMessage(to_text(wording, examples, case, layout))]


def to_messages(wording: Wording, examples: Sequence[Case], case: Case) -> list[BaseMessage]:
    """Lay out as chat turns; a last turn of the assistant's is left open for the model to go on with."""
    instruction = fill(wording.instruction, case.values)
    messages: list[BaseMessage] = [SystemMessage(instruction)] if instruction else []
    for each in (*examples, case):
        messages.append(HumanMessage(ask(wording, each, "chat")))
        if opened := answer(wording, each):
            messages.append(AIMessage(opened))
    return messages


def to_text(wording: Wording, examples: Sequence[Case], case: Case, layout: Layout) -> str:
    """Lay out as plain text that ends where the answer begins."""
    gap = "\n\n\n" if layout == "flan" else "\n\n"
    before = "\n\n" if layout == "flan" and not fill(wording.question, case.values) else "\n"
    shown = [
        before.join(part for part in (ask(wording, each, layout), answer(wording, each)) if part)
        for each in (*examples, case)
    ]
    instruction = fill(wording.instruction, case.values)
    return "\n\n".join(part for part in (instruction, gap.join(shown)) if part)


def stops(wording: Wording, values: Mapping[str, str], layout: Layout) -> tuple[str, ...]:
    """Give the strings at which an answer is over: with them a model would begin the next example."""
    if layout == "chat":
        return ()
    if layout == "flan":
        return ("\n\n\n",)
    label = fill(wording.input_label, values)
    return (f"\n{label}:",) if label else ("\n\n",)


def transcript(messages: Sequence[BaseMessage]) -> str:
    """Give chat turns as text, each under the name of its role."""
    names = {"system": "System", "human": "User", "ai": "Assistant"}
    return "\n\n".join(f"{names[message.type]}:\n{message.content}" for message in messages)


class LaidOut(PromptValue):
    """A filled prompt: chat turns to a chat model, plain text to a model that completes text."""

    messages: list[BaseMessage]
    text: str

    def to_messages(self) -> list[BaseMessage]:
        """Give the turns."""
        return list(self.messages)

    def to_string(self) -> str:
        """Give the plain text, without names of roles."""
        return self.text

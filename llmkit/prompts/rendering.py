"""How a prompt is rendered: as chat messages, as plain text, or as the FLAN models were trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import PromptValue
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from llmkit.prompts.fields import fill
from llmkit.prompts.validation import validate_text

Layout = Literal["chat", "completion", "flan"]
"""How a prompt is rendered: as chat messages, as plain text, or with the white space that FLAN was trained on."""

_LINE_END = re.compile(r"\r+\n")


class PromptParts(BaseModel):
    """The texts of a prompt that stay the same from input to input (see `TaskPrompt`); fields are not filled yet."""

    model_config = ConfigDict(frozen=True)

    instruction: str = ""
    input_label: str = ""
    question: str = ""
    output_label: str = ""
    output_start: str = ""

    @field_validator("*", mode="before")
    @classmethod
    def _validate_text(cls, value: Any, info: ValidationInfo) -> str:
        return _LINE_END.sub("\n", validate_text(value, str(info.field_name))).strip()


@dataclass(frozen=True)
class Turn:
    """One input with the values of the fields and, in an example, its output."""

    input: str
    values: Mapping[str, str]
    output: str | None = None

    @classmethod
    def from_example(cls, example: Mapping[str, str], values: Mapping[str, str]) -> Turn:
        """Return an example's turn; its own values of fields go before the prompt's."""
        fields = {name: value for name, value in example.items() if name not in ("input", "output")}
        return cls(example["input"], {**values, **fields}, example["output"])


class RenderedPrompt(PromptValue):
    """A filled prompt: messages for a chat model, plain text for a model that completes text."""

    messages: list[BaseMessage]
    text: str

    def to_messages(self) -> list[BaseMessage]:
        """Return the messages."""
        return list(self.messages)

    def to_string(self) -> str:
        """Return the text."""
        return self.text


def render_input(parts: PromptParts, turn: Turn, layout: Layout) -> str:
    """Return the text that shows an input and asks about it."""
    label = fill(parts.input_label, turn.values)
    separator = ":\n\n" if layout == "flan" else ": "
    labelled = f"{label}{separator}{turn.input}" if label else turn.input
    question = fill(parts.question, turn.values)
    if not question:
        return labelled
    return f"{labelled}\n{question}" if layout == "completion" else f"{labelled}\n\n{question}"


def render_output(parts: PromptParts, turn: Turn) -> str:
    """Return the text of an output: its label, its start and, in an example, the rest."""
    label = fill(parts.output_label, turn.values)
    pieces = [f"{label}:" if label else "", fill(parts.output_start, turn.values), turn.output or ""]
    return " ".join(piece for piece in pieces if piece)


def render(parts: PromptParts, turns: Sequence[Turn], layout: Layout) -> list[BaseMessage]:
    """Return the messages for a model with this layout; plain text is one message, which such models take as it is.

    Args:
        parts: the texts of the prompt.
        turns: the examples, then the input.
        layout: the model's.
    """
    if layout == "chat":
        return render_messages(parts, turns)
    return [HumanMessage(render_text(parts, turns, layout))]


def render_messages(parts: PromptParts, turns: Sequence[Turn]) -> list[BaseMessage]:
    """Render as chat messages; a last message of the assistant's is left open for the model to continue."""
    instruction = fill(parts.instruction, turns[-1].values)
    messages: list[BaseMessage] = [SystemMessage(instruction)] if instruction else []
    for turn in turns:
        messages.append(HumanMessage(render_input(parts, turn, "chat")))
        if output := render_output(parts, turn):
            messages.append(AIMessage(output))
    return messages


def render_text(parts: PromptParts, turns: Sequence[Turn], layout: Layout) -> str:
    """Render as plain text that ends where the completion begins."""
    values = turns[-1].values
    between_turns = "\n\n\n" if layout == "flan" else "\n\n"
    before_output = "\n\n" if layout == "flan" and not fill(parts.question, values) else "\n"
    rendered = [
        before_output.join(text for text in (render_input(parts, turn, layout), render_output(parts, turn)) if text)
        for turn in turns
    ]
    instruction = fill(parts.instruction, values)
    return "\n\n".join(text for text in (instruction, between_turns.join(rendered)) if text)


def stop_strings(parts: PromptParts, values: Mapping[str, str], layout: Layout) -> tuple[str, ...]:
    """Return the strings at which a completion is over: with them a model would begin the next example."""
    if layout == "chat":
        return ()
    if layout == "flan":
        return ("\n\n\n",)
    label = fill(parts.input_label, values)
    return (f"\n{label}:",) if label else ("\n\n",)


def transcript(messages: Sequence[BaseMessage]) -> str:
    """Return chat messages as text, each under the name of its role."""
    names = {"system": "System", "human": "User", "ai": "Assistant"}
    return "\n\n".join(f"{names[message.type]}:\n{message.content}" for message in messages)

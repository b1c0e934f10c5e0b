"""Rendering: as chat messages, as plain text, or as plain text with the white space that FLAN was trained on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import PromptValue
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from llmkit.prompts.validation import Example, validate_text

Layout = Literal["chat", "completion", "flan"]
_LINE_END = re.compile(r"\r+\n")


class PromptParts(BaseModel):
    """The texts of a prompt that stay the same from input to input (see `TaskPrompt`); fields are not filled yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    def from_example(cls, example: Example, values: Mapping[str, str]) -> Turn:
        """Return an example's turn; its values of fields override the prompt's."""
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


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each `{name}` by its value, in one pass: every other brace is text, and values are not searched."""
    if not values:
        return text
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], text)


def render_input(parts: PromptParts, turn: Turn, layout: Layout) -> str:
    """Render an input: its label, the text, the question."""
    label = fill(parts.input_label, turn.values)
    separator = ":\n\n" if layout == "flan" else ": "
    labelled = f"{label}{separator}{turn.input}" if label else turn.input
    question = fill(parts.question, turn.values)
    if not question:
        return labelled
    return f"{labelled}\n{question}" if layout == "completion" else f"{labelled}\n\n{question}"


def render_output(parts: PromptParts, turn: Turn) -> str:
    """Render an output: its label, its start and, in an example, the rest."""
    label = fill(parts.output_label, turn.values)
    pieces = [f"{label}:" if label else "", fill(parts.output_start, turn.values), turn.output or ""]
    return " ".join(filter(None, pieces))


def render(parts: PromptParts, turns: Sequence[Turn], layout: Layout) -> list[BaseMessage]:
    """Render the examples and, last, the input as messages; plain text is one message.

    In a chat, the model continues a last message that is the assistant's.
    """
    if layout != "chat":
        return [HumanMessage(render_text(parts, turns, layout))]
    instruction = fill(parts.instruction, turns[-1].values)
    messages: list[BaseMessage] = [SystemMessage(instruction)] if instruction else []
    for turn in turns:
        messages.append(HumanMessage(render_input(parts, turn, "chat")))
        if output := render_output(parts, turn):
            messages.append(AIMessage(output))
    return messages


def render_text(parts: PromptParts, turns: Sequence[Turn], layout: Layout) -> str:
    """Render the examples and, last, the input as plain text that ends where the completion begins."""
    values = turns[-1].values
    between_turns = "\n\n\n" if layout == "flan" else "\n\n"
    before_output = "\n\n" if layout == "flan" and not fill(parts.question, values) else "\n"
    rendered = [
        before_output.join(filter(None, (render_input(parts, turn, layout), render_output(parts, turn))))
        for turn in turns
    ]
    return "\n\n".join(filter(None, (fill(parts.instruction, values), between_turns.join(rendered))))


def stop_strings(parts: PromptParts, values: Mapping[str, str], layout: Layout) -> tuple[str, ...]:
    """Return the strings with which a model would begin another example."""
    if layout == "chat":
        return ()
    if layout == "flan":
        return ("\n\n\n",)
    label = fill(parts.input_label, values)
    return (f"\n{label}:",) if label else ("\n\n",)


def transcript(messages: Sequence[BaseMessage]) -> str:
    """Return chat messages as text under the names of their roles."""
    names = {"system": "System", "human": "User", "ai": "Assistant"}
    return "\n\n".join(f"{names[message.type]}:\n{message.content}" for message in messages)

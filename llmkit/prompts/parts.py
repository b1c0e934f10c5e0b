"""What a prompt is made of: the texts that stay the same from input to input, and how they are put together."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationInfo, field_validator, model_validator

from llmkit.prompts.fields import validate_field_names
from llmkit.prompts.validation import validate, validate_text

Layout = Literal["chat", "completion", "flan"]
"""How a prompt is rendered: as chat messages, as plain text, or with the white space that FLAN was trained on."""

ExampleOrder = Literal["best_last", "best_first"]
"""Where the most relevant example is: next to the input, or first."""

LAYOUT: TypeAdapter[Layout] = TypeAdapter(Layout)

_LINE_END = re.compile(r"\r+\n")


class PromptParts(BaseModel):
    """The texts of a prompt that stay the same from input to input; their fields are not filled yet.

    Attributes:
        instruction: says the task, once, before everything else.
        input_label: names each input, as in `Dialogue: …`.
        question: asks about each input, after it, as in `What was going on?`.
        output_label: names each output, as in `Summary: …`.
        output_start: begins each output; the model continues it.
    """

    model_config = ConfigDict(frozen=True)

    instruction: str = ""
    input_label: str = ""
    question: str = ""
    output_label: str = ""
    output_start: str = ""

    @field_validator("instruction", "input_label", "question", "output_label", "output_start", mode="before")
    @classmethod
    def _validate_text(cls, value: Any, info: ValidationInfo) -> str:
        return _LINE_END.sub("\n", validate_text(value, str(info.field_name))).strip()

    def texts(self) -> dict[str, str]:
        """Return the five texts by name."""
        return {name: getattr(self, name) for name in PromptParts.model_fields}


class PromptSettings(PromptParts):
    """All that a prompt text sets: the arguments of a `TaskPrompt` without a selector.

    Attributes:
        description: says in the list of prompts what this one is for.
        layout: `None` leaves it to the model.
        example_order: where the most relevant example is.
        fields: names of the `{fields}` in the texts.
        examples: checked by the selector that ranks them.
    """

    description: str = ""
    layout: Layout | None = None
    example_order: ExampleOrder = "best_last"
    fields: tuple[str, ...] = ()
    examples: tuple[Any, ...] = ()

    @field_validator("description", mode="before")
    @classmethod
    def _validate_description(cls, value: Any) -> str:
        return validate_text(value, "description").strip()

    @model_validator(mode="after")
    def _validate_fields(self) -> Self:
        validate_field_names(self.fields, list(self.texts().values()))
        return self

    @classmethod
    def parse(cls, **settings: Any) -> Self:
        """Check the settings.

        Raises:
            PromptError: one is of the wrong type, or a field is wrong; names it.
        """
        return validate(TypeAdapter(cls), settings)

    @property
    def parts(self) -> PromptParts:
        """The texts alone."""
        return PromptParts(**self.texts())

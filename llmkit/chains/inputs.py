"""Validation of what chains are given: texts, arguments and prompts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from pydantic import Field
from typing_extensions import TypedDict

from llmkit.errors import InputError, PromptError, kind_of
from llmkit.prompts import TaskPrompt
from llmkit.prompts.prompt import Task
from llmkit.prompts.validation import validate_text

logger = logging.getLogger(__name__)

MAX_CHARACTERS = 5_000_000
"""Of a text that a model reads from its beginning to its end: about a million tokens, which take hours on a CPU."""


class TextInput(TypedDict):
    """The input of a chain over texts, as a dictionary; other keys are passed over."""

    text: Annotated[str, Field(description="The text.")]


Text = str | Document | TextInput


def parse_text(text: Any) -> str:
    """Return the characters of a text, a Document or `{"text": …}`.

    Raises:
        InputError: it is empty, no text, or too long to be read to its end.
    """
    if isinstance(text, Mapping):
        text = text_of_mapping(text)
    content = text.page_content if isinstance(text, Document) else text
    if not isinstance(content, str):
        hint = ": put StrOutputParser() between the two" if isinstance(content, BaseMessage) else ""
        raise InputError(f"the text is {kind_of(content)}, but must be text or a Document{hint}")
    if not content.strip():
        raise InputError("the text is empty: give some text")
    validate_length(content)
    return validate_text(content, "the text")


def validate_length(text: str) -> None:
    """Raise `InputError` if a text is too long for a model to read it to its end."""
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"the text has {len(text):,} characters, more than {MAX_CHARACTERS:,}: divide it, or give the part that "
            "matters"
        )


def text_of_mapping(input: Mapping[Any, Any]) -> Any:
    """Return the value of `text`; raise `InputError` if the mapping has none."""
    if "text" not in input:
        raise InputError(f"the input has the keys {', '.join(map(repr, input)) or 'none'}, but must have 'text'")
    return input["text"]


def parse_documents(source: Any, what: str) -> list[Document]:
    """Return text, a Document or a list of them as Documents; raise `InputError`, which says `what`, for another."""
    given = [source] if isinstance(source, str | Document) else source
    if not isinstance(given, Sequence) or not all(isinstance(item, str | Document) for item in given):
        raise InputError(f"the {what} is {kind_of(source)}, but must be text, a Document or a list of Documents")
    return [Document(item) if isinstance(item, str) else item for item in given]


def validate_examples(examples: Any) -> None:
    """Raise `InputError` if there are no examples to learn from."""
    if isinstance(examples, str | Mapping) or not isinstance(examples, Sequence):
        raise InputError(
            f"examples is {kind_of(examples)}, but must be a list of dictionaries with 'input' and 'output'"
        )
    if not examples:
        raise InputError("there are no examples to learn from: give some; a new chain goes without")


def warn_of_contradictions(examples: Iterable[tuple[str, Any]]) -> None:
    """Log a warning if examples, each a text and its output, have the same text and not the same output."""
    first: dict[str, tuple[int, Any]] = {}
    pairs = []
    for number, (text, output) in enumerate(examples, 1):
        earlier, other = first.setdefault(" ".join(text.split()), (number, output))
        if other != output:
            pairs.append((earlier, number))
    if pairs:
        logger.warning(
            "examples %d and %d have the same text, but not the same output%s: correct one, or leave it out",
            *pairs[0],
            f", and {len(pairs) - 1} more contradict each other" if len(pairs) > 1 else "",
        )


def validate_positive(value: Any, what: str) -> int:
    """Return the value, or raise `InputError` if it is no whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{what} is {value!r}, but must be a whole number, at least 1")
    return value


def validate_share(value: Any, what: str) -> float:
    """Return the value, or raise `InputError` if it is no number between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{what} is {value!r}, but must be between 0 and 1")
    return float(value)


def validate_prompt(prompt: str | TaskPrompt, task: Task, fields: Sequence[str] = ()) -> TaskPrompt:
    """Return the prompt, loaded where it is a name.

    Raises:
        PromptError: it is for another task, or has other fields than these.
    """
    loaded: Any = TaskPrompt.load(prompt) if isinstance(prompt, str) else prompt
    if not isinstance(loaded, TaskPrompt):
        raise PromptError(f"prompt is {kind_of(prompt)}, but must be the name of a prompt text or a TaskPrompt")
    loaded.check_task(task)
    if unknown := [name for name in loaded.input_variables if name not in ("input", *fields)]:
        raise PromptError(
            f"the prompt has fields that this chain cannot fill: {', '.join(unknown)}; fill them with prompt.partial(…)"
        )
    return loaded


def refuse_prompts(llm: Any, wanted: str, **prompts: Any) -> None:
    """Raise `InputError` for a prompt that this model would not see."""
    if given := [name for name, prompt in prompts.items() if prompt is not None]:
        which = "returns log-likelihoods" if wanted == "prompt" else "returns no log-likelihoods"
        raise InputError(f"{given[0]} is given, but {type(llm).__name__} {which}: give {wanted} instead")

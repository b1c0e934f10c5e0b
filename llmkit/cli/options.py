"""Options that commands share, under the names that the Python parameters have."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat

Model = Annotated[
    str,
    typer.Option(help="A key of `llmkit models`, a folder, a .gguf file or a Hugging Face id.", envvar="LLMKIT_MODEL"),
]
MaxNewTokens = Annotated[int | None, typer.Option(help="The most tokens that an answer may have.")]
Temperature = Annotated[float | None, typer.Option(help="0 takes the likeliest token; more is more varied.")]
TopK = Annotated[int | None, typer.Option(help="Choose among so many of the likeliest tokens.")]
TopP = Annotated[float | None, typer.Option(help="Choose among the tokens that reach this probability.")]
Seed = Annotated[int | None, typer.Option(help="Makes chance repeatable.")]
Stop = Annotated[list[str] | None, typer.Option(help="A text that ends an answer; may be repeated.")]

DEFAULT_MODEL = "smollm2-135m"


def load_model(name: str, **settings: Any) -> HuggingFaceChat:
    """Load a model with the settings that were given; they are checked first, and it is said what is being done."""
    from llmkit.models.settings import GenerationSettings

    given = {key: value for key, value in settings.items() if value not in (None, [], ())}
    checked = GenerationSettings().override(**given)
    # Threads that wait busily starve each other where another program computes too: seen to cost 4 times the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    tell(f"loading {name} …")
    from llmkit.models.chat import HuggingFaceChat

    llm = HuggingFaceChat(model=name, settings=checked)
    tell("")
    return llm


def tell(notice: str) -> None:
    """Show what is being done on a terminal's stderr, in a line that the next notice takes the place of."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{notice}", end="", file=sys.stderr, flush=True)


def read_text(name: str) -> str:
    """Read a file, or standard input for `-`.

    Raises:
        InputError: it cannot be read, is empty, or is not text.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    what = "standard input" if name == "-" else name
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}") from error
    if "\0" in text:
        raise InputError(f"{what} is not text: it holds NUL bytes")
    if not text.strip():
        raise InputError(f"{what} is empty")
    return text

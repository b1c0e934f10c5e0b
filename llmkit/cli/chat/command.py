"""`llmkit chat`: a conversation at the terminal, or through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from llmkit.cli import options
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.conversation import Conversation


@options.takes_model()
def chat(
    model: options.ModelOptions,
    system: Annotated[str, typer.Option(help="An instruction that holds for the whole conversation.")] = "",
) -> int:
    """Talk with a model. Ctrl-C stops an answer, Ctrl-D leaves.

    \b
    llmkit chat
    llmkit chat --system "Answer in one sentence." --temperature 0
    printf 'My name is Ann.\\nWhat is my name?\\n' | llmkit chat      a line a turn
    """
    from llmkit.cli.conversation import Conversation

    llm = model.load()
    conversation = Conversation(llm, system)
    if sys.stdin.isatty():
        _notice(f"{model.model}, {llm.context_window} tokens. Ctrl-C stops an answer, Ctrl-D leaves.")
        for line in _typed():
            _turn_at_terminal(conversation, line)
        return 0
    good = True
    for number, data in enumerate(sys.stdin.buffer, 1):
        good = _piped_turn(conversation, number, data) and good
    return 0 if good else 2


def _turn(conversation: Conversation, line: str) -> None:
    """Take one turn: the answer on stdout as it comes, what the person should know on stderr."""
    dropped = conversation.say(line)
    if dropped:
        _notice(f"[the oldest {dropped} messages no longer fit the window and were left out]")
    with closing(conversation.answer()) as pieces:
        for piece in pieces:
            print(piece, end="", flush=True)
    print(flush=True)
    if conversation.finish_reason == "length":
        _notice("[the answer was cut at its limit of tokens: --max-new-tokens]")


def _piped_turn(conversation: Conversation, number: int, data: bytes) -> bool:
    """Take one turn; a line that is no text, or does not fit, is told, and the next one comes."""
    try:
        if line := data.decode().strip():
            _turn(conversation, line)
    except UnicodeDecodeError:
        _notice(f"error: line {number} of standard input is not UTF-8 text")
    except InputError as error:
        _notice(f"error: line {number} of standard input: {error}")
    else:
        return True
    return False


def _turn_at_terminal(conversation: Conversation, line: str) -> None:
    try:
        _turn(conversation, line)
    except KeyboardInterrupt:
        print()
        _notice("[stopped]")
    except InputError as error:  # a message that does not fit is no reason to end the conversation
        _notice(f"error: {error}")


def _typed() -> Iterator[str]:
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()
    while True:
        try:
            line = session.prompt("> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if line:
            yield line


def _notice(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

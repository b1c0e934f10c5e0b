"""A line goes in, the events of its command or its answer come out."""

from __future__ import annotations

import traceback
from collections.abc import Generator

from llmkit.cli.chat import answering, commands
from llmkit.cli.chat.events import Event, Problem
from llmkit.cli.chat.state import ChatState
from llmkit.errors import LlmkitError


def take(state: ChatState, line: str) -> Generator[Event, None, None]:
    """Yield what comes of a line: a command (see `commands.parse_line`), or a message, which may have several lines.

    Closing the generator stops the answer; what was written of it stays. Work without pieces (a question about what
    is attached, a page, another model) is one step between two events: an exception that a signal raises interrupts
    it, and changes nothing. A problem changes nothing but what its text says, and the chat goes on.
    """
    try:
        parsed = commands.parse_line(line)
        if isinstance(parsed, str):
            yield from answering.answer_message(state, parsed)
        elif parsed:
            yield from parsed.command.run(state, parsed.argument)
    except LlmkitError as error:
        yield Problem(" ".join(str(error).split()), traceback.format_exc())
    except Exception as error:  # no error ends a conversation: torch and files have many
        text = f"{type(error).__name__}: {' '.join(str(error).split())} (unexpected; --debug shows where)"
        yield Problem(text, traceback.format_exc())
    finally:
        state.update_status()
    if state.record.trouble != state.reported_trouble:
        state.reported_trouble = state.record.trouble
        yield Problem(state.reported_trouble)

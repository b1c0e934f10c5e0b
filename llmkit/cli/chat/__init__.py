"""`llmkit chat`: lines in, events out.

    keyboard or a pipe --line--> commands/ --events--> screens

    line       commands/ parses it: a command, which runs there, or a message
    message    answering: window builds what the model sees, and the pieces of its answer become events
    change     each message and setting is a change of the history, in memory (state) and in its file (store)
    event      a piece of an answer, a note, a problem (events); screens makes text of it, with markdown

`repl` connects the three, at a terminal or through a pipe. `state` and `commands` know no terminal, and what shows
events knows no model; so whole conversations are tested as lines and events.
"""

from llmkit.cli.chat.command import chat

__all__ = ["chat"]

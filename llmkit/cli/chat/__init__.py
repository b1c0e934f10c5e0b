"""`llmkit chat`: lines in, events out.

    keyboard/ or a pipe --line--> session --events--> screen/

    line       commands/ reads it: a command, which runs there, or a message
    message    answering: window lays out what the model sees, the model's pieces become events
    change     each thing said or set is a change of the conversation/, in memory and in its file
    event      events: a piece of an answer, a note, a problem; screen/ makes text of it

`talking` joins the three: at a terminal, or through a pipe. The session knows no terminal, and what shows its events
knows no model; so whole conversations are tested as lines and events.
"""

from llmkit.cli.chat.command import chat

__all__ = ["chat"]

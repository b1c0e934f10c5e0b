"""Key bindings of the prompt."""

from __future__ import annotations

from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys as Key
from prompt_toolkit.search import accept_search

LEAVING = "Ctrl-C again leaves; so do Ctrl-D and exit."


class Keys:
    """Enter sends, Alt-Enter starts a new line, Ctrl-C clears the line, and leaves if pressed twice on an empty one.

    Attributes:
        bindings: The bindings for a prompt.
        leaving: Whether the next Ctrl-C leaves.
    """

    def __init__(self) -> None:
        self.bindings = KeyBindings()
        self.leaving = False
        typing = has_focus(DEFAULT_BUFFER) & ~is_searching
        self.bindings.add("enter", filter=typing)(self._send)
        self.bindings.add("enter", filter=is_searching)(self._send_found)
        self.bindings.add("escape", "enter", filter=typing)(self._new_line)
        self.bindings.add("c-c", filter=typing)(self._clear_or_leave)
        self.bindings.add("<sigint>")(self._clear_or_leave)
        # A colour's sequence, ESC[31m, in text that is pasted without brackets looks like a mouse's.
        self.bindings.add(Key.Vt100MouseEvent)(_ignore)

    def _send(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text.strip():
            event.current_buffer.validate_and_handle()

    def _send_found(self, event: KeyPressEvent) -> None:
        accept_search()
        self._send(event)

    def _new_line(self, event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    def _clear_or_leave(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        elif self.leaving:
            event.app.exit(exception=EOFError)
        else:
            self.leaving = True


def _ignore(event: KeyPressEvent) -> None:
    """Insert nothing."""

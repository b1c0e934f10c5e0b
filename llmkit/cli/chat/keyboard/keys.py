"""What keys do that they do not do by themselves."""

from __future__ import annotations

from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys as Key
from prompt_toolkit.search import accept_search

LEAVING = "Ctrl-C again leaves, and so does Ctrl-D."


class Keys:
    """Enter sends, Alt-Enter begins a line, Ctrl-C clears what is typed, and leaves where it is pressed on nothing.

    Attributes:
        bindings: for a prompt.
        leaving: the next Ctrl-C leaves.
    """

    def __init__(self) -> None:
        self.bindings = KeyBindings()
        self.leaving = False
        typing = has_focus(DEFAULT_BUFFER) & ~is_searching
        self.bindings.add("enter", filter=typing)(self._send)
        self.bindings.add("enter", filter=is_searching)(self._send_found)
        self.bindings.add("escape", "enter", filter=typing)(self._begin_line)
        self.bindings.add("c-c", filter=typing)(self._clear_or_leave)
        self.bindings.add("<sigint>")(self._clear_or_leave)
        # A colour's sequence, ESC[31m, in text that is pasted without brackets looks like a mouse's.
        self.bindings.add(Key.Vt100MouseEvent)(_pass_over)

    def _send(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text.strip():
            event.current_buffer.validate_and_handle()

    def _send_found(self, event: KeyPressEvent) -> None:
        accept_search()
        self._send(event)

    def _begin_line(self, event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    def _clear_or_leave(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        elif self.leaving:
            event.app.exit(exception=EOFError)
        else:
            self.leaving = True


def _pass_over(event: KeyPressEvent) -> None:
    """Leave it out."""

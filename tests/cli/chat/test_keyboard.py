"""What was typed in earlier chats, where it cannot be written."""

import os

import pytest
from prompt_toolkit.history import InMemoryHistory

from llmkit.cli.chat import keyboard


def test_what_is_typed_is_kept_for_later_chats(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path))
    history, note = keyboard.history()
    history.append_string("Who are you?")
    assert note == ""
    assert list(keyboard.history()[0].load_history_strings()) == ["Who are you?"]


def test_a_history_that_cannot_be_written_is_said_before_the_chat(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path / "file"))
    history, note = keyboard.history()
    assert isinstance(history, InMemoryHistory)
    assert note.startswith(f"what you type here is not remembered in later chats: {tmp_path}/file/history cannot be")


def test_a_pipe_as_history_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path))
    os.mkfifo(tmp_path / "history")
    history, note = keyboard.history()
    assert isinstance(history, InMemoryHistory)
    assert note.endswith("history cannot be written: it is not a file")


def test_a_disk_that_is_full_ends_no_chat(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path))
    history, _ = keyboard.history()
    (tmp_path / "history").unlink()
    (tmp_path / "history").mkdir()  # from now on it cannot be written
    with pytest.raises(OSError, match="directory"):
        (tmp_path / "history").open("ab")
    history.append_string("Who are you?")
    assert history.get_strings() == ["Who are you?"]

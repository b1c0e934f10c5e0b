"""A file that is no conversation is never changed, however it came to its name."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit.cli.chat import conversation_file
from llmkit.cli.chat.history import apply_change
from llmkit.cli.chat.store import Store
from llmkit.errors import InputError, RunError

BEGIN = b'{"do": "begin", "version": 1}\n'
SAY = b'{"do": "say", "text": "Hi"}\n'

FOREIGN = {
    "binary": bytes(range(256)) * 400,
    "text": b"Dear diary,\nnothing happened today",
    "one line without an end": b"x" * 100_000,
    "other JSON Lines": b'{"question": "who?"}\n{"question": "why?"}\n',
    "cut JSON Lines": b'{"question": "who?"}\n{"quest',
    "one JSON object": b'{"do',
    "an array": b"[1, 2, 3]",
    "line ends": b"\n\n\n",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", [*FOREIGN.values()], ids=[*FOREIGN])
@pytest.mark.parametrize("keep", [True, False])
def test_a_file_that_is_no_conversation_is_left_as_it_is(tmp_path, content, keep):
    path = tmp_path / "talk.jsonl"
    path.write_bytes(content)
    if conversation_file.parse(content) is None:
        with pytest.raises(InputError, match=r"is not a conversation of llmkit chat, or .*: it is left as it is"):
            Store(tmp_path).open("talk", keep=keep)
    assert path.read_bytes() == content
    assert [*Store(tmp_path).entries()] == []


@given(st.binary(max_size=300))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_of_another_file_is_lost(tmp_path, content):
    path = tmp_path / "talk.jsonl"
    path.write_bytes(content)
    try:
        record = Store(tmp_path).open("talk")
    except InputError:
        assert path.read_bytes() == content
        return
    record.add({"do": "say", "text": "on"})
    record.close()
    started = any(content == BEGIN[:end] for end in range(len(BEGIN)))
    assert started or path.read_bytes().startswith(content)


@pytest.mark.parametrize("tail", [b"a note of mine", b"\xff\xfe\x00", b"[1, 2", b'{"question": "wh'])
def test_what_another_program_added_is_kept(tmp_path, tail):
    path = tmp_path / "talk.jsonl"
    path.write_bytes(BEGIN + SAY + tail)
    record = Store(tmp_path).open("talk")
    record.add({"do": "piece", "text": "Ho"})
    record.close()
    assert path.read_bytes().startswith(BEGIN + SAY + tail + b"\n")
    [turn] = Store(tmp_path).open("talk", keep=False).history.turns
    assert (turn.message, turn.answer) == ("Hi", "Ho")
    assert record.notes == [f"{path}, line 3, is ignored: it is not JSON"]


def test_a_torn_line_behind_a_line_of_another_program_is_kept(tmp_path):
    path = tmp_path / "talk.jsonl"
    content = BEGIN + SAY + b"a note of mine\n" + SAY[:-9]
    path.write_bytes(content)
    Store(tmp_path).open("talk").close()
    assert path.read_bytes().startswith(content)


def test_links_are_refused_and_their_targets_unchanged(tmp_path):
    target = tmp_path / "diary"
    target.write_bytes(BEGIN + SAY + SAY[:10])
    (tmp_path / "talk.jsonl").symlink_to(target)
    (tmp_path / "lost.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    for name in ("talk", "lost", "loop"):
        with pytest.raises(InputError, match=f"{name}.jsonl is a link"):
            Store(tmp_path).open(name)
    assert target.read_bytes() == BEGIN + SAY + SAY[:10]
    assert Store(tmp_path).names() == []
    assert not (tmp_path / "nowhere").exists()


def test_special_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")  # reading it would wait for ever
    (tmp_path / "folder.jsonl").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jsonl"))
        for name in ("pipe", "folder", "s"):
            with pytest.raises(InputError, match=f"{name}.jsonl is no file that can be read"):
                Store(tmp_path).open(name)
        assert [*Store(tmp_path).entries()] == []


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "talk.jsonl"
    with path.open("wb") as file:
        file.write(BEGIN + SAY)
        file.truncate(2**40)  # takes no space on the disk
    with pytest.raises(InputError, match="larger than 256 MiB"):
        Store(tmp_path).open("talk")
    assert path.stat().st_size == 2**40


def test_a_file_that_is_changed_while_it_is_opened_is_not_cut(tmp_path, monkeypatch):
    path = tmp_path / "talk.jsonl"
    path.write_bytes(BEGIN + SAY + SAY[:10])
    reading = conversation_file.read

    def read_then_change(path):
        found = reading(path)
        path.write_bytes(b"all of it is new")
        return found

    monkeypatch.setattr(conversation_file, "read", read_then_change)
    record = Store(tmp_path).open("talk")
    assert "another program changed it" in record.trouble
    record.add({"do": "say", "text": "on"})
    record.close()
    assert path.read_bytes() == b"all of it is new"


def test_a_file_of_the_same_length_that_took_its_place_is_not_cut(tmp_path, monkeypatch):
    path, content = tmp_path / "talk.jsonl", BEGIN + SAY + SAY[:10]
    path.write_bytes(content)
    reading = conversation_file.read

    def read_then_replace(path):
        found = reading(path)
        (tmp_path / "new").write_bytes(b"x" * len(content))
        (tmp_path / "new").replace(path)
        return found

    monkeypatch.setattr(conversation_file, "read", read_then_replace)
    record = Store(tmp_path).open("talk")
    assert "another program changed it" in record.trouble
    record.close()
    assert path.read_bytes() == b"x" * len(content)


def test_what_another_program_adds_while_a_chat_is_open_is_kept(tmp_path):
    path = tmp_path / "talk.jsonl"
    path.write_bytes(BEGIN + SAY)
    record = Store(tmp_path).open("talk")
    with path.open("ab") as file:
        file.write(b"a note of mine, longer than the line that comes next\n")
    record.add({"do": "piece", "text": "Ho"})
    record.close()
    assert path.read_bytes().startswith(BEGIN + SAY + b"a note of mine, longer than the line that comes next\n")
    assert Store(tmp_path).open("talk", keep=False).history.turns[0].answer == "Ho"


def test_nothing_is_cut_from_a_file_with_a_second_name(tmp_path):
    diary, content = tmp_path / "diary", BEGIN + SAY + SAY[:10]
    diary.write_bytes(content)
    (tmp_path / "talk.jsonl").hardlink_to(diary)
    record = Store(tmp_path).open("talk")
    record.add({"do": "piece", "text": "Ho"})
    record.close()
    assert diary.read_bytes().startswith(content + b"\n")
    assert Store(tmp_path).open("talk", keep=False).history.turns[0].answer == "Ho"


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_a_link_that_took_the_place_of_a_conversation_is_not_renamed(tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("mine")
    record = Store(tmp_path / "kept").new()
    record.add({"do": "say", "text": "Hi"})
    path = tmp_path / "kept" / f"{record.name}.jsonl"
    path.rename(tmp_path / "moved.jsonl")
    path.symlink_to(other)
    with pytest.raises(RunError, match="another program put another file in its place"):
        record.rename("talk")
    record.add({"do": "piece", "text": "goes on"})
    record.close()
    assert other.read_text() == "mine"
    assert "goes on" in (tmp_path / "moved.jsonl").read_text()
    assert not (tmp_path / "kept" / "talk.jsonl").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
@pytest.mark.parametrize("target", ["other.txt", "nothing"])
def test_no_conversation_takes_the_name_of_a_link(tmp_path, target):
    other = tmp_path / "other.txt"
    other.write_text("mine")
    record = Store(tmp_path / "kept").new()
    record.add({"do": "say", "text": "Hi"})
    (tmp_path / "kept" / "talk.jsonl").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match="there is a conversation called 'talk' already"):
        record.rename("talk")
    record.close()
    assert other.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_a_name_that_cannot_be_written_ends_no_chat(tmp_path, monkeypatch):
    record = Store(tmp_path).new()
    record.add({"do": "say", "text": "Hi"})

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(RunError, match="cannot be written: No space left"):
        record.rename("talk")
    record.add({"do": "piece", "text": "goes on"})
    assert record.trouble.startswith("the conversation is no longer saved")
    record.close()


def test_windows_line_ends_and_unknown_changes_are_read(tmp_path):
    path = tmp_path / "talk.jsonl"
    later = json.dumps({"do": "sing"}).encode()
    path.write_bytes((BEGIN + later + b"\n" + SAY).replace(b"\n", b"\r\n"))
    record = Store(tmp_path).open("talk", keep=False)
    assert [turn.message for turn in record.history.turns] == ["Hi"]
    assert len(record.notes) == 1


def line(**change):
    return json.dumps(change).encode() + b"\n"


HUGE = {
    "empty lines": b"\n" * 200_000,
    "no JSON": line(do="begin", version=1) + b"x\n" * 200_000,
    "messages": line(do="begin", version=1) + line(do="say", text="") * 30_000,
    "attached texts": b"".join(line(do="attach", text="", source=str(number), title="") for number in range(20_000)),
    "settings": b"".join(line(do="set", name=str(number), value=1) for number in range(20_000)),
}
"""What a reader would need a time for that grows with its square, or a gigabyte of notes."""


@pytest.fixture
def changes(monkeypatch):
    """The changes that are applied while a file is read."""
    made = []

    def apply(history, change):
        made.append(change)
        return apply_change(history, change)

    monkeypatch.setattr(conversation_file, "apply_change", apply)
    return made


@pytest.mark.parametrize("name", HUGE)
def test_a_file_of_very_many_changes_is_refused_early(tmp_path, changes, name):
    path = tmp_path / "talk.jsonl"
    path.write_bytes(HUGE[name])
    with pytest.raises(InputError, match="is not a conversation of llmkit chat, or has more than 10,000 messages"):
        conversation_file.read(path)
    assert len(changes) <= 10_002
    assert path.read_bytes() == HUGE[name]


def test_pieces_are_joined_once(changes):
    content = line(do="say", text="Hi") + line(do="piece", text="ab") * 5_000 + line(do="end", finish_reason="stop")
    found = conversation_file.parse(content + line(do="say", text="Ho") + line(do="piece", text="c") * 3)
    assert [turn.answer for turn in found.history.turns] == ["ab" * 5_000, "ccc"]
    assert len(changes) == 5

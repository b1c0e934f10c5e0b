"""Conversations on disk: whatever was written comes back, wherever the file ends."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.cli.chat.history import Attachment, History, Turn, apply_change
from llmkit.cli.chat.store import Record, Store
from llmkit.errors import InputError

WORDS = st.text(max_size=30)  # every script, line ends, halves of surrogate pairs
TURN = st.tuples(
    WORDS, st.lists(WORDS, max_size=4), st.sampled_from(["stop", "length", "cancelled", ""]), st.booleans()
)
BETWEEN = st.one_of(
    st.builds(lambda text: {"do": "system", "text": text}, WORDS),
    st.builds(lambda name: {"do": "model", "name": name}, WORDS),
    st.builds(lambda text: {"do": "attach", "text": text, "source": "a", "title": text}, WORDS),
    st.builds(
        lambda text: {
            "do": "attach",
            "text": text,
            "source": "a.pdf",
            "title": "",
            "pages": [{"start": 0, "end": len(text), "metadata": {"page_label": text}}],
        },
        WORDS,
    ),
    st.builds(lambda text: {"do": "cite", "text": text}, WORDS),
    st.sampled_from(
        [{"do": "detach"}, {"do": "detach", "source": "a"}, {"do": "undo"}, {"do": "retry"}, {"do": "continue"}]
    ),
    st.builds(lambda count: {"do": "trim", "turns": count}, st.integers(0, 1)),
)


@st.composite
def talks(draw):
    """Changes as a session makes them, the first of them a message."""
    changes, history = [], History()
    for said, pieces, reason, again in draw(st.lists(TURN, min_size=1, max_size=5)):
        changes.append({"do": "say", "text": said})
        changes += [{"do": "piece", "text": piece} for piece in pieces]
        changes += [{"do": "end", "finish_reason": reason}] if reason else []
        changes += [draw(BETWEEN)] if again else []
    fitting = []
    for change in changes:
        try:
            history = apply_change(history, change)
        except ValueError:  # an undo may have taken the turn that the next one changes
            continue
        fitting.append(change)
    return fitting, history


def kept(folder: Path, changes, name: str = "talk") -> Record:
    record = Store(folder).new()
    for change in changes:
        record.add(change)
    record.rename(name)
    return record


def read(folder: Path, name: str) -> History:
    return Store(folder).open(name, keep=False).history


@given(talks())
@settings(max_examples=60, deadline=None)
def test_saved_conversations_are_loaded_unchanged(tmp_path_factory, talk):
    changes, history = talk
    folder = tmp_path_factory.mktemp("store")
    kept(folder, changes).close()
    record = Store(folder).open("talk")
    record.close()
    assert (record.history, record.notes) == (history, [])


@given(talks(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_file_cut_anywhere_is_a_beginning_of_the_conversation(tmp_path_factory, talk, data):
    changes, _ = talk
    folder = tmp_path_factory.mktemp("store")
    kept(folder, changes).close()
    path = folder / "talk.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    histories = [History()]
    for change in changes:
        histories.append(apply_change(histories[-1], change))
    record = Store(folder).open("talk")
    assert record.notes == []
    assert record.history in histories
    record.add({"do": "say", "text": "and on"})  # behind a torn line it would be lost
    record.close()
    after = Store(folder).open("talk", keep=False)
    assert after.history == apply_change(record.history, {"do": "say", "text": "and on"})
    assert after.notes == []


def test_damaged_and_unknown_lines_are_reported_and_kept(tmp_path):
    kept(tmp_path, [{"do": "say", "text": "Hi"}, {"do": "piece", "text": "Ho"}]).close()
    path = tmp_path / "talk.jsonl"
    lines = path.read_text().splitlines()
    attach = (
        '{"do": "attach", "text": "a", "source": "a", "title": "", "pages": [{"start": 0, "end": 2, "metadata": {}}]}'
    )
    wrong = [
        "{broken",
        '{"do": "sing"}',
        "7",
        '{"do": "piece", "text": 8}',
        attach,
        attach.replace('[{"start"', '7, "x": [{"s"'),
    ]
    broken = [*lines[:2], *wrong, lines[2]]
    path.write_text("\n".join(broken) + "\n")
    record = Store(tmp_path).open("talk")
    record.add({"do": "end", "finish_reason": "stop"})
    record.close()
    assert record.history.turns == (Turn("Hi", "Ho"),)
    assert [note.partition(": ")[0] for note in record.notes] == [
        f"{path}, line {number}, is ignored" for number in range(3, 3 + len(wrong))
    ]
    assert path.read_text().splitlines()[:-1] == broken


def test_a_file_of_a_later_version_is_reported(tmp_path):
    (tmp_path / "talk.jsonl").write_text('{"do": "begin", "version": 2}\n')
    assert "is ignored" in Store(tmp_path).open("talk", keep=False).notes[0]


def test_an_empty_conversation_has_no_file(tmp_path):
    record = Store(tmp_path).new()
    record.add({"do": "system", "text": "Be brief."})
    assert Store(tmp_path).names() == []
    record.add({"do": "say", "text": "Hi"})
    assert Store(tmp_path).names() == [record.name]
    record.close(empty=True)
    assert Store(tmp_path).names() == []


def test_every_change_is_written_immediately(tmp_path):
    record = Store(tmp_path).new()
    record.add({"do": "system", "text": "Be brief."})
    record.add({"do": "say", "text": "Hi"})
    for text in ("Ho", " ho"):
        record.add({"do": "piece", "text": text})
        [path] = tmp_path.glob("*.jsonl")
        assert json.loads(path.read_text().splitlines()[-1]) == {"do": "piece", "text": text}
    record.close()


def test_what_is_not_kept_is_written_once_it_has_a_name(tmp_path):
    record = Store(tmp_path).new(keep=False)
    record.add({"do": "say", "text": "Hi"})
    assert list(tmp_path.iterdir()) == []
    record.rename("now it is")
    record.add({"do": "piece", "text": "Ho"})
    record.close()
    assert read(tmp_path, "now it is").turns == (Turn("Hi", "Ho"),)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a\\b", ".hidden", "a\n", "a\0b", "a:b", " a", "a ", "a.", "x" * 81, "\x1b[2J", "ö" * 101],
)
def test_names_that_cannot_be(tmp_path, name):
    with pytest.raises(InputError, match="a conversation cannot be called"):
        Store(tmp_path).open(name)
    record = Store(tmp_path).new()
    record.add({"do": "say", "text": "Hi"})
    with pytest.raises(InputError, match="a conversation cannot be called"):
        record.rename(name)
    record.close()


def test_a_name_is_given_once(tmp_path):
    kept(tmp_path, [{"do": "say", "text": "first"}]).close()
    other = Store(tmp_path).new()
    other.add({"do": "say", "text": "second"})
    before = other.name
    with pytest.raises(InputError, match="there is a conversation called 'talk' already"):
        other.rename("talk")
    other.add({"do": "piece", "text": "goes on"})
    other.close()
    assert read(tmp_path, before).turns[0].answer == "goes on"
    assert read(tmp_path, "talk").turns[0].message == "first"


def test_one_chat_at_a_time(tmp_path):
    mine = kept(tmp_path, [{"do": "say", "text": "Hi"}])
    with pytest.raises(InputError, match="the conversation 'talk' is open in another chat"):
        Store(tmp_path).open("talk")
    mine.close()
    Store(tmp_path).open("talk").close()
    Store(tmp_path).open("talk").close()  # and the lock was given back


def test_conversations_of_the_same_second_have_files_of_their_own(tmp_path):
    records = [Store(tmp_path).new() for _ in range(5)]
    for number, record in enumerate(records):
        record.add({"do": "say", "text": f"number {number}"})
    for record in records:
        record.close()
    assert sorted(entry.first for entry in Store(tmp_path).entries()) == [f"number {number}" for number in range(5)]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_files_are_readable_only_by_the_user(tmp_path):
    folder = tmp_path / "conversations"
    kept(folder, [{"do": "say", "text": "Hi"}]).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "talk.jsonl").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_ends_no_conversation(tmp_path):
    (tmp_path / "file").write_text("no folder")
    record = Store(tmp_path / "file").new()
    record.add({"do": "say", "text": "Hi"})
    record.add({"do": "piece", "text": "Ho"})
    assert record.trouble == f"the conversation will not be saved: {tmp_path}/file is a file, not a folder"


def test_the_last_one_comes_first(tmp_path):
    for name, time in (("old", 1_000), ("new", 3_000), ("between", 2_000)):
        kept(tmp_path, [{"do": "say", "text": f"of {name}"}], name).close()
        os.utime(tmp_path / f"{name}.jsonl", (time, time))
    assert [(entry.name, entry.turns, entry.first) for entry in Store(tmp_path).entries()] == [
        ("new", 1, "of new"),
        ("between", 1, "of between"),
        ("old", 1, "of old"),
    ]
    assert Store(tmp_path).last() == "new"
    with pytest.raises(InputError, match="there is no conversation to resume"):
        Store(tmp_path / "none").last()


def test_where_conversations_are(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path / "mine"))
    assert Store().folder == tmp_path / "mine" / "conversations"


def test_attachments_are_loaded_again(tmp_path):
    changes = [
        {"do": "attach", "text": "The mill was built in 1821.", "source": "mill.txt", "title": ""},
        {"do": "say", "text": "When?"},
    ]
    kept(tmp_path, changes).close()
    assert read(tmp_path, "talk").attached == (Attachment("The mill was built in 1821.", "mill.txt"),)


def test_other_files_in_the_folder_are_not_changed(tmp_path):
    kept(tmp_path, [{"do": "say", "text": "Hi"}]).close()
    (tmp_path / "what?.jsonl").write_text("mine")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "empty.jsonl").write_text("")
    assert [entry.name for entry in Store(tmp_path).entries()] == ["talk"]

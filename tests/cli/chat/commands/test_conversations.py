"""Conversations that are named, left, found again and written elsewhere."""

import os
import re
import shutil
import sys

import pytest

from llmkit.cli import files
from llmkit.cli.chat import conversation_file
from llmkit.cli.chat.events import Alert, Ended, Note, PastTurn

FRANCE = "What is the capital of France?"
SHORT = "What is the capital of Fran…"


@pytest.mark.slow
def test_save_names_the_conversation_and_it_goes_on(talk):
    chat = talk()
    assert chat.text("/save") == "Not saved yet."
    assert chat.problem("/save trip") == "there is nothing to save yet: there is no message yet"
    chat.answer(FRANCE)
    assert chat.text("/save trip") == "saved as trip; further turns are saved too"
    assert chat.text("/save") == "Saved as trip."
    chat.answer("And of Italy?")
    assert chat.store.names() == ["trip"]
    assert [said for said, _, _ in chat.read_again()] == [FRANCE, "And of Italy?"]
    assert "cannot be called '../trip'" in chat.problem("/save ../trip")
    assert chat.problem("/save trip") == "this conversation is called 'trip' already"
    chat("/clear")
    chat.answer(FRANCE)
    assert "there is a conversation called 'trip' already" in chat.problem("/save trip")


def test_clear_keeps_the_old_conversation(talk):
    chat = talk(system="Be brief.")
    chat.answer(FRANCE)
    old = chat.state.record.name
    assert chat.state.status.tokens > 0
    assert chat.text("/clear") == f"a new conversation; the last one is kept as {old}"
    assert chat.turns == []
    assert chat.state.status.tokens == 0  # whose speed would be told of no answer that is there
    assert chat.state.history.system == "Be brief."
    assert chat.store.names() == [old]
    chat.answer("Hello")
    assert len(chat.store.names()) == 2


@pytest.mark.slow
def test_load_continues_the_conversation(talk):
    chat = talk()
    chat.answer(FRANCE)
    chat("/save trip")
    first = chat.turns
    chat("/clear")
    chat.answer("Hello")
    other = chat.state.record.name
    [(_, answer, _)] = first
    assert chat("/load trip") == [PastTurn(FRANCE, answer), Note(f"trip: 1 turn so far, the last: {SHORT}")]
    assert chat.turns == first
    chat.answer("And of Italy?")
    assert len(chat.read_again()) == 2
    assert "'trip' is this conversation" in chat.problem("/load trip")
    assert "no conversation is called 'nope'" in chat.problem("/load nope")
    assert "needs the name" in chat.problem("/load")
    past, note = chat("/load " + other)
    assert past.message == "Hello"
    assert note == Note(f"{other}: 1 turn so far, the last: Hello")


def test_the_last_turns_are_shown_when_a_conversation_is_continued(talk):
    chat = talk()
    for number in range(5):
        chat.state.change({"do": "say", "text": f"message {number}"})
        chat.state.change({"do": "piece", "text": f"answer {number}"})
    chat("/save long")
    chat.state.close()
    past = [event for event in talk(resume=chat.store.open("long")).state.opening() if isinstance(event, PastTurn)]
    assert past == [PastTurn(f"message {number}", f"answer {number}") for number in (2, 3, 4)]


@pytest.mark.slow
def test_one_that_is_open_elsewhere_is_refused(talk):
    one, two = talk(), talk()
    one.answer(FRANCE)
    two.answer("Hello")
    assert "is open in another chat" in two.problem(f"/load {one.state.record.name}")
    assert "is open in another chat" in one.problem(f"/save {two.state.record.name}")
    one.answer("And of Italy?")
    two.answer("How are you?")
    assert len(one.read_again()) == len(two.read_again()) == 2


@pytest.mark.slow
def test_list_shows_saved_conversations(talk):
    chat = talk()
    assert chat.text("/list") == "No conversation is kept yet."
    chat.answer("Please tell me what the capital of France is.")
    chat("/save trip")
    chat.answer("And of Italy?")
    chat("/clear")
    chat.answer("Hello")
    head, second, first = chat.text("/list").splitlines()
    assert head.split() == ["name", "when", "turns"]
    assert second.endswith("    1  Hello")
    assert re.fullmatch(r"trip +\d{4}-\d\d-\d\d \d\d:\d\d      2  Please tell me what the cap…", first)


@pytest.mark.slow
def test_what_is_not_kept_has_no_file_until_it_is_saved(talk):
    chat = talk(keep=False)
    chat.answer(FRANCE)
    assert chat.store.names() == []
    assert "saved as              not saved" in chat.text("/show")
    chat("/save trip")
    chat.answer("And of Italy?")
    assert chat.read_again() == chat.turns


@pytest.mark.slow
def test_export_as_markdown(talk, tmp_path):
    chat = talk(system="Be brief.")
    answer = chat.answer(FRANCE)
    events = chat.take("Write a story about a fox.")
    begun = next(events).text
    events.close()
    file = tmp_path / "talk.md"
    assert chat(f"/export {file}") == [Note(f"written to {file}")]
    assert file.read_text() == (
        f"# Conversation\n\n**System:** Be brief.\n\n## You\n\n{FRANCE}\n\n## smollm2-135m\n\n{answer}\n\n"
        f"## You\n\nWrite a story about a fox.\n\n## smollm2-135m\n\n{begun}\n\n*(stopped)*\n"
    )


@pytest.mark.slow
def test_export_overwrites_only_on_request(talk, tmp_path):
    chat = talk()
    file = tmp_path / "a talk.md"
    assert "there is no message yet" in chat.problem(f"/export {file}")
    chat.answer(FRANCE)
    file.write_text("mine")
    assert f"{file} exists" in chat.problem(f"/export {file}")
    assert file.read_text() == "mine"
    assert chat(f"/export {file} !") == [Note(f"written to {file}")]
    assert FRANCE in file.read_text()
    assert "a .md file, but was given 'talk.txt'" in chat.problem("/export talk.txt")
    assert chat.problem("/export") == chat.problem("/export !") == "/export needs the name of a .md file"
    assert chat(f"/export {tmp_path}/LOUD.MD") == [Note(f"written to {tmp_path}/LOUD.MD")]
    assert (tmp_path / "LOUD.MD").read_text() == file.read_text()
    assert "there is no folder" in chat.problem(f"/export {tmp_path}/none/talk.md")
    (tmp_path / "folder.md").mkdir()
    assert "it is a folder" in chat.problem(f"/export {tmp_path}/folder.md !")


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
@pytest.mark.parametrize("overwrites", ["", " !"])
def test_export_replaces_no_link_and_no_special_file(talk, tmp_path, overwrites):
    chat = talk()
    chat.answer(FRANCE)
    target, missing = tmp_path / "precious.md", tmp_path / "missing.md"
    target.write_text("precious")
    leading = {"link": target, "dangling": missing, "device": "/dev/null", "loop": tmp_path / "loop.md"}
    for name, goal in leading.items():
        (tmp_path / f"{name}.md").symlink_to(goal)
        problem = chat.problem(f"/export {tmp_path}/{name}.md{overwrites}")
        assert problem.endswith(f"is a link to {goal}: give /export the name of that file, or another one")
    os.mkfifo(tmp_path / "pipe.md")
    assert "is a device or a pipe" in chat.problem(f"/export {tmp_path}/pipe.md{overwrites}")
    files.part_of(tmp_path / "talk.md").symlink_to(target)  # where a half of the new file is written
    assert chat(f"/export {tmp_path}/talk.md{overwrites}") == [Note(f"written to {tmp_path}/talk.md")]
    assert (target.read_text(), missing.exists(), (tmp_path / "talk.md").is_symlink()) == ("precious", False, False)
    (tmp_path / "second.md").hardlink_to(target)
    assert len(chat(f"/export {tmp_path}/second.md !")) == 1
    assert target.read_text() == "precious"


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_export_into_a_folder_that_is_a_link(talk, tmp_path):
    chat = talk()
    chat.answer(FRANCE)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(chat(f"/export {tmp_path}/link/talk.md")) == 1
    assert (tmp_path / "real" / "talk.md").exists()


@pytest.mark.slow
def test_resumed_with_another_model(talk, llm):
    chat = talk()
    chat.answer(FRANCE)
    chat("/save trip")
    chat.state.change({"do": "model", "name": "another"})
    chat.state.close()
    again = talk(resume=chat.store.open("trip"))
    assert list(again.state.opening())[1:] == [
        Note(f"trip: 1 turn so far, the last: {SHORT}"),
        Note("so far with another, from now on with smollm2-135m"),
    ]
    assert list(again.state.opening()) == []


def test_clear_names_what_is_no_longer_attached(talk, tmp_path):
    paths = [tmp_path / name for name in ("mill.txt", "cafe.txt")]
    for path in paths:
        path.write_text(f"This is the {path.stem}.")
    chat = talk()
    chat(f"/file {paths[0]}")
    one = f"{paths[0]} is no longer attached: /file or /url attaches it again"
    assert chat.text("/clear") == f"a new conversation; {one}"
    assert chat.text("/file").startswith("Nothing is attached")
    for path in paths:
        chat(f"/file {path}")
    chat.answer(FRANCE)
    kept = chat.state.record.name
    both = f"{paths[0]}, {paths[1]} are no longer attached: /file or /url attaches them again"
    assert chat.text("/clear") == f"a new conversation; the last one is kept as {kept}; {both}"
    chat(f"/file {paths[0]}")
    *_, attached = chat(f"/load {kept}")
    assert attached.text.startswith(f"still attached: {paths[0]}, {paths[1]}; ")
    chat("/clear")
    chat.answer(FRANCE)
    chat("/save plain")
    chat(f"/load {kept}")
    *_, left = chat("/load plain")
    assert left == Note(both)


def test_clear_says_that_a_conversation_is_not_saved(talk):
    chat = talk(keep=False)
    chat.answer(FRANCE)
    assert chat.text("/clear") == "a new conversation; the last one is not saved"


@pytest.mark.slow
def test_a_file_that_becomes_unwritable_is_reported_once(talk, tmp_path):
    chat = talk()
    assert list(chat.state.opening()) == []
    folder = tmp_path / "conversations"
    shutil.rmtree(folder)
    folder.write_text("no folder")
    *_, ended, alert = chat(FRANCE)
    assert isinstance(ended, Ended)
    assert isinstance(alert, Alert)
    assert alert.text.startswith("the conversation is no longer saved, because its file cannot be written: ")
    assert not any(isinstance(event, Alert) for event in chat("And of Italy?"))
    assert len(chat.turns) == 2
    assert "cannot be written" in chat.problem("/save trip")
    folder.unlink()  # the disk is there again, and all can be saved
    assert chat.text("/save trip") == "saved as trip; further turns are saved too"
    assert chat.read_again() == chat.turns


def test_a_folder_that_cannot_be_written_is_reported_before_the_first_message(talk, tmp_path):
    (tmp_path / "conversations").write_text("no folder")
    chat = talk()
    [alert] = chat.state.opening()
    assert alert == Alert(f"the conversation will not be saved: {tmp_path}/conversations is a file, not a folder")
    assert isinstance(chat(FRANCE)[-1], Ended)
    assert chat("/clear") == [Note("a new conversation; the last one is not saved")]


def test_a_conversation_that_cannot_be_written_is_continued(talk, monkeypatch):
    first = talk()
    first.answer(FRANCE)
    first("/save trip")
    first.state.close()

    def refuse(path, found):
        raise PermissionError(13, "Permission denied")  # files are always writable for root

    monkeypatch.setattr(conversation_file, "reopen", refuse)
    chat = talk(resume=first.store.open("trip"))
    alert, *_ = list(chat.state.opening())
    path = first.store.folder / "trip.jsonl"
    assert alert == Alert(f"what comes now will not be saved: {path} cannot be written: Permission denied")
    chat.answer("And of Italy?")
    assert len(chat.turns) == 2
    assert len(chat.read_again()) == 1

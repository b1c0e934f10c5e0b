"""`llmkit chat` through a pipe: whole transcripts, and processes that are killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from llmkit import HuggingFaceChat
from llmkit.cli.chat.conversation.store import Store

CUT = "[the answer was cut at its limit of tokens: /continue goes on, /set max_new_tokens raises it]"
PROGRAM = [sys.executable, "-m", "llmkit", "chat", "--temperature", "0"]
FRANCE = "What is the capital of France?"


@pytest.fixture(scope="module")
def kept_loaded(default_model_folder):
    return HuggingFaceChat()


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path))
    return Store()


def test_through_a_pipe(llmkit, kept_loaded, store):
    lines = f"{FRANCE}\n\nMy name is Ann.\n"
    code, out, err = llmkit("chat", "--temperature", "0", "--max-new-tokens", "24", stdin=lines)
    first, second = out.splitlines()
    assert code == 0
    assert set(err.splitlines()) <= {CUT}
    assert "Paris" in first
    assert second
    assert store.names() == []  # nobody asked for it


def test_an_empty_pipe(llmkit, kept_loaded):
    assert llmkit("chat", stdin="") == (0, "", "")


def test_commands_through_a_pipe(llmkit, kept_loaded, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("The mill was built in 1821.")
    lines = f"/system Be brief.\n/system\n/file {notes}\nWhen was the mill built?\n/bye\nnever said\n"
    code, out, err = llmkit("chat", stdin=lines)
    assert code == 0
    assert out == f"Be brief.\n1821\n\n> The mill was built in 1821.\n>\n> {notes}, characters 0 to 27\n"
    assert err.splitlines() == [
        "[the system text holds from now on]",
        f"[attached {notes}: questions are answered from it, until /detach]",
    ]
    assert llmkit("chat", "--quiet", stdin=lines) == (0, out, "")


def test_problems_are_told_by_line_and_end_nothing(llmkit, kept_loaded):
    lines = f"/sytem x\n/edit\n/undo\n{FRANCE}\n"
    code, out, err = llmkit("chat", "--temperature", "0", stdin=lines)
    assert code == 2
    assert out == "The capital of France is Paris.\n"
    assert [line.partition(": ")[0] for line in err.splitlines()] == ["error"] * 3
    assert err.splitlines()[0].startswith("error: line 1 of standard input: there is no command /sytem: did you mean")
    assert err.splitlines()[1] == "error: line 2 of standard input: there is no editor where the chat is a pipe"


def test_a_line_that_does_not_fit(llmkit, kept_loaded):
    code, out, err = llmkit("chat", "--max-new-tokens", "4", stdin="Hi\n" + "word " * 9000 + "\nHo\n")
    assert code == 2
    assert len(out.splitlines()) == 2  # the others are answered
    assert err.splitlines()[0] == err.splitlines()[2] == CUT
    assert err.splitlines()[1].startswith("error: line 2 of standard input: the message and the room")


def test_a_line_that_is_no_text(kept_loaded):
    command = [*PROGRAM, "--max-new-tokens", "4"]
    done = subprocess.run(command, input=b"\xff\nHi\n", capture_output=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        b"error: line 1 of standard input: it is not UTF-8 text",
    )
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--temperature", "-1"],
        ["--model", "nope"],
        ["--top-p", "1.5"],
        ["--prompt", "nope"],
        ["--prompt", "entities"],  # it has a field that nothing fills
        ["--resume"],
        ["--load", "nope"],
        ["--load", "../nope"],
        ["--load", "a", "--resume"],
    ],
)
def test_wrong_options(refused, store, options):
    refused("chat", *options, stdin="Hi\n")


def test_a_system_text_that_does_not_fit(refused, kept_loaded):
    assert "the system text and the room for an answer" in refused("chat", "--system", "word " * 9000, stdin="Hi\n")


def test_a_piped_chat_is_kept_when_asked_for_and_gone_on_with(llmkit, kept_loaded, store):
    short = ("--temperature", "0", "--max-new-tokens", "8")
    assert llmkit("chat", *short, "--save", stdin=f"{FRANCE}\n")[0] == 0
    [name] = store.names()
    code, out, err = llmkit("chat", *short, "--resume", stdin="And of Italy?\n/save trip\n")
    assert code == 0
    assert f"[{name}: 1 turn so far, the last: {FRANCE[:27]}…]" in err
    assert store.names() == ["trip"]
    assert llmkit("chat", *short, "--load", "trip", "--no-save", stdin="And of Spain?\n")[0] == 0
    turns = store.open("trip", keep=False).history.turns
    assert [turn.said for turn in turns] == [FRANCE, "And of Italy?"]
    assert turns[1].answer.strip() in out


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_killed_in_an_answer_and_gone_on_with(llmkit, kept_loaded, store):
    command = [*PROGRAM, "--save"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        child.stdin.write(b"My name is Ann.\nWrite a very long story about a fox, a river and a mountain.\n")
        child.stdin.flush()
        path = _file_with(store, '"do": "piece"', after="very long story")
        child.send_signal(signal.SIGKILL)
        child.stdout.read()
    lines = path.read_bytes().split(b"\n")[:-1]
    pieces = [json.loads(line)["text"] for line in lines if b'"piece"' in line]
    _, out, err = llmkit("chat", "--temperature", "0", "--max-new-tokens", "8", "--resume", stdin="/continue\n/bye\n")
    first, second = store.open(path.stem, keep=False).history.turns
    assert (first.said, first.finish_reason) == ("My name is Ann.", "stop")
    assert first.answer + second.answer == "".join(pieces) + out.removesuffix("\n")
    assert f"[{path.stem}: 2 turns so far, the last: Write a very long story abo…]" in err
    assert "[its answer was broken off: /continue goes on with it]" in err
    assert second.finish_reason == "length"


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_while_a_chat_runs_its_file_is_its_own(llmkit, refused, kept_loaded, store):
    command = [*PROGRAM, "--max-new-tokens", "4", "--save"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        child.stdin.write(b"Hi\n")
        child.stdin.flush()
        path = _file_with(store, '"do": "end"')
        assert "is open in another chat" in refused("chat", "--load", path.stem, stdin="Ho\n")
        os.kill(child.pid, signal.SIGKILL)
        child.stdout.read()
    assert llmkit("chat", "--max-new-tokens", "4", "--resume", stdin="Ho\n")[0] == 0


def _file_with(store, sign, after=""):
    """Wait for the conversation's file to hold a sign, and give its path."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for path in store.folder.glob("*.jsonl"):
            text = path.read_text()
            if sign in text[text.find(after) :] and after in text:
                return path
        time.sleep(0.02)
    raise AssertionError(f"no conversation holds {sign}")

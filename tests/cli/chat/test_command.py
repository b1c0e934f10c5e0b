"""Whole transcripts: what goes in, what comes out, on the real default model."""

import os
import subprocess
import sys
import time

import pexpect
import pytest

from llmkit import HuggingFaceChat
from llmkit.cli.conversation import Conversation
from llmkit.errors import ContextWindowExceeded

CUT = "[the answer was cut at its limit of tokens: --max-new-tokens]"
PROGRAM = [sys.executable, "-m", "llmkit", "chat", "--temperature", "0"]


@pytest.fixture(scope="module")
def kept_loaded(default_model_folder):
    return HuggingFaceChat()


def test_through_a_pipe(llmkit, kept_loaded):
    lines = "My name is Ann.\n\nWhat is the capital of France?\n"
    code, out, err = llmkit("chat", "--temperature", "0", "--max-new-tokens", "24", stdin=lines)
    first, second = out.splitlines()
    assert code == 0
    assert set(err.splitlines()) <= {CUT}
    assert first
    assert "Paris" in second


def test_an_empty_pipe(llmkit, kept_loaded):
    assert llmkit("chat", stdin="") == (0, "", "")


def test_a_line_that_does_not_fit(llmkit, kept_loaded):
    code, out, err = llmkit("chat", "--max-new-tokens", "4", stdin="Hi\n" + "word " * 9000 + "\nHo\n")
    assert code == 2
    assert len(out.splitlines()) == 2  # the others are answered
    assert err.splitlines()[0] == err.splitlines()[2] == CUT
    assert err.splitlines()[1].startswith("error: line 2 of standard input: the message and the room")


def test_a_line_that_is_no_text(kept_loaded):
    command = [*PROGRAM, "--max-new-tokens", "4"]
    done = subprocess.run(command, input=b"\xff\nHi\n", capture_output=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, b"error: line 1 of standard input is not UTF-8 text")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("options", [["--temperature", "-1"], ["--model", "nope"], ["--top-p", "1.5"]])
def test_wrong_options(llmkit, options):
    code, out, err = llmkit("chat", *options, stdin="Hi\n")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


def test_the_oldest_turns_go_first(kept_loaded):
    llm = HuggingFaceChat(max_new_tokens=8, temperature=0, context_window=160)
    talk = Conversation(llm, system="Be brief.")
    dropped = []
    for number in range(6):
        dropped.append(talk.say(f"This is message number {number}, and it has some words."))
        "".join(talk.answer())
        tokens = llm.get_num_tokens_from_messages(talk._with_system(talk.messages[:-1]))
        assert tokens + 8 <= 160
    assert dropped[0] == 0
    assert set(dropped) == {0, 2}
    assert "number 5" in talk.messages[-2].text
    before = list(talk.messages)
    with pytest.raises(ContextWindowExceeded):
        talk.say("word " * 200)
    assert talk.messages == before


def test_an_answer_that_is_broken_off_stays(kept_loaded):
    talk = Conversation(HuggingFaceChat(temperature=0, max_new_tokens=40))
    talk.say("Write a story about a fox.")
    pieces = talk.answer()
    said = next(pieces) + next(pieces) + next(pieces)
    pieces.close()
    assert [message.type for message in talk.messages] == ["human", "ai"]
    assert talk.messages[-1].text == said


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_at_a_terminal(default_model_folder):
    child = pexpect.spawn(PROGRAM[0], PROGRAM[1:], env={**os.environ, "TERM": "dumb"}, encoding="utf-8", timeout=120)
    child.expect_exact("8192 tokens. Ctrl-C stops an answer, Ctrl-D leaves.")
    child.expect_exact("> ")
    child.sendline("What is the capital of France?")
    child.expect_exact("Paris")
    child.expect_exact("> ")
    child.sendline("Write a very long story about a fox, a river and a mountain.")
    child.expect("mountain[^\n]*\n")  # the echo; the answer comes after it
    child.expect(r"(\w+\W+){4}")
    child.sendintr()
    child.expect_exact("[stopped]")
    child.expect_exact("> ")
    time.sleep(1)
    child.sendintr()  # on an empty line it does nothing
    time.sleep(1)
    assert child.isalive()
    child.sendeof()
    child.expect(pexpect.EOF, timeout=30)
    child.close()
    assert child.exitstatus == 0

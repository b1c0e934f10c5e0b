"""`llmkit chat` through a pipe: whole transcripts, and processes that are killed."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from llmkit.cli.chat.store import Store

pytestmark = pytest.mark.slow

CUT = "[the answer was cut at its limit of tokens: /continue continues it, /set max_new_tokens raises the limit]"
PROGRAM = [sys.executable, "-m", "llmkit", "chat", "--temperature", "0", "--save"]
FRANCE = "What is the capital of France?"


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path))
    return Store()


def test_through_a_pipe(llmkit, llm, store):
    lines = f"{FRANCE}\n\nMy name is Ann.\n"
    code, out, err = llmkit("chat", "--temperature", "0", "--max-new-tokens", "24", "--stop", "\n", stdin=lines)
    first, second = out.splitlines()
    assert code == 0
    assert set(err.splitlines()) <= {CUT}
    assert "Paris" in first
    assert second
    assert store.names() == []  # nobody asked for it


def test_an_empty_pipe(llmkit, llm):
    assert llmkit("chat", stdin="") == (0, "", "")


def test_commands_through_a_pipe(llmkit, llm, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("The mill was built in 1821.")
    lines = f"/system Be brief.\n/system\n/file {notes}\nWhen was the mill built?\n/bye\nnever said\n"
    code, out, err = llmkit("chat", stdin=lines)
    assert code == 0
    assert re.sub(r"\d+%", "N%", out) == (
        f"Be brief.\n1821\nconfidence N%\n\n  “The mill was built in 1821.”\n  characters 0 to 27 of {notes}\n"
    )
    assert err.splitlines() == [
        "[the system prompt is changed]",
        f"[attached {notes}: questions are answered from it, until /detach]",
        f"[answered from {notes}]",
    ]
    assert llmkit("chat", "--quiet", stdin=lines) == (0, out, "")


def test_errors_name_their_line_and_do_not_end_the_chat(llmkit, llm):
    lines = f"/sytem x\n/edit\n/undo\n{FRANCE}\n"
    code, out, err = llmkit("chat", "--temperature", "0", stdin=lines)
    assert code == 2
    assert out == "The capital of France is Paris.\n"
    assert [line.partition(": ")[0] for line in err.splitlines()] == ["error"] * 3
    assert err.splitlines()[0].startswith("error: line 1 of standard input: there is no command /sytem: did you mean")
    assert err.splitlines()[1] == "error: line 2 of standard input: there is no editor without a terminal"


def test_a_line_that_does_not_fit(llmkit, llm):
    lines = "/set min_new_tokens 4\nHi\n" + "word " * 9000 + "\nHo\n"
    code, out, err = llmkit("chat", "--max-new-tokens", "4", stdin=lines)
    _, first, problem, second = err.splitlines()
    assert code == 2
    assert out.strip()
    assert first == second == CUT  # the others are answered
    assert problem.startswith("error: line 3 of standard input: the message and the tokens reserved")


def test_a_line_that_is_no_text(llmkit, llm):
    code, out, err = llmkit("chat", "--temperature", "0", "--max-new-tokens", "4", stdin="\udcff\nHi\n")
    assert (code, err.splitlines()[0]) == (2, "error: line 1 of standard input: it is not UTF-8 text")
    assert out.strip()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--temperature -1", "--temperature '-1': it must be at least 0"),
        ("--model nope", "no model is called 'nope'"),
        ("--top-p 1.5", "--top-p '1.5': it must be at most 1"),
        ("--resume", "there is no conversation to resume in "),
        ("--load nope", "no conversation is called 'nope'"),
        ("--load ../nope", "a conversation cannot be called '../nope'"),
        ("--save --no-save", "--save and --no-save are opposites: give one of them"),
        ("--load a --resume", "--resume and --load name two conversations: give one of them"),
    ],
)
def test_invalid_options_print_an_error(refused, store, options, expected):
    assert refused("chat", *options.split(), stdin="Hi\n").startswith(f"error: {expected}")


@pytest.mark.parametrize("line", ["exit", "quit", " Exit "])
def test_exit_and_quit_leave(llmkit, llm, line):
    assert llmkit("chat", stdin=f"{line}\nnever said\n") == (0, "", "")


def test_one_question(llmkit, llm, store):
    assert llmkit("chat", FRANCE, "--temperature", "0") == (0, "The capital of France is Paris.\n", "")
    assert store.names() == []
    assert llmkit("chat", FRANCE, "--temperature", "0", "--save")[0] == 0
    [name] = store.names()
    assert llmkit("chat", "/undo", "--load", name, "--quiet") == (0, "", "")
    assert llmkit("chat", "/undo") == (2, "", "error: there is no message yet\n")
    assert llmkit("chat", "-", stdin="/system\n")[:2] == (0, "There is no system prompt.\n")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/file notes.txt", 'llmkit ask "…" --file notes.txt answers a question'),
        ("/url https://a.example", 'llmkit ask "…" --url https://a.example answers a question'),
        (
            "/set seed 7",
            "/set changes a conversation, which ends with a single message: start llmkit chat, and type it",
        ),
        ("/system Be brief.", "there, or add --resume or --load NAME"),
        ("/model other", "/model changes a conversation"),
        ("/clear", "/clear is for the interactive chat: start llmkit chat, and type it there"),
        ("/load trip", "/load is for the interactive chat"),
        ("/sytem", "there is no command /sytem: did you mean /system?"),
        ("/bye now", "/bye takes no argument"),
    ],
)
def test_a_single_command_without_effect_is_refused(refused, store, line, says):
    assert says in refused("chat", line)
    assert says in refused("chat", line, "--save")


def test_a_single_command_changes_a_conversation_that_is_kept(llmkit, refused, llm, store):
    short = ("--temperature", "0", "--max-new-tokens", "4")
    assert llmkit("chat", FRANCE, "--save", *short)[0] == 0
    assert llmkit("chat", "/system Be brief.", "--resume", "--quiet") == (0, "", "")
    assert llmkit("chat", "/system", "--resume", "--quiet") == (0, "Be brief.\n", "")
    assert "/system changes a conversation" in refused("chat", "/system x", "--resume", "--no-save")
    assert llmkit("chat", "/help set")[1].startswith("/set NAME [VALUE]\n")


def test_a_folder_that_cannot_be_written_is_a_warning_before_the_answer(llmkit, llm, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("LLMKIT_DATA", str(blocked))
    warning = (
        f"warning: the conversation will not be saved: {blocked}/conversations cannot be written: Not a directory\n"
    )
    for quiet in ([], ["--quiet"]):
        code, out, err = llmkit("chat", FRANCE, "--temperature", "0", "--save", *quiet)
        assert (code, out, err) == (1, "The capital of France is Paris.\n", warning)
    assert llmkit("chat", FRANCE, "--temperature", "0") == (0, "The capital of France is Paris.\n", "")


def test_debug_shows_the_traceback_of_a_problem(llmkit, llm):
    plain, debug = llmkit("chat", stdin="/undo\n"), llmkit("chat", "--debug", stdin="/undo\n")
    assert plain == (2, "", "error: line 1 of standard input: there is no message yet\n")
    assert debug[:2] == plain[:2]
    assert debug[2].startswith("Traceback")
    assert debug[2].endswith(f"InputError: there is no message yet\n{plain[2]}")


def test_the_command_line_overrides_saved_settings_and_those_the_environment(
    llmkit, llm, store, default_model_folder, monkeypatch
):
    model = ("--model", str(default_model_folder))
    given = ("--seed", "7", "--max-new-tokens", "4")
    assert llmkit("chat", "--save", *model, *given, stdin="Hi\n")[0] == 0
    monkeypatch.setenv("LLMKIT_MAX_NEW_TOKENS", "5")
    monkeypatch.setenv("LLMKIT_CHAT_SYSTEM", "Be brief.")
    code, out, _ = llmkit("chat", "--resume", "--seed", "8", stdin="/show\n")
    assert code == 0
    rows = dict(line.split(None, 1) for line in out.splitlines())
    assert (rows["seed"], rows["max_new_tokens"]) == ("8  (this conversation)", "4  (this conversation)")
    assert rows["system"] == "Be brief."  # of which the conversation said nothing
    assert rows["model"] == f"{default_model_folder}, 8192 tokens"
    _, out, _ = llmkit("chat", "--resume", "--model", "smollm2-135m", stdin="/model\n")
    assert out == "smollm2-135m, 8192 tokens\n"


@pytest.mark.parametrize("damaged", [False, True])
def test_a_conversation_whose_model_is_missing_prints_an_error(
    llmkit, llm, store, default_model_folder, tmp_path, damaged
):
    folder = tmp_path / "mine"
    folder.symlink_to(default_model_folder)
    assert llmkit("chat", "--save", "--model", str(folder), "--max-new-tokens", "4", stdin="Hi\n")[0] == 0
    [name] = store.names()
    folder.unlink()
    if damaged:
        folder.mkdir()
        (folder / "config.json").write_text("{", encoding="utf-8")
    code, out, err = llmkit("chat", "--resume", stdin="Hello\n")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: the conversation {name} was with the model {folder}, which cannot be loaded: ")
    assert err.endswith("; --model goes on with another one, such as --model smollm2-135m\n")
    code, _, err = llmkit("chat", "--resume", "--model", "smollm2-135m", "--max-new-tokens", "4", stdin="Hello\n")
    assert (code, f"so far with {folder}, from now on with smollm2-135m" in err) == (0, True)


def test_a_system_text_that_does_not_fit(refused, llm):
    assert "the system prompt and the tokens reserved for an answer" in refused(
        "chat", "--system", "word " * 9000, stdin="Hi\n"
    )


def test_a_piped_chat_is_kept_when_asked_for_and_gone_on_with(llmkit, llm, store):
    short = ("--temperature", "0", "--max-new-tokens", "8")
    assert llmkit("chat", *short, "--save", stdin=f"{FRANCE}\n")[0] == 0
    [name] = store.names()
    code, out, err = llmkit("chat", *short, "--resume", stdin="And of Italy?\n/save trip\n")
    assert code == 0
    assert f"[{name}: 1 turn so far, the last: {FRANCE[:27]}…]" in err
    assert store.names() == ["trip"]
    assert llmkit("chat", *short, "--load", "trip", "--no-save", stdin="And of Spain?\n")[0] == 0
    turns = store.open("trip", keep=False).history.turns
    assert [turn.message for turn in turns] == [FRANCE, "And of Italy?"]
    assert turns[1].answer.strip() in out


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_file_is_its_chats_own_until_that_is_killed_in_an_answer(llmkit, refused, llm, store):
    first_message = b"/set max_new_tokens 8\n/set min_new_tokens 8\nHi\n"
    endless = b"/set max_new_tokens 4000\n/set min_new_tokens 4000\nWrite a very long story about a fox.\n"
    with subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        child.stdin.write(first_message + endless)
        child.stdin.flush()
        path = _file_with(store, '"do": "piece"', after="very long story")
        assert "is open in another chat" in refused("chat", "--load", path.stem, stdin="Ho\n")
        child.send_signal(signal.SIGKILL)
        child.stdout.read()
    lines = path.read_bytes().split(b"\n")[:-1]
    pieces = "".join(json.loads(line)["text"] for line in lines if b'"piece"' in line)
    eight_tokens = "/set min_new_tokens 8\n/set max_new_tokens 8\n"
    _, out, err = llmkit("chat", "--resume", stdin=f"{eight_tokens}/continue\n/bye\n")
    first, second = store.open(path.stem, keep=False).history.turns
    assert (first.message, first.finish_reason) == ("Hi", "length")
    assert (first.answer + second.answer).rstrip("\n") == (pieces + out).rstrip("\n")
    assert f"[{path.stem}: 2 turns so far, the last: Write a very long story abo…]" in err
    assert "[its answer was interrupted: /continue continues it]" in err
    assert second.finish_reason == "length"


def _file_with(store, sign, after=""):
    """Wait until the conversation's file contains a text, and return its path."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for path in store.folder.glob("*.jsonl"):
            text = path.read_text()
            if sign in text[text.find(after) :] and after in text:
                return path
        time.sleep(0.02)
    raise AssertionError(f"no conversation holds {sign}")

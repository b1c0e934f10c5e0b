"""What each command writes of hostile names, texts, labels, pages, answers and model folders."""

import json
import logging
import sys
import warnings
from contextlib import closing

import pytest
from typer.main import get_command

from llmkit.cli import app, files
from llmkit.cli.chat.commands import COMMANDS
from tests.support import hostile_commands
from tests.support.hostile import EVIL, harm_in
from tests.support.hostile_commands import ANSWERS, ATTEMPTS, CHAT, QUICK, WITH_MODEL, WITHOUT_HOSTILE_TEXT, World
from tests.support.raw_server import raw_server
from tests.support.terminal import CTRL_D, TAB, Commands, Terminal, pasted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files there have no such names")


@pytest.fixture(scope="module")
def server():
    with raw_server() as server:
        yield server


@pytest.fixture(scope="module")
def world(tmp_path_factory, server) -> World:
    return hostile_commands.make_world(tmp_path_factory.mktemp("world"), server.url)


@pytest.fixture
def attempt(llmkit, world, monkeypatch):
    """Make an attempt, check that its output is harmless, and return it."""

    def run(name: str) -> str:
        arguments, stdin, environment = ATTEMPTS[name]
        for variable, value in environment(world).items():
            monkeypatch.setenv(variable, value)
        monkeypatch.chdir(world.folder)
        _, out, err = llmkit(*arguments(world), stdin=stdin)
        assert harm_in(out.encode(errors="surrogateescape"), terminal=False) == set()
        assert harm_in(err.encode(errors="surrogateescape"), terminal=False) == set()
        return str(out + err)

    return run


def is_seen(output: str, name: str) -> bool:
    """Return whether the hostile text is in the output, as text; else a test would not show that it is cleaned."""
    return name in WITHOUT_HOSTILE_TEXT or any(sign in output for sign in ("^[]52", r"\u001b]52", r"\x1b]52"))


@pytest.mark.parametrize("name", QUICK)
def test_a_pipe_of_a_command_that_fails_early(attempt, server, name):
    server.answers = [ANSWERS["location"]]
    assert is_seen(attempt(name), name)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_pipe_with_the_errors_of_pages(attempt, server, answer):
    server.answers = [ANSWERS[answer]]
    assert server.url in attempt("ask: a page"), "an error about the page, or an answer that cites it"


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_MODEL)
def test_a_pipe_of_a_command_with_a_model(attempt, server, name):
    server.answers = [ANSWERS["page"]]
    assert is_seen(attempt(name), name)


AT_A_TERMINAL = list({name.partition(":")[0]: name for name in ATTEMPTS}.values())
"""One attempt of each command: what is cleaned in a pipe is cleaned here as well."""


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    with closing(Commands(tmp_path_factory.mktemp("terminal"))) as commands:
        yield commands


@pytest.mark.slow
@pytest.mark.parametrize("name", AT_A_TERMINAL)
def test_a_terminal(world, server, terminal, name):
    server.answers = [ANSWERS["page"]]
    arguments, stdin, environment = ATTEMPTS[name]
    output = terminal.run(arguments(world), stdin, environment(world))
    assert harm_in(output.encode(), terminal=True) == set()
    assert is_seen(output, name)


@pytest.mark.slow
def test_a_chat_at_a_terminal(world, server):
    server.answers = [ANSWERS["page"]]
    options = ["--allow-private", "--ignore-robots", "--max-new-tokens", "6", "--debug"]
    person = Terminal("chat", "--load", "evil", *options, columns=120, rows=40, **world.environment())
    person.wait(r"until /detach\]", timeout=120)
    for line in (*CHAT.splitlines()[:-1], f"/url {server.url}", f"/file {world.file}", "/summarize", "Who built it?"):
        if not line.startswith("/edit"):
            person.child.send(pasted(line.replace("\x1b[201~", "")))
            person.child.send("\r")
            person.settle(0.3)
    for keys in (f"/file {world.folder}/", "/detach ", "/load "):  # completions have hostile names
        person.child.send(pasted(keys) + TAB)
        person.settle(0.3)
        person.child.send("\x03")
        person.settle()
    person.child.send(CTRL_D)
    assert person.ended() == 0
    assert harm_in(person.raw.encode(), terminal=True) == set()
    assert "^[]52" in person.raw


def test_each_command_is_attempted():
    def names(command: object, name: str = "") -> list[str]:
        inner = getattr(command, "commands", {}).items()
        return [name, *(part for key, each in inner for part in names(each, f"{name} {key}".strip()))]

    attempted = {name.partition(":")[0] for name in ATTEMPTS}
    assert {name for name in names(get_command(app)) if name} <= attempted
    leaving, left_out = {"bye"}, {"clear", "summarize"}
    assert set(COMMANDS) - leaving - left_out <= {line.split()[0].removeprefix("/") for line in CHAT.splitlines()}


def test_what_libraries_write(llmkit, tmp_path, monkeypatch):
    def load(name: str) -> None:
        warnings.warn(EVIL, stacklevel=1)
        logging.getLogger("urllib3.connectionpool").warning("Failed to parse headers: %s", EVIL)
        logging.getLogger("llmkit.models").warning("fetching %s", EVIL)
        sys.stderr.writelines([EVIL])
        raise RuntimeError(EVIL)

    monkeypatch.setattr(files, "load", load)
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: sys.stderr.write(f"{message}\n"))
    logger = logging.getLogger("urllib3")
    monkeypatch.setattr(logger, "handlers", [logging.lastResort])
    monkeypatch.setattr(logger, "propagate", False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, out, err = llmkit("--debug", "summarize", "x")
    assert (code, out, harm_in(err.encode(), terminal=False)) == (1, "", set())
    assert err.count("^[]52") == 6  # a warning, two logs, a line, a traceback and an error


def test_what_is_written_to_a_file_is_exact(llmkit, world, tmp_path):
    for name in ("labels.txt", "labels.csv", "labels.md", "labels.json"):
        arguments = ["--labels", f"{EVIL} a,b", "--model", world.model, "--output", str(tmp_path / name), "--quiet"]
        assert llmkit("classify", world.file, *arguments)[0] == 0
        content = (tmp_path / name).read_text(encoding="utf-8")
        if name == "labels.json":
            assert harm_in(content.encode(), terminal=False) == set()
            assert set(json.loads(content)["scores"]) == {f"{EVIL} a", "b"}
        else:
            assert "\x1b" in content


@pytest.mark.slow
@pytest.mark.parametrize("name", ["/dev/tty", "/dev/stdout", "a link.csv"])
def test_an_output_that_is_a_terminal(world, terminal, name):
    output = world.folder / name
    if name == "a link.csv":
        output.symlink_to("/dev/tty")
    arguments = ["--labels", f"{EVIL} a,b", "--model", world.model, "--output", str(output)]
    written = terminal.run(["classify", world.file, *arguments], environment=world.environment())
    assert "^[]52" in written
    assert harm_in(written.encode(), terminal=True) == set()

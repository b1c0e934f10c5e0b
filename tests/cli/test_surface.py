"""The whole surface: every command, every option, as typer has them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from llmkit.cli import app
from llmkit.cli import configuration as preferences

FIRST_LINES = {
    "chat": ("[OPTIONS]", "Talk with a model; /help in it shows what else it can do."),
    "summarize": ("[OPTIONS] [file]", "Summarize a conversation or another text, of any length."),
    "classify": ("[OPTIONS] [file]", "Say which label fits a text, and how likely each is."),
    "entities": ("[OPTIONS] [file]", "Find what a text names: people, places, other things."),
    "ask": ("[OPTIONS] {question}", "Answer a question from web pages or files."),
    "models": ("[OPTIONS] COMMAND [ARGS]...", "List, fetch and remove models."),
    "models pull": ("[OPTIONS] {name}", "Fetch a model into the cache, and print its folder."),
    "models show": (
        "[OPTIONS] {name}",
        "Tell what is known about a model of the catalog, a folder or a .gguf file.",
    ),
    "models remove": ("[OPTIONS] {name}", "Delete what the cache keeps of a model."),
    "prompts": ("[OPTIONS] COMMAND [ARGS]...", "List the prompt texts, or show one."),
    "prompts show": ("[OPTIONS] {name}", "Print a prompt text with its fields, as it stands in its file."),
    "config": ("[OPTIONS] COMMAND [ARGS]...", "Show what is set, and where each value comes from."),
    "config path": ("[OPTIONS]", "Print where the file is, or would be; LLMKIT_CONFIG names another."),
}
SILENT = {"prompts", "prompts show", "models", "models show", "config", "config path"}
"""They do nothing that takes long, and have nothing to note."""
NO_RESULT = {"chat", "models pull", "models remove", "config path"}
ORDER = ["model", *preferences.SHARED[1:-1], "lines", "output", "json", "quiet", "help"]
DOCS = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def walked(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for inner, each in getattr(command, "commands", {}).items():
        yield f"{name} {inner}".strip(), each
        yield from walked(each, f"{name} {inner}".strip())


COMMANDS = dict(walked(get_command(app)))


def options_of(name: str) -> dict[str, Any]:
    return {preferences.option_name(each): each for each in COMMANDS[name].params if each.param_type_name == "option"}


def test_these_are_the_commands():
    assert list(COMMANDS) == list(FIRST_LINES)


@pytest.mark.parametrize("name", COMMANDS)
def test_help(llmkit, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = llmkit(*name.split(), "--help")
    assert (code, err) == (0, "")
    assert (code, out, err) == llmkit(*name.split(), "-h")
    usage, first = FIRST_LINES[name]
    assert " ".join(out.split()).startswith(f"Usage: llmkit {name} {usage} {first}")
    assert f"\n  llmkit {name}" in out, "an example"
    assert "--debug" in out
    for parameter in COMMANDS[name].params:
        said = (parameter.help or "").strip()
        assert said.endswith("."), f"{parameter.name} says nothing"
        assert " ".join(said.split()) in " ".join(out.split())
        assert all(each in out for each in (*parameter.opts, *parameter.secondary_opts))


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_the_same_everywhere(name):
    own = options_of(name)
    assert ("quiet" in own) is (name not in SILENT)
    assert ("json" in own) is (name not in NO_RESULT)
    common = [each for each in own if each in ORDER]
    assert common == sorted(common, key=ORDER.index)
    for key in (*preferences.SHARED, "json", "lines"):
        kinds = {(each.help, each.type_descriptor.annotation, tuple(each.opts)) for each in others(key)}
        assert len(kinds) <= 1, key


def others(key: str) -> list[Any]:
    return [option for name in COMMANDS for each, option in options_of(name).items() if each == key]


def test_the_page_on_commands_names_them_all():
    for name in COMMANDS:
        assert f"llmkit {name}" in DOCS
        for option in COMMANDS[name].params:
            if option.param_type_name == "option" and option.name != "help":
                assert f"`{max(option.opts, key=len)}`" in DOCS, f"{name} {option.opts}"


def test_the_page_on_commands_tells_what_can_be_set():
    for command, own in preferences.settable(get_command(app)).items():
        named = [key for key in own if key not in preferences.SHARED]
        assert f"| `[{command}]` | {', '.join(f'`{key}`' for key in named)} |" in DOCS
    assert f"| top | {', '.join(f'`{key}`' for key in preferences.SHARED)} |" in DOCS


def test_the_file_on_the_page_is_one(llmkit, monkeypatch, tmp_path):
    [content] = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    (tmp_path / "config.toml").write_text(content)
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path / "config.toml"))
    held = {row["setting"]: row["value"] for row in json.loads(llmkit("config", "--json")[1])}
    assert (held["temperature"], held["stop"], held["classify.threshold"]) == (0.2, ["\n\n"], 0.6)


def test_the_error_on_the_page_is_told(llmkit, monkeypatch):
    monkeypatch.setenv("LLMKIT_TEMPERATURE", "hot")
    code, out, err = llmkit("chat")
    assert (code, out) == (2, "")
    assert f"$ LLMKIT_TEMPERATURE=hot llmkit chat\n    {err}" in DOCS

"""The whole surface: every command and option has help, and docs/commands.md has them all."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from llmkit.cli import app, config, options

SILENT = {"batch", "prompts", "prompts show", "models", "models show", "config", "config path"}
"""Commands without progress or notes."""
NO_RESULT = {"batch", "chat", "serve", "models pull", "models remove", "config path"}
ORDER = ["model", *config.SHARED[1:-1], "lines", "output", "json", "quiet", "help"]
DOCS = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def walk(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for inner, each in getattr(command, "commands", {}).items():
        yield f"{name} {inner}".strip(), each
        yield from walk(each, f"{name} {inner}".strip())


COMMANDS = dict(walk(get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_help(llmkit, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = llmkit(*name.split(), "--help")
    assert (code, err) == (0, "")
    assert (code, out, err) == llmkit(*name.split(), "-h")
    assert f" llmkit {name}" in out.split("Options:")[0], "an example"
    assert "--debug" in out
    for parameter in COMMANDS[name].params:
        text = (parameter.help or "").strip()
        assert text.endswith("."), f"{parameter.name} has no help"
        assert " ".join(text.split()) in " ".join(out.split())
        assert all(flag in out for flag in (*parameter.opts, *parameter.secondary_opts))


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_the_terminal(llmkit, monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = llmkit(*name.split(), "--help")[1].splitlines()
    assert [line for line in lines if len(line) > columns] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_the_same_everywhere(name):
    known_options = options.by_name(COMMANDS[name])
    assert ("quiet" in known_options) is (name not in SILENT)
    assert ("json" in known_options) is (name not in NO_RESULT)
    common = [key for key in known_options if key in ORDER and (name, key) not in config.OWN_MEANING]
    assert common == sorted(common, key=ORDER.index)


@pytest.mark.parametrize("key", [*config.SHARED, "json", "lines"])
def test_an_option_shared_by_commands_has_one_meaning(key):
    having = {name: options.by_name(command) for name, command in COMMANDS.items()}
    found = [known[key] for name, known in having.items() if key in known and (name, key) not in config.OWN_MEANING]
    assert len({(meaning(option), value_type(option), tuple(option.opts)) for option in found}) == 1


def meaning(option):
    """Return the help of an option, as it is where the option is not repeated."""
    return option.help.partition("; may be repeated")[0].removesuffix(".")


def value_type(option):
    """Return the type of an option's value, or of each where it is repeated."""
    annotation = option.type_descriptor.annotation
    return annotation.__args__[0] if annotation == list[str] else annotation


def test_the_page_on_commands_has_them_all():
    assert [name for name in COMMANDS if f"\n| `llmkit {name}` |" not in DOCS] == []


def test_the_file_on_the_page_is_valid(llmkit, monkeypatch, tmp_path):
    [content] = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    (tmp_path / "config.toml").write_text(content)
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path / "config.toml"))
    settings = {row["setting"]: row["value"] for row in json.loads(llmkit("config", "--json")[1])}
    assert (settings["temperature"], settings["stop"], settings["classify.threshold"]) == (0.2, ["\n\n"], 0.6)

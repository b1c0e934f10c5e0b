from __future__ import annotations

import json

from typer.testing import CliRunner

from llmkit.cli.prompts import app
from llmkit.errors import InputError
from llmkit.prompts import names


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_prompts_lists_every_prompt_text_with_its_fields():
    result = run()
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == names()
    assert "for models that give no likelihoods. Fields: labels." in result.stdout
    assert [row["name"] for row in json.loads(run("--json").stdout)] == names()


def test_show_prints_the_file():
    from llmkit.prompts.library import FOLDER

    result = run("show", "question-answering")
    assert result.stdout == (FOLDER / "question-answering.md").read_text(encoding="utf-8")
    shown = json.loads(run("show", "question-answering", "--json").stdout)
    assert shown["fields"] == ["question"]
    assert len(shown["examples"]) == 2


def test_an_unknown_name_is_told_with_the_way_to_the_others():
    error = run("show", "nothing").exception
    assert isinstance(error, InputError)
    assert str(error) == "no prompt is called 'nothing': see llmkit prompts"

import json

import pytest

from llmkit.prompts import TaskPrompt, list_prompts
from llmkit.prompts.library import FOLDER


def test_list(llmkit):
    code, out, err = llmkit("prompts")
    head, *lines = out.splitlines()
    assert head.split() == ["NAME", "FOR", "DESCRIPTION"]
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in lines] == [[name, TaskPrompt.load(name).task] for name in list_prompts()]
    [line] = [line for line in lines if line.startswith("question-answering")]
    assert line.endswith("Fields: question.")


def test_list_as_json(llmkit):
    rows = json.loads(llmkit("prompts", "--json")[1])
    prompts = {name: TaskPrompt.load(name) for name in list_prompts()}
    assert rows == [
        {"name": name, "for": prompt.task, "description": prompt.description, "fields": list(prompt.fields)}
        for name, prompt in prompts.items()
    ]


@pytest.mark.parametrize("name", list_prompts())
def test_show(llmkit, name):
    prompt = TaskPrompt.load(name)
    assert llmkit("prompts", "show", name) == (0, (FOLDER / f"{name}.md").read_text(encoding="utf-8"), "")
    facts = json.loads(llmkit("prompts", "show", name, "--json")[1])
    assert (facts["name"], facts["fields"]) == (name, list(prompt.fields))
    assert len(facts["examples"]) == len(prompt.examples)


def test_an_unknown_name_prints_an_error(refused):
    assert refused("prompts", "show", "nothing") == "error: no prompt is called 'nothing': see llmkit prompts\n"

"""`--save` and `--load` of `llmkit entities` and `llmkit ask`; a chain that is loaded brings its options."""

from __future__ import annotations

import json

import pytest

from tests.support.ner import chain_of
from tests.support.qa import LIGHTHOUSE, tiny_chain

TEXT = "The dog met Paris in Lille, and Ada sleeps in New York."


@pytest.mark.slow
def test_entities_are_those_of_the_saved_chain(llmkit, tiny_model, tmp_path):
    rows, folder = tmp_path / "rows.jsonl", str(tmp_path / "fitted")
    named = [{"text": "Ada", "label": "site"}]
    lines = [{"input": f"Ada met Bob {n} times.", "output": named} for n in range(6)]
    rows.write_text("\n".join(map(json.dumps, lines)))
    taught = ["--labels", "site,food", "--threshold", "0", "--examples", str(rows), "--calibrate", str(rows)]
    wanted = json.loads(llmkit("entities", *tiny_model, *taught, "--save", folder, "--json", stdin=TEXT)[1])
    code, out, _ = llmkit("entities", *tiny_model, "--load", folder, "--json", stdin=TEXT)
    assert code == 0
    found = json.loads(out)
    assert [(one["text"], one["label"]) for one in found["entities"]] == [
        (one["text"], one["label"]) for one in wanted["entities"]
    ]
    assert found["entities"]
    assert found["calibrated"] == wanted["calibrated"]


@pytest.mark.slow
def test_an_answer_is_that_of_the_saved_chain(llmkit, tiny_model, tmp_path):
    rows, folder = tmp_path / "rows.jsonl", str(tmp_path / "fitted")
    lines = [{"input": LIGHTHOUSE, "question": f"Who came in {n}?", "output": "Maria Holm"} for n in range(6)]
    rows.write_text("\n".join(map(json.dumps, lines)))
    given = ["ask", "Who built it?", "--file", "-", *tiny_model]
    taught = ["--no-embedder", "--max-answer-words", "2", "--calibrate", str(rows), "--save", folder]
    wanted = json.loads(llmkit(*given, *taught, "--json", stdin=LIGHTHOUSE)[1])
    code, out, _ = llmkit(*given, "--load", folder, "--json", stdin=LIGHTHOUSE)
    assert code == 0
    found = json.loads(out)
    assert found["confidence"] == pytest.approx(wanted["confidence"], abs=1e-4)
    assert (found["text"], found["calibrated"]) == (wanted["text"], True)


def test_options_that_contradict_the_saved_chain_are_refused(refused, tmp_path):
    chain_of().save(tmp_path / "entities")
    tiny_chain().save(tmp_path / "answers")
    entities, answers = ["--load", str(tmp_path / "entities")], ["--load", str(tmp_path / "answers")]
    ask = ["ask", "Who?", "--file", "-"]
    for command, says in (
        (["entities", *entities, "--labels", "x"], "--labels is part of what was saved in"),
        (["entities", *entities, "--any-words"], "--any-words is part of what was saved in"),
        ([*ask, *answers, "--top-k", "2"], "--top-k is part of what was saved in"),
        ([*ask, *answers, "--embedder"], "the chain was saved without an embedder"),
        ([*ask, *entities], "has an entity chain, not a question-answering chain"),
        (["entities", "--load", "nowhere"], "nowhere has no saved entity chain that can be read: there is no chain"),
        (
            ["batch", "ask", "rows.jsonl", "--output", "x", "--question", "Who?", *answers, "--style", "extractive"],
            "--style is part of what was saved in",
        ),
        (
            ["batch", "entities", "rows.jsonl", "--output", "x", *entities, "--threshold", "0.5"],
            "--threshold is part of what was saved in",
        ),
    ):
        assert says in refused(*command, stdin=TEXT)

"""`llmkit classify` learns from labelled texts, saves what it learned, and loads it."""

import json
import re

import pytest

from tests.support.cli_runs import EXAMPLES, LABELS

TEXT = "The match ended 3 to 2 after extra time."

pytestmark = pytest.mark.usefixtures("default_model")


@pytest.mark.slow
def test_an_embedder_learns_from_examples(llmkit, tiny_model, text_file, tmp_path):
    given = ["classify", text_file, *LABELS, *tiny_model, "--embedder"]
    assert json.loads(llmkit(*given, "--json")[1])["evidence"] == "both"
    path = tmp_path / "examples.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in EXAMPLES), encoding="utf-8")
    code, _, err = llmkit(*given, "--examples", str(path))
    assert code == 0
    assert re.fullmatch(
        r"note: 5 examples teach a head that is added to the zero-shot scores; "
        r"cross-validated log-loss [\d.]+ without them, [\d.]+ with them; also tried: .*\n",
        err,
    )
    found = json.loads(llmkit(*given, "--examples", str(path), "--json")[1])
    assert (found["evidence"], found["examples"]["use"]) == ("head", "head")
    out = tmp_path / "out.jsonl"
    assert llmkit(*given, "--examples", str(path), "--lines", "--output", str(out))[0] == 0
    assert {json.loads(line)["evidence"] for line in out.read_text().splitlines()} == {"head"}


@pytest.mark.slow
def test_what_was_learned_is_saved_and_loaded(llmkit, tiny_model, text_file, tmp_path):
    path, folder = tmp_path / "examples.jsonl", str(tmp_path / "fitted")
    path.write_text("".join(json.dumps(each) + "\n" for each in EXAMPLES), encoding="utf-8")
    taught = ["--embedder", "--examples", str(path), "--calibrate", str(path), "--save", folder]
    wanted = json.loads(llmkit("classify", text_file, *LABELS, *tiny_model, *taught, "--json")[1])
    found = json.loads(llmkit("classify", text_file, *tiny_model, "--load", folder, "--json")[1])
    assert found["scores"] == pytest.approx(wanted["scores"])
    assert (found["evidence"], found["calibrated"]) == ("head", True)
    out = str(tmp_path / "out.jsonl")
    assert llmkit("classify", text_file, *tiny_model, "--load", folder, "--lines", "--output", out)[0] == 0
    for given, says in [
        (["--labels", "a,b"], "was saved with the labels"),
        (["--examples", str(path)], "--examples is part of what was saved"),
        (["--multi-label"], "--multi-label is part of what was saved"),
    ]:
        code, _, err = llmkit("classify", text_file, *tiny_model, "--load", folder, *given)
        assert (code, says in err) == (2, True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "there are no labels: give --labels, as in --labels good,bad, or --load FOLDER"),
        (["--load", "nowhere"], "nowhere has no saved classification chain that can be read"),
    ],
)
def test_labels_come_from_somewhere(llmkit, text_file, given, says):
    code, _, err = llmkit("classify", text_file, *given)
    assert (code, says in err) == (2, True)

"""Commands take an encoder with a head as `--model`, and refuse one that cannot do their task."""

import json

import pytest

from tests.support import encoders
from tests.support.cli_runs import parse_rows

TEXT = "Anna founded Acme in Berlin."
HEADS = {
    "nli": ("ForSequenceClassification", encoders.NLI),
    "tagger": ("ForTokenClassification", encoders.TAGS),
    "joy": ("ForSequenceClassification", ("sadness", "joy", "love")),
    "reader": ("ForQuestionAnswering", ("LABEL_0", "LABEL_1")),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Save a tiny model with each head."""
    paths = {}
    for name, (head, labels) in HEADS.items():
        paths[name] = str(tmp_path_factory.mktemp(name))
        model = encoders.make("Bert", head, labels)
        model.model.save_pretrained(paths[name])
        model.tokenizer.save_pretrained(paths[name])
    return paths


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def test_classify(llmkit, folders, text_file):
    code, out, _ = llmkit("classify", text_file, "--labels", "sports,politics", "--model", folders["nli"], "--json")
    found = json.loads(out)
    assert (code, found["method"]) == (0, "entailment")
    encoder = encoders.make("Bert", *HEADS["nli"]).encoder()
    assert found["label"] == ["sports", "politics"][encoder.label_scores([TEXT], ["sports", "politics"]).argmax()]


def test_lines(llmkit, folders, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text(f"{TEXT}\n\nThe dog sleeps.\n", encoding="utf-8")
    options = ["--labels", "sports,politics", "--model", folders["nli"], "--lines", "-q"]
    code, out, _ = llmkit("classify", str(path), *options)
    rows = parse_rows(out)
    assert [row.get("method") for row in rows] == ["entailment", None, "entailment"]
    assert "error" in rows[1]
    assert code == 1


def test_entities(llmkit, folders, text_file):
    options = ["--model", folders["tagger"], "--threshold", "0", "--json"]
    code, out, _ = llmkit("entities", text_file, *options)
    found = json.loads(out)
    assert (code, found["method"]) == (0, "token labels")
    assert all(TEXT[item["start"] : item["end"]] == item["text"] for item in found["entities"])


def test_ask(llmkit, folders, text_file):
    options = ["--file", text_file, "--model", folders["reader"], "--threshold", "0", "--json"]
    code, out, _ = llmkit("ask", "Who founded Acme?", *options)
    found = json.loads(out)
    assert (code, found["method"], found["found"]) == (0, "spans", True)
    assert found["text"] in TEXT


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["entities"], "an entailment classifier, which llmkit entities cannot use: it is for llmkit classify"),
        (["summarize"], "an entailment classifier, which generates no text: it is for llmkit classify"),
        (
            ["classify", "--labels", "a,b", "--model", "tagger"],
            "a classifier of tokens, which llmkit classify cannot use: it is for llmkit entities",
        ),
        (
            ["classify", "--labels", "a,b", "--embedder"],
            "--embedder is given, but --model is no language model: leave it out",
        ),
        (["classify", "--labels", "a,b c", "--model", "joy"], "say which one it is by --descriptions a=sadness"),
    ],
)
def test_what_a_head_cannot_do_is_one_line(llmkit, folders, text_file, command, message):
    *command, name = command if "--model" in command else [*command, "--model", "nli"]
    code, out, err = llmkit(*command[:1], text_file, *command[1:], folders[name])
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_chat_with_an_encoder_names_the_commands_that_take_it(llmkit, folders):
    code, _, err = llmkit("chat", "Hi", "--model", folders["nli"])
    assert code in (1, 2)
    assert "use it with llmkit classify, entities or ask" in err
    assert "HuggingFaceEncoder" not in err


def test_show_says_what_loads_a_folder(llmkit, folders):
    facts = json.loads(llmkit("models", "show", folders["tagger"], "--json")[1])
    assert (facts["architecture"], facts["loaded_by"]) == ("BertForTokenClassification", "HuggingFaceEncoder")

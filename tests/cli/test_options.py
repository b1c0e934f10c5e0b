"""Options that commands share: ranges, and the context window of a model that states none."""

import copy
from typing import Any

import pytest
from typer.main import get_command

from llmkit.chains.ner.chain import DEFAULT_THRESHOLD
from llmkit.chains.qa.tuning import NEUTRAL, SMOLLM2_135M
from llmkit.cli import app, options
from llmkit.models.generation.ranges import RANGES
from tests.support import tiny

GROUP: Any = get_command(app)
UNKNOWN = "has the length of its context window: pass --context-window, in tokens\n"


@pytest.mark.parametrize("command", ["chat", "summarize"])
def test_ranges_are_those_of_the_settings(command):
    given = options.by_name(GROUP.commands[command])
    for name in given.keys() & RANGES.keys():
        assert (given[name].min, given[name].max) == (RANGES[name].ge, RANGES[name].le)
        assert ("above" in given[name].help) is (RANGES[name].gt is not None)


def test_the_help_of_entities_has_the_threshold_of_its_chain(llmkit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert f"probability. [default: {DEFAULT_THRESHOLD:g};" in " ".join(llmkit("entities", "--help")[1].split())


def test_the_help_of_ask_has_the_thresholds_of_its_chain(llmkit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = f"{SMOLLM2_135M.threshold:g}, {SMOLLM2_135M.yes_no_threshold:g} for yes and no, "
    assert f"[default: {shown}{NEUTRAL.threshold:g} with other models" in " ".join(llmkit("ask", "--help")[1].split())


@pytest.fixture(scope="module")
def bloom(tmp_path_factory) -> str:
    """A model whose configuration and tokenizer state no context window."""
    folder = tmp_path_factory.mktemp("bloom")
    model, tokenizer = tiny.make("bloom")
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = 10**30
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    "command",
    [
        ["summarize"],
        ["classify", "--labels", "a,b"],
        ["entities"],
        ["ask", "Who sleeps?", "--file", "-"],
        ["chat", "Who sleeps?"],
    ],
    ids=lambda command: command[0],
)
def test_a_model_that_states_no_context_window(llmkit, refused, monkeypatch, bloom, command):
    command = [*command, "--model", bloom]
    assert refused(*command, stdin="The dog sleeps.").endswith(UNKNOWN)
    limit = ["--max-new-tokens", "4"] if command[0] in ("chat", "summarize") else []
    assert llmkit(*command, *limit, "--context-window", "512", stdin="The dog sleeps.")[0] == 0
    monkeypatch.setenv("LLMKIT_CONTEXT_WINDOW", "512")
    assert llmkit(*command, *limit, stdin="The dog sleeps.")[0] == 0


def test_a_conversation_keeps_the_context_window_of_its_model(llmkit, monkeypatch, tmp_path, bloom):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path))
    short = ["--max-new-tokens", "4", "--save"]
    assert llmkit("chat", "Hi", "--model", bloom, "--context-window", "300", *short)[0] == 0
    assert llmkit("chat", "/model", "--resume")[1] == f"{bloom}, 300 tokens\n"
    assert llmkit("chat", "/model", "--resume", "--context-window", "400")[1] == f"{bloom}, 400 tokens\n"
    assert llmkit("chat", "Ho", "--resume")[0] == 0


@pytest.mark.parametrize("given", ["0", "-1"])
def test_a_precision_is_above_0(refused, tmp_path, given):
    rows = tmp_path / "rows.csv"
    rows.write_text("input,output\nRain,a\n")
    options_ = ["--labels", "a,b", "--calibrate", str(rows), "--precision", given]
    assert refused("classify", *options_, stdin="Sun").startswith(f"error: --precision is {given}, but must be above 0")


def test_a_model_that_states_no_context_window_in_a_chat(llmkit, default_model, bloom):
    code, _, err = llmkit("chat", stdin=f"/model {bloom}\n")
    assert code == 2
    assert err.endswith(f"leave the chat, and start it with --model {bloom} --context-window TOKENS\n")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a,b", ["a", "b"]),
        (" a , b c ", ["a", "b c"]),
        ('"a, b",c', ["a, b", "c"]),
        ('c, "a, b"', ["c", "a, b"]),
        ('"say ""a""",b', ['say "a"', "b"]),
        ('5" disk,tape', ['5" disk', "tape"]),
        ('"quoted" text,b', ['"quoted" text', "b"]),
        ('"a,b', ['"a', "b"]),
        ("a,,b", ["a", "", "b"]),
        ("'a',b", ["'a'", "b"]),
        ("", []),
    ],
)
def test_labels_in_quotation_marks_may_have_commas(given, names):
    assert options.split_labels(given) == names

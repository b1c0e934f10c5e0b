import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from llmkit.cli import app
from llmkit.cli import configuration as preferences
from llmkit.errors import InputError


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The user's file, with this in it."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("LLMKIT_CONFIG", str(path))

    def write(content: str | bytes) -> str:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def held(llmkit):
    """What `llmkit config` says holds, and where it comes from."""

    def ask() -> dict[str, tuple[object, str]]:
        code, out, err = llmkit("config", "--json")
        assert (code, err) == (0, "")
        return {row["setting"]: (row["value"], row["from"]) for row in json.loads(out)}

    return ask


def test_nothing_is_set(llmkit, held):
    found = held()
    assert found["model"] == ("smollm2-135m", "default")
    assert found["temperature"] == (None, "the model")
    assert found["summarize.temperature"] == (0.0, "default")
    assert found["classify.threshold"] == (None, "default")
    assert not {"classify.model", "ask.json", "ask.allow_private", "summarize.output"} & set(found)
    code, out, _ = llmkit("config")
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    assert (code, lines[0]) == (0, ["SETTING", "VALUE", "FROM"])
    assert lines[1] == ["model", '"smollm2-135m"', "default"]
    assert [line[0] for line in lines[1:]] == list(found)


def test_the_environment_goes_before_the_file_and_a_table_before_the_top(file, held, monkeypatch):
    path = file('temperature = 0.2\nseed = 1\nstop = "END"\n[summarize]\nseed = 2\nstrategy = "refine"\n')
    found = held()
    assert found["temperature"] == (0.2, path)
    assert found["seed"] == (1, path)
    assert found["stop"] == (["END"], path)
    assert found["summarize.seed"] == (2, path)
    assert found["summarize.strategy"] == ("refine", path)
    assert "summarize.temperature" not in found  # what is set for all goes before a command's own default
    monkeypatch.setenv("LLMKIT_SEED", "3")
    monkeypatch.setenv("LLMKIT_STOP", "two words")
    monkeypatch.setenv("LLMKIT_ASK_EMBEDDER", "yes")
    found = held()
    assert (found["seed"], found["ask.embedder"]) == ((3, "LLMKIT_SEED"), (True, "LLMKIT_ASK_EMBEDDER"))
    assert found["stop"] == (["two words"], "LLMKIT_STOP")
    assert "summarize.seed" not in found
    monkeypatch.setenv("LLMKIT_SUMMARIZE_SEED", "4")
    monkeypatch.setenv("LLMKIT_SEED", "")  # empty is not set
    found = held()
    assert (found["seed"], found["summarize.seed"]) == ((1, path), (4, "LLMKIT_SUMMARIZE_SEED"))


def test_a_command_takes_what_is_set_and_an_option_goes_before_it(llmkit, file, monkeypatch, tmp_path):
    (tmp_path / "notes.txt").write_text("Ann: Hello.")

    def model_of(*options: str) -> str:
        code, _, err = llmkit("summarize", str(tmp_path / "notes.txt"), *options)
        assert code == 2
        return str(err.split("'")[1])

    file('model = "from-file"\n')
    assert model_of() == "from-file"
    file('model = "from-file"\n[summarize]\nmodel = "from-table"\n')
    assert model_of() == "from-table"
    monkeypatch.setenv("LLMKIT_MODEL", "from-environment")
    assert model_of() == "from-environment"
    monkeypatch.setenv("LLMKIT_SUMMARIZE_MODEL", "for-summaries")
    assert model_of() == "for-summaries"
    assert model_of("--model", "from-option") == "from-option"


@pytest.mark.parametrize("labels", ['"a,a"', '["a", "a"]'])
def test_an_option_that_must_be_given_may_be_set(llmkit, file, tmp_path, labels):
    file(f"[classify]\nlabels = {labels}\n")
    (tmp_path / "text.txt").write_text("text")
    assert llmkit("classify", str(tmp_path / "text.txt"))[2].startswith("error: label 'a' is given twice")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("temprature = 1", ": temprature is no setting: did you mean temperature?"),
        ("max-words = 1", ": max-words is no setting: did you mean"),
        ("threshold = 1", ": threshold is no setting: it belongs in [classify] or [entities]"),
        ("[chat]\nmax_words = 3", ", [chat]: max_words is no setting: it belongs in [summarize]"),
        ("json = true", ": json is no setting: --json is given for each run"),
        ("chat = 1", ": chat is no setting: it is a table, [chat]"),
        ("[clasify]", ": clasify is no setting: did you mean classify?"),
        ("[ask]\nallow_private = true", ", [ask]: allow_private is no setting: --allow-private is given for each run"),
        ("[ask]\nxyzzy = true", ", [ask]: xyzzy is no setting: what can be set here is style,"),
        ('[classify]\nlabels = ["a,b", "c"]', ", [classify]: labels is ['a,b', 'c'], but must be a text"),
        ('temperature = "hot"', ": temperature is 'hot', but must be a number"),
        ("temperature = -1", ": temperature is -1, but must be at least 0 and at most 100"),
        ("seed = true", ": seed is True, but must be a whole number"),
        ("stop = [1]", ": stop holds 1, but must hold strings that are not empty"),
        ("model = 3", ": model is 3, but must be a text"),
        ("quiet = 1", ": quiet is 1, but must be true or false"),
        ("[classify]\nthreshold = 3", ", [classify]: threshold is 3, but must be a number between 0 and 1"),
        ("[classify]\nthreshold = nan", ", [classify]: threshold is nan, but must be a number between 0 and 1"),
        ("[summarize]\nmax_words = 0", ", [summarize]: max_words is 0, but must be a whole number of at least 1"),
        ("[ask]\nstyle = 'x'", ", [ask]: style is 'x', but must be one of 'extractive', 'abstractive'"),
        ("model = \n", " is not TOML: Invalid value (at line 1, column 9)"),
        ("a = 1\na = 2\n", " is not TOML: Cannot overwrite a value (at line 2, column 6)"),
        (b"\xff", " is not TOML: 'utf-8' codec can't decode byte 0xff in position 0"),
    ],
)
def test_what_is_wrong_in_the_file(refused, llmkit, file, content, says):
    path = file(content)
    error = refused("models")
    assert error.startswith(f"error: {path}{says}")
    assert refused("config") == error
    assert refused("chat") == error
    assert llmkit("config", "path") == (0, f"{path}\n", "")  # so that it can be found and mended
    assert llmkit("chat", "--help")[0] == 0


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LLMKIT_SEED", "x", "seed is 'x', but must be a whole number"),
        ("LLMKIT_CHAT_TEMPERATURE", "-1.5", "temperature is -1.5, but must be at least 0 and at most 100"),
        ("LLMKIT_QUIET", "maybe", "quiet is 'maybe', but must be true or false"),
        ("LLMKIT_CLASSIFY_THRESHOLD", "3", "threshold is 3.0, but must be a number between 0 and 1"),
    ],
)
def test_what_is_wrong_in_the_environment(refused, monkeypatch, variable, value, says):
    monkeypatch.setenv(variable, value)
    assert refused("models") == f"error: {variable}: {says}\n"


def test_files_that_cannot_be_read(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path / "none"))
    assert refused("models") == f"error: {tmp_path / 'none'}, which LLMKIT_CONFIG names, is not there\n"
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path))
    assert refused("models") == f"error: {tmp_path} cannot be read: Is a directory\n"


def test_a_variable_that_nothing_reads_is_told(llmkit, monkeypatch):
    monkeypatch.setenv("LLMKIT_TEMPRATURE", "1")
    monkeypatch.setenv("LLMKIT_ASK_JSON", "1")
    monkeypatch.setenv("LLMKIT_XYZZY", "1")
    code, _, err = llmkit("config")
    assert code == 0
    assert err.splitlines() == [
        "note: LLMKIT_ASK_JSON is no setting: --json is given for each run",
        "note: LLMKIT_TEMPRATURE is no setting: did you mean LLMKIT_TEMPERATURE?",
        "note: LLMKIT_XYZZY is no setting",
    ]
    monkeypatch.setenv("LLMKIT_QUIET", "1")
    assert llmkit("config")[2] == ""


def test_where_the_file_is(llmkit):
    code, out, _ = llmkit("config", "path")
    assert code == 0
    assert out.endswith(f"{os.sep}llmkit{os.sep}config.toml\n")


NAMES = st.sampled_from([*preferences.SHARED, "threshold", "labels", "style", "chat", "classify", "ask", "other"])
VALUES = st.one_of(
    *(st.text(max_size=5), st.booleans(), st.integers(-3, 10**9), st.floats(), st.just("extractive")),
    *(st.lists(st.text(max_size=3), max_size=3), st.just([1])),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=2), max_size=3))
def test_a_file_holds_what_it_says_or_is_refused_in_our_words(monkeypatch, content):
    commands = preferences.settable(get_command(app))
    monkeypatch.setattr(preferences, "_load", lambda path: content)
    try:
        held = preferences.read(commands)
    except InputError:
        return
    for command, own in commands.items():
        for key in own:
            said = content.get(command, {}).get(key, content.get(key))
            found = held.find(command, key)
            assert said is None if found is None else found.value in (said, [said])


def test_every_option_can_be_set_or_is_for_one_run():
    commands = preferences.settable(get_command(app))
    names = {f"{command}.{key}" for command, own in commands.items() for key in own if key not in preferences.SHARED}
    assert names >= {"summarize.prompt", "summarize.strategy", "summarize.max_words", "ask.style", "ask.min_confidence"}
    assert not [name for name in names if name.endswith((".output", ".json", ".lines", ".help", ".url"))]


@pytest.mark.parametrize("arguments", ["config", "models", "--help"])
def test_no_torch_is_loaded(arguments):
    program = (
        f"import sys, llmkit.cli\nsys.argv = ['llmkit', *'{arguments}'.split()]\n"
        "try: llmkit.cli.main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "langchain_core", "rich"}.isdisjoint(done.stderr.split())

import json
import os
import subprocess
import sys

import pytest
from typer.main import get_command

from llmkit.cli import app, config, options


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
def settings(llmkit):
    """The value of each option and its source, as `llmkit config` shows them."""

    def ask() -> dict[str, tuple[object, str]]:
        code, out, err = llmkit("config", "--json")
        assert (code, err) == (0, "")
        return {row["setting"]: (row["value"], row["source"]) for row in json.loads(out)}

    return ask


def test_nothing_is_set(llmkit, settings):
    found = settings()
    assert found["model"] == ("smollm2-135m", "default")
    assert found["temperature"] == (None, "the model")
    assert found["summarize.temperature"] == (0.0, "default")
    assert found["classify.threshold"] == ("none, with --multi-label 0.5", "default")
    assert not {"classify.model", "ask.json", "ask.allow_private", "summarize.output"} & set(found)
    code, out, _ = llmkit("config")
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    assert (code, lines[0]) == (0, ["SETTING", "VALUE", "SOURCE"])
    assert lines[1] == ["model", '"smollm2-135m"', "default"]
    assert [line[0] for line in lines[1:]] == list(found)


def test_the_environment_overrides_the_file_and_a_table_its_top_level(file, settings, monkeypatch):
    path = file('temperature = 0.2\nseed = 1\nstop = "END"\n[summarize]\nseed = 2\nstrategy = "stuff"\n')
    found = settings()
    assert found["temperature"] == (0.2, path)
    assert found["seed"] == (1, path)
    assert found["stop"] == (["END"], path)
    assert found["summarize.seed"] == (2, path)
    assert found["summarize.strategy"] == ("stuff", path)
    assert "summarize.temperature" not in found  # what is set for all goes before a command's own default
    monkeypatch.setenv("LLMKIT_SEED", "3")
    monkeypatch.setenv("LLMKIT_STOP", "two words")
    monkeypatch.setenv("LLMKIT_ASK_EMBEDDER", "yes")
    found = settings()
    assert (found["seed"], found["ask.embedder"]) == ((3, "LLMKIT_SEED"), (True, "LLMKIT_ASK_EMBEDDER"))
    assert found["stop"] == (["two words"], "LLMKIT_STOP")
    assert "summarize.seed" not in found
    monkeypatch.setenv("LLMKIT_SUMMARIZE_SEED", "4")
    monkeypatch.setenv("LLMKIT_SEED", "")  # empty is not set
    found = settings()
    assert (found["seed"], found["summarize.seed"]) == ((1, path), (4, "LLMKIT_SUMMARIZE_SEED"))


def test_a_command_uses_the_configuration_and_an_option_overrides_it(llmkit, file, monkeypatch, tmp_path):
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
def test_a_required_option_can_be_configured(llmkit, file, tmp_path, labels):
    file(f"[classify]\nlabels = {labels}\n")
    (tmp_path / "text.txt").write_text("text")
    assert llmkit("classify", str(tmp_path / "text.txt"))[2].startswith("error: label 'a' is given twice")


@pytest.mark.parametrize(
    "labels", [["a,b", "c"], ['say "a"', "b"], ['"a"', "b"], [" a", "b c"], ['"a", "b"', ""], ["a"]]
)
def test_labels_in_a_list_may_have_commas_and_quotation_marks(file, settings, labels):
    file(f"[classify]\nlabels = {json.dumps(labels)}\n")
    value, _ = settings()["classify.labels"]
    assert options.split_labels(str(value)) == [label.strip() for label in labels]


def test_descriptions_may_be_a_table(file, settings):
    path = file('[classify.descriptions]\ngood = "a good film"\n"a=b" = "x = y"\n')
    assert settings()["classify.descriptions"] == (["good=a good film", "a=b=x = y"], path)


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("LLMKIT_TEMPERATUR", "did you mean LLMKIT_TEMPERATURE?"),
        ("LLMKIT_MAX_TOKENS", "did you mean LLMKIT_MAX_NEW_TOKENS?"),
        (
            "LLMKIT_THRESHOLD",
            "did you mean LLMKIT_CLASSIFY_THRESHOLD or LLMKIT_ENTITIES_THRESHOLD or LLMKIT_ASK_THRESHOLD?",
        ),
        ("LLMKIT_CACHE_DIR", "did you mean LLMKIT_CACHE?"),
        ("LLMKIT_XYZZY", "see llmkit config"),
    ],
)
def test_an_unknown_variable_is_named_once(llmkit, monkeypatch, variable, advice):
    monkeypatch.setenv(variable, "3")
    for command in (["models"], ["config"]):
        code, _, err = llmkit(*command)
        assert (code, err) == (0, f"warning: {variable} is set, but is no setting: {advice}\n")
    monkeypatch.setenv(variable, "")
    assert llmkit("models")[2] == ""


@pytest.mark.parametrize("variable", ["LLMKIT_CACHE", "LLMKIT_DATA"])
def test_a_variable_for_a_folder_is_known(llmkit, monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path))
    assert llmkit("models")[2] == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("temprature = 1", ": temprature is not a setting: did you mean temperature?"),
        ("max-words = 1", ": max-words is not a setting: did you mean"),
        ("threshold = 1", ": threshold is not a setting: it belongs in [classify] or [entities]"),
        ("[chat]\nmax_words = 3", ", [chat]: max_words is not a setting: it belongs in [summarize]"),
        ("json = true", ": json is not a setting"),
        ("chat = 1", ": chat is not a setting: it is a table of settings, which begins with the line [chat]"),
        ("[clasify]", ": clasify is not a setting: did you mean classify?"),
        ("[ask]\nallow_private = true", ", [ask]: allow_private is not a setting"),
        ("[ask]\nxyzzy = true", ", [ask]: xyzzy is not a setting: the settings here are style,"),
        ('[classify]\nlabels = ["a,b", 3]', ", [classify]: labels = ['a,b', 3]: "),
        ("[classify]\ndescriptions = {a = 3}", ", [classify]: descriptions = {'a': 3}: "),
        ('temperature = "hot"', ": temperature = 'hot': "),
        ("temperature = -1", ": temperature = -1: "),
        ("seed = true", ": seed = True: "),
        ("seed = 1.0", ": seed = 1.0: "),
        ("stop = [1]", ": stop = [1]: "),
        ("model = 3", ": model = 3: it must be text, in quotation marks"),
        ("model = ''", ": model = '': it must not be empty"),
        ("stop = ['a', '']", ": stop = ['a', '']: it must not be empty"),
        ("[classify]\nlabels = ''", ", [classify]: labels = '': it must not be empty"),
        ("quiet = 1", ": quiet = 1: it must be true or false"),
        ("[classify]\nthreshold = 3", ", [classify]: threshold = 3: "),
        ("[classify]\nthreshold = nan", ", [classify]: threshold = nan: it must be a number, such as"),
        ("temperature = -nan", ": temperature = nan: it must be a number, such as"),
        ("[summarize]\nmax_words = 0", ", [summarize]: max_words = 0: "),
        ("[ask]\nstyle = 'x'", ", [ask]: style = 'x': "),
        ("model = \n", " is not TOML: "),
        ("a = 1\na = 2\n", " is not TOML: "),
        (b"\xff", " is not TOML: "),
        ("seed = 3".encode("utf-16"), " is not TOML: it is not UTF-8 text; save it in UTF-8"),
        ("\ufeffseed = 3".encode("utf-16-be"), " is not TOML: it is not UTF-8 text; save it in UTF-8"),
        ("\ufeff\ufeffseed = 3", " is not TOML: "),
    ],
)
def test_mistakes_in_the_file(refused, llmkit, file, content, says):
    path = file(content)
    error = refused("models")
    assert error.startswith(f"error: {path}{says}")
    assert refused("config") == error
    assert refused("chat") == error
    assert llmkit("config", "path") == (0, f"{path}\n", "")  # so that the file can be found and corrected
    assert llmkit("chat", "--help")[0] == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LLMKIT_SEED", "x"),
        ("LLMKIT_CHAT_TEMPERATURE", "-1.5"),
        ("LLMKIT_QUIET", "maybe"),
        ("LLMKIT_CLASSIFY_THRESHOLD", "3"),
        ("LLMKIT_ASK_STYLE", "poetic"),
    ],
)
def test_mistakes_in_the_environment(refused, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert refused("models").startswith(f"error: {variable}: {value!r}: ")


@pytest.mark.parametrize("content", ["\ufeffseed = 3", "\ufeff[chat]\r\nseed = 3\r\n", "\ufeff# a comment\nseed = 3\n"])
def test_a_byte_order_mark_is_no_mistake(settings, file, content):
    path = file(content)
    assert (3, path) in settings().values()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_special_files_are_refused_and_not_waited_for(refused, llmkit, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_text("# a comment\n" * 1_000_000)
    (tmp_path / "circle").symlink_to("circle")
    for name, reason in {
        str(tmp_path / "pipe"): "it is a pipe or a device, not a file",
        "/dev/zero": "it is a pipe or a device, not a file",
        str(tmp_path / "large"): "it has more than 8 MiB",
        str(tmp_path / "circle"): "Too many levels of symbolic links",
        "x" * 5000: "File name too long",
        "~nobody-of-this-name/config.toml": "no path",
    }.items():
        monkeypatch.setenv("LLMKIT_CONFIG", name)
        assert reason in refused("models")
    monkeypatch.setenv("LLMKIT_CONFIG", os.devnull)
    assert llmkit("models")[0] == 0


def test_files_that_cannot_be_read(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path / "none"))
    assert refused("models") == f"error: {tmp_path / 'none'}, which LLMKIT_CONFIG names, does not exist\n"
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path))
    assert refused("models") == f"error: {tmp_path} cannot be read: Is a directory\n"


def test_where_the_file_is(llmkit):
    code, out, _ = llmkit("config", "path")
    assert code == 0
    assert out.endswith(f"{os.sep}llmkit{os.sep}config.toml\n")


def test_what_a_comparison_is_of_is_no_setting(settings):
    assert {name for name in settings() if name.startswith("compare.")} == {
        "compare.engine",
        "compare.workers",
        "compare.retry_failed",
    }


def test_every_option_can_be_set_or_is_for_one_run():
    commands = config.configurable(get_command(app))
    names = {f"{command}.{key}" for command, options in commands.items() for key in options if key not in config.SHARED}
    assert names >= {"summarize.prompt", "summarize.strategy", "summarize.max_words", "ask.style", "classify.labels"}
    assert not [name for name in names if name.endswith((".output", ".json", ".lines", ".help", ".url"))]


@pytest.mark.parametrize("arguments", ["config", "models", "--help"])
def test_no_torch_is_loaded(arguments):
    program = (
        f"import sys, llmkit.cli\nsys.argv = ['llmkit', *'{arguments}'.split()]\n"
        "try: llmkit.cli.main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "langchain_core", "rich"}.isdisjoint(done.stderr.split())


def test_sentences_are_not_tokens(file, settings, monkeypatch):
    """`top_k` of ask has only the name of a generation setting."""
    path = file("top_k = 50\n[ask]\ntop_k = 5\n")
    assert (settings()["top_k"], settings()["ask.top_k"]) == ((50, path), (5, path))
    file("top_k = 50\n")
    monkeypatch.setenv("LLMKIT_TOP_K", "40")
    assert settings()["ask.top_k"] == ("3", "default")
    monkeypatch.setenv("LLMKIT_ASK_TOP_K", "7")
    assert settings()["ask.top_k"] == (7, "LLMKIT_ASK_TOP_K")

"""Messages of the library, as a person at a command line reads them."""

import re
import shlex

import pytest

from llmkit.cli import option_names

CHAT = ("model", "context_window", "max_new_tokens", "min_new_tokens", "temperature", "top_p", "stop", "allow_private")


@pytest.fixture
def names():
    """Choose the options of the running command."""
    yield option_names.use
    option_names.use(())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("window: pass context_window=, in tokens", "window: pass --context-window, in tokens"),
        ("give max_new_tokens=128, or less", "give --max-new-tokens 128, or less"),
        ("lower max_new_tokens", "lower --max-new-tokens"),
        ("min_new_tokens is 9, more than max_new_tokens, 4", "--min-new-tokens is 9, more than --max-new-tokens, 4"),
        ("top_p is 0.0, but must be more than 0", "--top-p is 0.0, but must be more than 0"),
        ("temperature is 200.0, but must be at most 100", "--temperature is 200.0, but must be at most 100"),
        ("stop is '', but must be text", "--stop is '', but must be text"),
        ("stop has 17 items, but may have at most 16", "--stop has 17 items, but may have at most 16"),
        ("set temperature=0, or stop='x'", "set --temperature 0, or --stop x"),
        ("are read with allow_private=True (--allow-private)", "are read with --allow-private"),
        ("pass respect_robots=False (--ignore-robots)", "pass --ignore-robots"),
    ],
)
def test_parameters_are_named_as_options(names, text, shown):
    names(())
    assert option_names.as_typed(text) == text.replace(
        "allow_private=True (--allow-private)", "--allow-private"
    ).replace("respect_robots=False (--ignore-robots)", "--ignore-robots")
    names(CHAT)
    assert option_names.as_typed(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "the model cannot stop at a temperature that is no number",
        "max_new_tokens.txt cannot be read",
        "/data/max_new_tokens cannot be read",
        "no prompt is called 'max_new_tokens'",
        "unknown generation setting my_top_p",
        "proper_names is no option of this command",
    ],
)
def test_other_words_stay(names, text):
    names(CHAT)
    assert option_names.as_typed(text) == text


def test_advice_that_the_command_has_no_option_for_is_left_out(names):
    names({"model", "context_window", "threshold"})
    text = "shorten the input, lower max_new_tokens, or choose a model with a larger window"
    assert option_names.as_typed(text) == "shorten the input, or choose a model with a larger window"
    text = "lower max_new_tokens, or choose a model with a larger window"
    assert option_names.as_typed(text) == "choose a model with a larger window"


def test_a_switch_is_named_with_its_direction(names):
    names({"multi_label", "show_examples"})
    assert option_names.as_typed("for more, set multi_label=True") == "for more, set --multi-label"
    assert option_names.as_typed("or set show_examples=False") == "or set --no-show-examples"


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ({"sports": "sadness"}, ["sports=sadness"]),
        ({"my sports": "great sadness", "b": "c"}, ["my sports=great sadness", "b=c"]),
        ({"it's": 'a "quote"'}, ['it\'s=a "quote"']),
        ({"a}": "{b: [c]"}, ["a}={b: [c]"]),
        (["a, b", "c"], ["a, b", "c"]),
        ("a b's", ["a b's"]),
        ("back\\slash", ["back\\slash"]),
        ("", [""]),
    ],
)
def test_values_are_given_as_a_shell_reads_them(names, value, typed):
    names({"descriptions", "labels", "stop"})
    for name in ("descriptions", "stop"):
        words = shlex.split(option_names.as_typed(f"say which one it is by {name}={value!r}"))[6:]
        assert words == [part for word in typed for part in (f"--{name}", word)]


HEADS = ("label_scores (ZeroShotClassificationChain)", "span_scores (NERChain)", "fill_mask (fill_mask)")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"m has a head, which has no label_scores: it does {HEADS[1]}",
            "which llmkit classify cannot use: it is for ",
        ),
        (f"m has a head, which has no span_scores: it does {HEADS[0]} and {HEADS[2]}", "it is for llmkit classify"),
        (f"m has a head, which has no text generation: it does {HEADS[0]}", "which generates no text: it is for "),
        (
            f"m has a head, which has no text generation, which style='abstractive' needs: it does {HEADS[1]}",
            "which generates no text, which --style abstractive needs: it is for llmkit entities",
        ),
        (
            "prompt is given, but HuggingFaceEncoder is no language model: leave it out",
            "but --model is no language mod",
        ),
    ],
)
def test_an_encoders_head_is_described_by_commands(names, text, shown):
    names({"model", "prompt", "style"})
    found = option_names.as_typed(text)
    assert shown in found
    assert not re.search("_scores|Chain|fill_mask|HuggingFace", found)
    names(())
    assert option_names.as_typed(text) == text


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["chat", "Hi", "--top-p", "0"], "--top-p is 0.0, but must be more than 0"),
        (
            ["summarize", "--temperature", "0.00001"],
            "--temperature is 1e-05, but must be 0, for the likeliest token, or ",
        ),
        (["chat", "Hi", "--stop", ""], "--stop is '', but must be text that is not empty"),
        (["chat", "Hi", *["--stop", "x"] * 17], "--stop has 17 items, but may have at most 16"),
    ],
)
def test_errors_of_commands(refused, arguments, error):
    assert refused(*arguments).startswith(f"error: {error}")


def test_errors_of_the_configuration_keep_its_names(refused, monkeypatch, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("top_p = 0\n")
    monkeypatch.setenv("LLMKIT_CONFIG", str(path))
    assert refused("chat", "Hi").startswith(f"error: {path}: top_p = 0: ")
    path.write_text("max_new_token = 3\n")
    assert refused("chat", "Hi") == f"error: {path}: max_new_token is not a setting: did you mean max_new_tokens?\n"


def test_a_prompt_that_does_not_fit(refused, default_model):
    text = "Ann leaves for the lake at noon, and Bo stays at home with the dog."
    error = refused("summarize", "--context-window", "20", stdin=text)
    assert "but the model's context window has 20: without any input the prompt has" in error

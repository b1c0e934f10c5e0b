"""Commands use a model that a server runs: `--base-url`, `--tokenizer` and the key in the environment."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llmkit.chains import ZeroShotClassificationChain
from tests.support.counting_model import NAME, counting_llm, counting_server
from tests.support.model_server import KEY

Llmkit = Callable[..., tuple[int, str, str]]
TEXT = "The dog ran."


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with the tokenizer of the tiny model, and no weights."""
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    counting_llm().engine.loaded.tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_command_scores_with_a_served_model(llmkit: Llmkit, tokenizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMKIT_API_KEY", KEY)
    with counting_server() as server:
        server.key = KEY
        monkeypatch.setenv("LLMKIT_BASE_URL", server.url)
        given = ["classify", "--labels", "animals,people", "--model", NAME, "--tokenizer", tokenizer, "--json"]
        code, out, err = llmkit(*given, stdin=TEXT)
        lines = llmkit(*given, "--lines", stdin=f"{TEXT}\n")
    expected = ZeroShotClassificationChain(counting_llm(), ["animals", "people"]).invoke(TEXT)
    assert (code, KEY in out + err) == (0, False)
    assert json.loads(out)["scores"] == pytest.approx(dict(expected.scores), rel=1e-2)
    assert json.loads(lines[1])["scores"] == pytest.approx(dict(expected.scores), rel=1e-2)


def test_a_chat_is_answered_by_a_served_model(llmkit: Llmkit, tokenizer: str) -> None:
    lines = "one two\n/set top_p 0.5\n/set min_new_tokens 3\n/set top_p\n/show\n/continue\n"
    with counting_server() as server:
        given = ["--base-url", server.url, "--tokenizer", tokenizer, "--model", NAME]
        code, out, err = llmkit("chat", *given, "--temperature", "0", "--max-new-tokens", "4", stdin=lines)
        bodies = [body for path, body in server.requests if path == "/v1/chat/completions"]
    asked = {"temperature": 0, "max_tokens": 4}
    assert [{name: body.get(name) for name in asked} for body in bodies] == [asked, asked]
    assert [message["content"] for message in bodies[0]["messages"]] == ["one two"]
    assert bodies[1]["continue_final_message"] is True
    assert all(body.get("top_p") is None for body in bodies)
    assert "error: line 3 of standard input: min_new_tokens is given, but servers do not have it" in err
    assert code == 2
    shown = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines() if "  (" in line}
    assert shown["max_new_tokens"] == "4  (this conversation)"
    assert shown["top_p"] == "none  (the server's default, where it has one)"


def test_what_is_wrong_with_a_server_is_said_before_any_work(llmkit: Llmkit, tokenizer: str) -> None:
    with counting_server() as server:
        given = ["classify", "--labels", "animals,people", "--base-url", server.url, "--tokenizer", tokenizer]
        code, out, err = llmkit(*given, "--model", "another", stdin=TEXT)
        assert (code, out) == (2, "")
        assert f"has no model 'another': it has {NAME}" in err
    code, out, err = llmkit(*given, "--model", NAME, stdin=TEXT)
    assert (code, out) == (1, "")
    assert "no server can be reached" in err


def test_a_tokenizer_without_a_server_is_refused(llmkit: Llmkit) -> None:
    code, out, err = llmkit("classify", "--labels", "a,b", "--tokenizer", "smollm2-135m", stdin=TEXT)
    assert (code, out) == (2, "")
    assert "give --base-url" in err

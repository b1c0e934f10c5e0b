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

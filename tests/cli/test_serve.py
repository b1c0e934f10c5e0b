"""`llmkit serve`: what is wrong is said before a model is loaded, and a running server stops at an interrupt."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

pytest.importorskip("uvicorn")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "host is '0.0.0.0', where other machines can connect: give an --api-key"),
        (["--host", "0.0.0.256", "--api-key", "k"], "port 8321 of 0.0.0.256 cannot be used"),
        (["--allow-origin", "*"], "'*' cannot be an allowed origin"),
        (["--port", "70000"], "--port '70000'"),
        (["--max-running", "0"], "--max-running '0'"),
        (["--model", "other", "--name", "one"], "there are 1 --name for 2 --model"),
        (["--model", "no such model"], "two models would be called 'no such model'"),
    ],
)
def test_what_is_wrong_is_said_at_once(llmkit, arguments, message):
    code, out, err = llmkit("serve", *arguments, "--model", "no such model")
    assert (code, out) == (2, "")
    assert message in err
    assert "Unknown error" not in err


def test_the_key_of_the_environment_is_not_shown(llmkit, monkeypatch):
    monkeypatch.setenv("LLMKIT_API_KEY", "very-secret")
    for arguments in (["serve", "--help"], ["config"], ["config", "--json"]):
        assert "very-secret" not in "".join(map(str, llmkit(*arguments)))


def test_models_that_do_not_fit_together_are_refused_before_one_is_loaded(llmkit, tiny_model, monkeypatch):
    from llmkit.models import chat
    from llmkit.models.weights import memory

    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    monkeypatch.setattr(chat, "HuggingFaceChat", None)
    code, out, err = llmkit("serve", "--port", "0", *tiny_model, *tiny_model, "--name", "a", "--name", "b")
    assert (code, out) == (2, "")
    assert "of memory together" in err


def test_a_model_of_all_commands_is_one_that_is_served(llmkit, monkeypatch, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('model = "no such model"\n')
    monkeypatch.setenv("LLMKIT_CONFIG", str(file))
    code, _, err = llmkit("serve", "--port", "0")
    assert (code, "'no such model'" in err) == (2, True)
    rows = llmkit("config")[1]
    assert "serve.model" not in rows
    file.write_text('[serve]\nmodel = ["no such model", "another one"]\n')
    code, _, err = llmkit("serve", "--port", "0", "--name", "one")
    assert "1 --name for 2 --model" in err


@pytest.mark.slow
def test_a_server_runs_until_it_is_interrupted(tiny_model):
    models = [*tiny_model, "--name", "a", *tiny_model, "--name", "b"]
    command = [sys.executable, "-m", "llmkit", "serve", "--port", "0", *models, "--max-new-tokens", "3"]
    environment = {**os.environ, "LLMKIT_API_KEY": "k"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        address = process.stdout.readline().strip()
        headers = {"Authorization": "Bearer k"}
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
            found = client.post("/chat/completions", json=body).json()
            assert found["usage"]["completion_tokens"] == 3
            assert [one["id"] for one in client.get("/models").json()["data"]][:2] == ["a", "b"]
            assert client.get("/models", headers={"Authorization": ""}).status_code == 401
        process.send_signal(signal.SIGINT)
        rest, notes = process.communicate()
    assert (process.returncode, rest) == (130, "")
    assert re.search(r"open http://127\.0\.0\.1:\d+/#key=KEY, with the key", notes)
    assert re.search(r"serving a \(8192 tokens\) and b \(8192 tokens\), with [\d.]+ GB of weights", notes)

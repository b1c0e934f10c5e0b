"""`llmkit serve`: what is wrong is said before a model is loaded, and a running server stops at an interrupt."""

import os
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
        (["--allow-origin", "*"], "'*' cannot be an allowed origin"),
        (["--port", "70000"], "--port '70000'"),
        (["--max-running", "0"], "--max-running '0'"),
    ],
)
def test_what_is_wrong_is_said_at_once(llmkit, arguments, message):
    code, out, err = llmkit("serve", *arguments, "--model", "no such model")
    assert (code, out) == (2, "")
    assert message in err


def test_the_key_of_the_environment_is_not_shown(llmkit, monkeypatch):
    monkeypatch.setenv("LLMKIT_API_KEY", "very-secret")
    for arguments in (["serve", "--help"], ["config"], ["config", "--json"]):
        assert "very-secret" not in "".join(map(str, llmkit(*arguments)))


@pytest.mark.slow
def test_a_server_runs_until_it_is_interrupted(tiny_model):
    command = [sys.executable, "-m", "llmkit", "serve", "--port", "0", *tiny_model, "--max-new-tokens", "3"]
    environment = {**os.environ, "LLMKIT_API_KEY": "k"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        address = process.stdout.readline().strip()
        headers = {"Authorization": "Bearer k"}
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
            found = client.post("/chat/completions", json=body).json()
            assert found["usage"]["completion_tokens"] == 3
            assert client.get("/models", headers={"Authorization": ""}).status_code == 401
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert (process.returncode, rest) == (130, "")

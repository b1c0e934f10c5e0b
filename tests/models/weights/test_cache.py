"""Models are built once, whole or not at all, whoever else builds, is killed or has no space."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit.errors import CacheError, ModelUnusable
from llmkit.models.weights import cache

FILES = {"config.json": b'{"model_type": "llama"}', "deep/weights.bin": bytes(range(200)), "empty": b""}

BUILDER = """
import sys
from pathlib import Path
from llmkit.models.weights import cache

def build(folder):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    (folder / "half").write_text("x")
    print("building", flush=True)
    sys.stdin.readline()
    (folder / "whole").write_text("y")

print(cache.get_or_build("model", "source", build), flush=True)
"""


def build(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def never(folder: Path) -> None:
    raise AssertionError("built again")


def start_builder(log: Path) -> "subprocess.Popen[str]":
    """Start a process that builds the model, and waits in the middle for a line on its stdin."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(log)], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_model_is_built_once(empty_cache):
    folder = cache.get_or_build("model", "source", build)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert cache.get_or_build("model", "source", never) == folder
    assert folder.is_relative_to(empty_cache)


def test_another_source_is_another_folder(empty_cache):
    assert cache.get_or_build("model", "a", build) != cache.get_or_build("model", "b", build)


def test_a_failed_build_leaves_nothing(empty_cache):
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ModelUnusable("damaged")

    with pytest.raises(ModelUnusable):
        cache.get_or_build("model", "source", fail)
    assert [path.name for path in (empty_cache / "models").iterdir() if path.suffix != ".lock"] == []


def test_files_are_for_all_who_may_enter_the_folder(empty_cache):
    def build_private(folder: Path) -> None:
        build(folder)
        (folder / "config.json").chmod(0o600)

    folder = cache.get_or_build("model", "source", build_private)
    assert (folder / "config.json").stat().st_mode & 0o777 == 0o644


@pytest.fixture
def kept(empty_cache):
    return cache.get_or_build("model", "source", build)


@given(
    name=st.sampled_from(sorted(FILES)),
    harm=st.sampled_from(["flip", "shorten", "lengthen", "delete"]),
    place=st.integers(0, 199),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_damage_is_noticed_and_repaired(kept, name, harm, place):
    path, content = kept / name, FILES[name]
    if harm == "delete":
        path.unlink()
    elif harm == "lengthen" or not content:
        path.write_bytes(content + b"!")
    elif harm == "shorten":
        path.write_bytes(content[:-1])
    else:
        at = place % len(content)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        os.utime(path, ns=(0, place))  # a filesystem's clock may be too coarse to tell two writes apart
    assert not cache.is_complete(kept)
    assert cache.get_or_build("model", "source", build) == kept
    assert path.read_bytes() == content
    assert cache.is_complete(kept)


@pytest.mark.parametrize("manifest", ["", "{", "[]", "7", "{}", '{"files": 3}', '{"files": {"empty": [0]}}', "\x00"])
def test_a_damaged_manifest_is_repaired(kept, manifest, caplog):
    (kept / cache.MANIFEST).write_text(manifest)
    cache.get_or_build("model", "source", build)
    assert "damaged" in caplog.text
    assert cache.is_complete(kept)


def test_a_copied_cache_is_hashed_once(kept, caplog):
    os.utime(kept / "config.json", ns=(5, 5))
    assert cache.get_or_build("model", "source", never) == kept
    files = json.loads((kept / cache.MANIFEST).read_text())["files"]
    assert files["config.json"][1] == 5
    assert not caplog.records


def test_discard(kept):
    assert cache.remove(kept)
    assert not kept.exists()
    assert not cache.remove(kept)


def test_of_two_processes_one_builds_and_both_have_the_model(empty_cache, tmp_path):
    log = tmp_path / "log"
    first = start_builder(log)
    assert first.stdout is not None
    assert first.stdout.readline() == "building\n"
    second = start_builder(log)
    assert second.stderr is not None
    assert "waiting for another process" in second.stderr.readline()
    results = [process.communicate("go on\n", timeout=60) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert log.read_text() == "built\n"
    assert results[0][0] == results[1][0]
    assert "waiting" not in results[0][1]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_what_a_killed_process_left_is_cleaned_up(empty_cache, tmp_path):
    killed = start_builder(tmp_path / "log")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "building\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert list(empty_cache.rglob("*.part-*"))
    folder = cache.get_or_build("model", "source", build)  # the lock of a dead process holds nobody up
    assert cache.is_complete(folder)


def test_a_cache_that_is_a_file_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLMKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match=r"file/models .*LLMKIT_CACHE"):
        cache.get_or_build("model", "source", build)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_may_only_be_read(kept):
    (kept / "config.json").touch()
    for folder in (kept, kept.parent):
        folder.chmod(0o555)
    try:
        assert cache.get_or_build("model", "source", never) == kept
        with pytest.raises(CacheError, match="LLMKIT_CACHE"):
            cache.get_or_build("other", "source", build)
    finally:
        for folder in (kept.parent, kept):
            folder.chmod(0o755)


def test_a_full_disk_is_told(empty_cache):
    """The system's own limit on a file's size stands in for a disk without space."""
    program = (
        "import resource, signal\n"
        "from llmkit.models.weights import cache\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "cache.get_or_build('model', 'source', lambda folder: (folder / 'big').write_bytes(bytes(5000)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "CacheError: the cache" in done.stderr
    assert "File too large" in done.stderr

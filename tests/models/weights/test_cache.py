"""A model is built once, completely or not at all, also with concurrent, killed and failed builds."""

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


def fail_if_built(folder: Path) -> None:
    raise AssertionError("built again")


def start_builder(log: Path) -> "subprocess.Popen[str]":
    """Start a process that builds the model, and waits halfway for a line on its stdin."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(log)], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_model_is_built_once(empty_cache):
    folder = cache.get_or_build("model", "source", build)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert cache.get_or_build("model", "source", fail_if_built) == folder
    assert folder.is_relative_to(empty_cache)


def test_each_source_has_its_folder(empty_cache):
    assert cache.get_or_build("model", "a", build) != cache.get_or_build("model", "b", build)


def test_a_failed_build_leaves_nothing(empty_cache):
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ModelUnusable("damaged")

    with pytest.raises(ModelUnusable):
        cache.get_or_build("model", "source", fail)
    assert [path.name for path in (empty_cache / "models").iterdir() if path.suffix != ".lock"] == []


def test_cached_files_are_readable_by_every_user(empty_cache):
    def build_private(folder: Path) -> None:
        build(folder)
        (folder / "config.json").chmod(0o600)

    folder = cache.get_or_build("model", "source", build_private)
    assert (folder / "config.json").stat().st_mode & 0o777 == 0o644


@pytest.fixture
def cached_model(empty_cache):
    return cache.get_or_build("model", "source", build)


@given(
    name=st.sampled_from(sorted(FILES)),
    damage=st.sampled_from(["flip", "shorten", "lengthen", "delete"]),
    offset=st.integers(0, 199),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_damage_is_detected_and_repaired(cached_model, name, damage, offset):
    path, content = cached_model / name, FILES[name]
    if damage == "delete":
        path.unlink()
    elif damage == "lengthen" or not content:
        path.write_bytes(content + b"!")
    elif damage == "shorten":
        path.write_bytes(content[:-1])
    else:
        index = offset % len(content)
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        os.utime(path, ns=(0, offset))  # a filesystem's clock may be too coarse to distinguish two writes
    assert not cache.is_complete(cached_model)
    assert cache.get_or_build("model", "source", build) == cached_model
    assert path.read_bytes() == content
    assert cache.is_complete(cached_model)


MANIFESTS = [
    "",
    "{",
    "[]",
    "7",
    "{}",
    '{"files": 3}',
    '{"files": {}}',
    '{"files": {"empty": [0]}}',
    '{"files": {"": [0, 0, ""]}}',
]
MANIFESTS += [
    "\x00",
    "[" * 100_000,
    '{"files": ' * 50_000,
    '{"files": {"a\\u0000": [0, 0, ""]}}',
    '{"files": [["config.json"]]}',
]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_damaged_manifest_is_repaired(cached_model, manifest, caplog):
    (cached_model / cache.MANIFEST).write_text(manifest)
    cache.get_or_build("model", "source", build)
    assert "damaged" in caplog.text
    assert cache.is_complete(cached_model)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_in_place_of_a_manifest_or_a_file_is_not_waited_for(cached_model):
    for name in (cache.MANIFEST, "config.json"):
        (cached_model / name).unlink()
        os.mkfifo(cached_model / name)
        assert not cache.is_complete(cached_model)
        assert cache.get_or_build("model", "source", build) == cached_model
        assert (cached_model / name).is_file()


def test_a_manifest_without_a_needed_file_is_repaired(cached_model, caplog):
    files = {name: entry for name, entry in cache.read_manifest(cached_model).items() if name != "config.json"}
    (cached_model / cache.MANIFEST).write_text(json.dumps({"files": files}))
    assert cache.is_complete(cached_model)
    assert not cache.is_complete(cached_model, ["config.json"])
    cache.get_or_build("model", "source", build, ["config.json"])
    assert "config.json" in cache.read_manifest(cached_model)


def test_a_copied_cache_is_hashed_once(cached_model, caplog):
    os.utime(cached_model / "config.json", ns=(5, 5))
    assert cache.get_or_build("model", "source", fail_if_built) == cached_model
    files = json.loads((cached_model / cache.MANIFEST).read_text())["files"]
    assert files["config.json"][1] == 5
    assert not caplog.records


def test_remove_deletes_the_model_once(cached_model):
    assert cache.remove(cached_model)
    assert not cached_model.exists()
    assert not cache.remove(cached_model)


def test_concurrent_processes_build_a_model_once(empty_cache, tmp_path):
    log = tmp_path / "log"
    first = start_builder(log)
    assert first.stdout is not None
    assert first.stdout.readline() == "building\n"
    second = start_builder(log)
    assert second.stderr is not None
    assert "waiting for another process" in second.stderr.readline()
    results = [builder.communicate("go on\n", timeout=60) for builder in (first, second)]
    assert [builder.returncode for builder in (first, second)] == [0, 0]
    assert log.read_text() == "built\n"
    assert results[0][0] == results[1][0]
    assert "waiting" not in results[0][1]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_files_of_a_killed_build_are_cleaned_up(empty_cache, tmp_path):
    killed = start_builder(tmp_path / "log")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "building\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert list(empty_cache.rglob("*.part-*"))
    folder = cache.get_or_build("model", "source", build)  # the lock of a dead process blocks no other
    assert cache.is_complete(folder)


def test_a_cache_path_that_is_a_file_raises_cache_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLMKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match=r"file/models .*LLMKIT_CACHE"):
        cache.get_or_build("model", "source", build)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_read_but_not_written(cached_model):
    (cached_model / "config.json").touch()
    for folder in (cached_model, cached_model.parent):
        folder.chmod(0o555)
    try:
        assert cache.get_or_build("model", "source", fail_if_built) == cached_model
        with pytest.raises(CacheError, match="LLMKIT_CACHE"):
            cache.get_or_build("other", "source", build)
    finally:
        for folder in (cached_model.parent, cached_model):
            folder.chmod(0o755)


def test_a_full_disk_raises_cache_error(empty_cache):
    """Simulate a full disk by the operating system's limit on file sizes."""
    program = (
        "import resource, signal\n"
        "from llmkit.models.weights import cache\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "cache.get_or_build('model', 'source', lambda folder: (folder / 'big').write_bytes(bytes(5000)))\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "CacheError: the cache" in process.stderr
    assert "File too large" in process.stderr

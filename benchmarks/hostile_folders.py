"""What comes of loading model folders that were made to take all memory or time, or to raise any error.

    python -m benchmarks.hostile_folders [--which config.json] [--limit 60]

Each attempt loads a folder and generates a token, in a process of its own: with 3 GB of memory, and `--limit` seconds.
`fails` is what must not be: another error than llmkit's, an error of many lines, too much time or memory.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.folder_damages import Damage, save_folder
from tests.support.hostile_adapters import ADAPTERS, save_adapter
from tests.support.hostile_files import FILES
from tests.support.hostile_settings import CONFIG, GENERATION
from tests.support.hostile_tokenizers import TOKENIZER

ATTEMPTS: dict[str, Damage] = {**CONFIG, **GENERATION, **TOKENIZER, **FILES, **ADAPTERS}
_GROWTH = 3 << 30
_MAX_MEGABYTES = 400  # a tiny model needs about 40 to load and generate


class Outcome(NamedTuple):
    """What came of an attempt: `loads`, an error of llmkit (`refused`), or what must not be (`fails`)."""

    result: str
    text: str
    seconds: float
    megabytes: int


def try_folder(folder: Path) -> str:
    """Load a model and generate a token."""
    from llmkit import HuggingFaceChat

    llm = HuggingFaceChat(model=str(folder), device="cpu")
    return str(llm.invoke("Hi there, what is this?", max_new_tokens=1).content)


def run(name: str, good: Path, limit: int) -> Outcome:
    """Run an attempt in a process of its own, which is a fork of this one."""
    read, written = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if not child:
        os.close(read)
        _attempt(name, good, written)
    os.close(written)
    ended = _wait(child, start + limit)
    with os.fdopen(read, "rb") as file:
        text = file.read().decode()
    seconds = round(time.monotonic() - start, 1)
    if not text:
        return Outcome("fails", "the process dies" if ended else f"takes more than {limit} s", seconds, 0)
    result, message, megabytes = json.loads(text)
    return Outcome(result, message, seconds, megabytes)


def _wait(child: int, end: float) -> bool:
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _attempt(name: str, good: Path, written: int) -> None:
    from llmkit.errors import LlmkitError

    before = _peak()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + _GROWTH, size + _GROWTH))
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        shutil.copytree(good, folder)
        ATTEMPTS[name](folder)
        try:
            result, text = "loads", try_folder(folder)
        except LlmkitError as error:
            is_short = "\n" not in str(error) and len(str(error)) < 2000
            result, text = "refused" if is_short else "fails", f"{type(error).__name__}: {error}"
        except BaseException as error:
            result, text = "fails", f"{type(error).__name__}: {error}"
    megabytes = _peak() - before
    if megabytes > _MAX_MEGABYTES:
        result, text = "fails", f"takes {megabytes} MB; {result}: {text}"
    os.write(written, json.dumps([result, text.replace(temporary, "")[:600], megabytes]).encode())
    os._exit(0)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main(
    which: Annotated[str, typer.Option(help="Only attempts whose names have this text.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Seconds of each attempt.")] = 60,
) -> None:
    """Try each folder, print what came of it, and count."""
    with tempfile.TemporaryDirectory() as temporary:
        good = save_folder(Path(temporary) / "good")
        adapter = save_adapter(Path(temporary) / "adapter", good)
        try_folder(adapter)  # imports what the forks then have
        counts: Counter[str] = Counter()
        for name in (name for name in ATTEMPTS if which in name):
            outcome = run(name, adapter if name in ADAPTERS else good, limit)
            counts[outcome.result] += 1
            figures = f"{outcome.seconds:6} s {outcome.megabytes:5} MB"
            typer.echo(f"{outcome.result:8}{figures}  {name!r}: {outcome.text!r:.300}")
    typer.echo(", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    raise typer.Exit(1 if counts["fails"] else 0)


if __name__ == "__main__":
    typer.run(main)

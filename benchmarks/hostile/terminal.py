"""Commands with hostile names, texts, labels, pages and settings: nothing of these may control the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.hostile.attempts import Attempt
from tests.support.hostile import harm_in
from tests.support.hostile_commands import ANSWERS, ATTEMPTS, World, make_world
from tests.support.raw_server import raw_server


def attempts() -> Iterator[Attempt]:
    """Yield an attempt for each command line."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder))
        for name in ATTEMPTS:
            yield Attempt(name, partial(_run, name, world))


def _run(name: str, world: World) -> str:
    from llmkit.cli import main
    from llmkit.errors import InputError

    arguments, stdin, environment = ATTEMPTS[name]
    with raw_server() as server:
        server.answers = [ANSWERS["page"]]
        world = world._replace(url=server.url)
        os.environ.update(environment(world))
        sys.argv = ["llmkit", *arguments(world)]
        Path("stdin").write_bytes(stdin.encode(errors="surrogateescape"))
        sys.stdin = Path("stdin").open(encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
    written = Path("output").read_bytes()
    if harm := harm_in(written, terminal=False):
        raise AssertionError(f"reaches the terminal: {harm}")
    if b"(unexpected; " in written:
        raise AssertionError(f"an unexpected error: {written[-300:]!r}")
    if code:
        raise InputError(written[-300:].decode(errors="replace") or "nothing written")
    return written[-300:].decode(errors="replace")

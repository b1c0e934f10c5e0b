"""Files under the names of conversations, two chats on one, and chats that are killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.hostile.attempts import Attempt

KILLS = 20
_BEGIN = b'{"do": "begin", "version": 1}\n{"do": "say", "text": "Hi"}\n'
FILES = {
    "10 MB of zeros": b"\0" * 10_000_000,
    "random bytes": random.Random(1).randbytes(100_000),
    "a diary": b"Dear diary,\nnothing happened today",
    "other JSON Lines": b'{"question": "who?"}\n{"quest',
    "deep JSON": b"[" * 1_000_000,
    "nothing": b"",
    "a torn conversation": _BEGIN + b'{"do": "piece", "te',
    "a conversation with a line of another program": _BEGIN + b"other\n",
}


def attempts() -> Iterator[Attempt]:
    """Yield the attempts."""
    for name, data in FILES.items():
        yield Attempt(name, partial(_open_file, data))
    for name, make in {"a link": _link, "a pipe": os.mkfifo, "a device": _device, "a folder": os.mkdir}.items():
        yield Attempt(f"{name} in place of a conversation", partial(_open_special, make))
    yield Attempt("a link to rename to", _rename_to_link)
    yield Attempt("two chats", _open_twice)
    for number in range(KILLS):
        yield Attempt(f"a chat that is killed {number}", partial(_kill, number))


def _open_file(data: bytes) -> str:
    from llmkit.cli.chat.store import Store

    Path("talk.jsonl").write_bytes(data)
    try:
        record = Store(Path()).open("talk")
        record.close()
        return f"{len(record.history.turns)} turns"
    finally:
        left = Path("talk.jsonl").read_bytes()
        if not data.startswith(left.removesuffix(b"\n")) or (left != data and b'"do"' not in data):
            raise AssertionError("the file was changed")


def _open_special(make: Callable[[Path], None]) -> str:
    from llmkit.cli.chat.store import Store

    Path("other").write_text("mine\n")
    make(Path("talk.jsonl"))
    try:
        Store(Path()).open("talk").close()
        return "opened"
    finally:
        if Path("other").read_text() != "mine\n":
            raise AssertionError("another file was changed")


def _link(path: Path) -> None:
    path.symlink_to("other")


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _rename_to_link() -> str:
    from llmkit.cli.chat.store import Store

    Path("other").write_text("mine\n")
    Path("talk.jsonl").symlink_to("other")
    record = Store(Path()).new()
    record.add({"do": "say", "text": "Hi"})
    try:
        record.rename("talk")
        return "renamed"
    finally:
        if Path("other").read_text() != "mine\n":
            raise AssertionError("another file was changed")


def _open_twice() -> str:
    from llmkit.cli.chat.store import Store

    record = Store(Path()).new()
    record.add({"do": "say", "text": "Hi"})
    record.rename("talk")
    child = os.fork()
    if not child:
        try:
            Store(Path()).open("talk")
        except Exception as error:
            os._exit(7 if "is open in another chat" in str(error) else 1)
        os._exit(0)
    refused = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    if not refused:
        raise AssertionError("two chats write one file")
    return "the second is refused"


def _kill(seed: int) -> str:
    """Kill a chat that writes turns, several times, and check all turns that are there after each."""
    from llmkit.cli.chat.store import Store

    chance, known = random.Random(seed), 0
    for _ in range(5):
        child = os.fork()
        if not child:
            _talk()
        time.sleep(chance.uniform(0.01, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if not Path("talk.jsonl").exists():
            continue
        record = Store(Path()).open("talk")
        turns = record.history.turns
        record.close()
        for number, turn in enumerate(turns):
            whole = "".join(_pieces(number))
            if turn.message != f"message {number}" or not (turn.answer == whole or whole.startswith(turn.answer)):
                raise AssertionError(f"turn {number} is {turn.message!r}: {turn.answer[:80]!r}")
            if turn.finish_reason == "stop" and turn.answer != whole:
                raise AssertionError(f"turn {number} has lost a part")
        if len(turns) < known or record.notes:
            raise AssertionError(f"{known} turns became {len(turns)}: {record.notes}")
        known = len(turns)
    return f"{known} turns"


def _talk() -> None:
    from llmkit.cli.chat.store import Store

    store = Store(Path())
    record = store.open("talk") if Path("talk.jsonl").exists() else store.new()
    number = len(record.history.turns)
    while True:
        record.add({"do": "say", "text": f"message {number}"})
        if record.name != "talk":
            record.rename("talk")
        for piece in _pieces(number):
            record.add({"do": "piece", "text": piece})
        record.add({"do": "end", "finish_reason": "stop"}, sync=True)
        number += 1


def _pieces(number: int) -> list[str]:
    return [f"{place} é \u2028 \n" * (number % 7) for place in range(8)]

"""`llmkit serve` for a minute with 64 clients, while others leave, read slowly, send half a request or 100 MB.

    python -m benchmarks.serving [--model NAME] [--clients 64] [--seconds 60] [--max-tokens 12] [--disturbers 4]

The server is a process of its own. Each client has a question of its own, whose answer this process has computed
alone before. Requests that have no answer, or another one, are counted, and the memory of the server is read each
second. The exit status is 1 if a request was lost or mixed up.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from benchmarks.serving.clients import Counts, Load, requests_inside
from llmkit import HuggingFaceChat
from llmkit.models import DEFAULT_MODEL

SUBJECTS = ("rivers", "bread", "the moon", "bridges", "winter", "violins", "horses", "the sea")
WISHES = ("Name three facts about", "Write a poem about", "Why do people like", "Tell a story about")
STYLES = ("for a child", "in short words")


def questions(count: int) -> list[str]:
    """Return different questions."""
    found = [f"{wish} {subject}, {style}." for style in STYLES for wish in WISHES for subject in SUBJECTS]
    return [found[index % len(found)] + f" ({index // len(found)})" * (index >= len(found)) for index in range(count)]


def processor_seconds(process: psutil.Process) -> float:
    """Return how long processors have worked for a process."""
    return float(sum(process.cpu_times()[:2]))


@contextmanager
def running_server(model: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start `llmkit serve`; yield its address and its process."""
    command = [sys.executable, "-m", "llmkit", "serve", "--port", "0", "--quiet", "--model", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LLMKIT_API_KEY": ""}) as one:
        assert one.stdout is not None
        yield one.stdout.readline().strip().removesuffix("/v1"), psutil.Process(one.pid)
        one.terminate()


class MemoryLog:
    """The memory of a process, read each second until `end` is called."""

    def __init__(self, process: psutil.Process) -> None:
        self.megabytes: list[float] = []
        self._process, self._end = process, threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while True:
            self.megabytes.append(self._process.memory_info().rss / 1e6)
            if self._end.wait(1):
                return

    def end(self) -> None:
        """Read it once more, and stop."""
        self._end.set()
        self._thread.join()
        self.megabytes.append(self._process.memory_info().rss / 1e6)


def report(counts: Counts, mb: Sequence[float], seconds: float, work: float) -> str:
    """Return what was measured, as lines.

    Args:
        counts: of the requests.
        mb: the server's memory each second, in megabytes.
        seconds: how long it took.
        work: the seconds that processors worked for the server meanwhile.
    """
    times = sorted(counts.seconds)
    others = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.disturbances.items()))
    lines = [
        f"answered: {len(times)} in {seconds:.0f} s, {work:.0f} s of a processor; "
        f"lost {len(counts.lost)}, mixed up {len(counts.mixed_up)}",
        f"other requests: {others}; unexpected {len(counts.unexpected)}",
        f"memory in MB: at the start {mb[0]:.0f}, after 10 s {mb[min(10, len(mb) - 1)]:.0f}, "
        f"half-way {mb[len(mb) // 2]:.0f}, most {max(mb):.0f}, at the end {mb[-1]:.0f}",
    ]
    if len(times) > 1:
        lines.insert(
            1, f"seconds an answer: p50 {statistics.median(times):.1f}, p95 {times[int(0.95 * len(times))]:.1f}"
        )
    return "\n".join([*lines, *counts.lost[:5], *map(repr, counts.mixed_up[:5]), *counts.unexpected[:5]])


def main() -> int:
    """Run the load, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--max-tokens", type=int, default=12)
    parser.add_argument("--disturbers", type=int, default=4, help="clients of each kind that does not wait")
    options = parser.parse_args()
    llm = HuggingFaceChat(model=options.model, temperature=0, max_new_tokens=options.max_tokens)
    answers = {question: llm.invoke(question).text for question in questions(options.clients)}
    print(f"{len(answers)} questions with {len(set(answers.values()))} different answers", flush=True)
    with running_server(options.model) as (address, process):
        first = dict([next(iter(answers.items()))])
        Load(address, first, options.max_tokens, lambda sent: sent < 1, disturbers=0).run()  # to warm up
        started = time.perf_counter()
        end: float = started + options.seconds
        memory = MemoryLog(process)
        worked = processor_seconds(process)

        def goes(_: int) -> bool:
            return time.perf_counter() < end

        counts = Load(address, answers, options.max_tokens, goes, options.disturbers).run()
        seconds = time.perf_counter() - started
        while requests_inside(address):  # of clients that have left: they end before the next token
            time.sleep(0.1)
        memory.end()
        print(report(counts, memory.megabytes, seconds, processor_seconds(process) - worked))
    return int(bool(counts.lost or counts.mixed_up or counts.unexpected))


if __name__ == "__main__":
    sys.exit(main())

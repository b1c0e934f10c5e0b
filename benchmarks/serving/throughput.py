"""16 clients of `llmkit serve` at once against one after another, and the same without a server.

    python -m benchmarks.serving.throughput [--model NAME] [--clients 16] [--max-tokens 48] [--rounds 3]

Each round asks the same new questions in five ways: over the API, one after another and at once; and in this process,
one after another, in threads, and as one `batch`. Ratios are of wall time, and of the time that processors worked,
which other programs of the machine do not change as much.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil

from benchmarks.serving.__main__ import SUBJECTS, processor_seconds, running_server
from benchmarks.serving.clients import PATIENCE, chat_body
from llmkit import HuggingFaceChat
from llmkit.models import DEFAULT_MODEL

Way = Callable[[list[str]], list[str]]
"""Returns the answers to questions."""


def ask(http: httpx.Client, question: str, max_tokens: int) -> str:
    """Return the answer of a server."""
    response = http.post("/v1/chat/completions", json=chat_body(question, max_tokens)).raise_for_status()
    return str(response.json()["choices"][0]["message"]["content"])


def measure(way: Way, questions: list[str], process: psutil.Process) -> tuple[float, float, list[str]]:
    """Return the seconds that answers take, those that processors work for a process, and the answers."""
    worked, started = processor_seconds(process), time.perf_counter()
    answers = way(questions)
    return time.perf_counter() - started, processor_seconds(process) - worked, answers


def main() -> None:
    """Measure, and print a line for each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count, tokens = options.clients, options.max_tokens
    llm = HuggingFaceChat(model=options.model, temperature=0, max_new_tokens=tokens)

    def invoke(question: str) -> str:
        return llm.invoke(question).text

    with (
        running_server(options.model) as (address, server),
        httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as http,
        ThreadPoolExecutor(count) as pool,
    ):
        mine = psutil.Process()
        ways: dict[str, tuple[Way, psutil.Process]] = {
            "API, one after another": (lambda asked: [ask(http, one, tokens) for one in asked], server),
            "API, at once": (lambda asked: list(pool.map(lambda one: ask(http, one, tokens), asked)), server),
            "process, one after another": (lambda asked: [*map(invoke, asked)], mine),
            "process, threads": (lambda asked: list(pool.map(invoke, asked)), mine),
            "process, one batch": (lambda asked: [answer.text for answer in llm.batch(asked)], mine),
        }
        for way, process in ways.values():
            measure(way, ["Hello!"] * 2, process)  # to warm up
        for number in range(options.rounds):
            asked = [
                f"Round {number}.{index}: tell me about {SUBJECTS[index % len(SUBJECTS)]}." for index in range(count)
            ]
            found = {name: measure(way, asked, process) for name, (way, process) in ways.items()}
            same = len({tuple(answers) for name, (_, _, answers) in found.items() if name != "process, one batch"}) == 1
            print(f"round {number + 1}: answers {'are the same' if same else 'differ'}")
            for name, (seconds, worked, _) in found.items():
                wall, work = found[f"{name.partition(',')[0]}, one after another"][:2]
                ratios = f"{wall / seconds:.2f} times as fast, {work / worked:.2f} by processor time"
                print(f"  {name:27} {seconds:6.1f} s {worked:6.1f} s of a processor: {ratios}", flush=True)


if __name__ == "__main__":
    main()

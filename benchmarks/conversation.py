"""A conversation of ten turns: time to the first token of each, ours against `ChatHuggingFace`.

    python -m benchmarks.conversation --turns 10 --max-new-tokens 24

Each user message has the same number of words; the peer recomputes the whole conversation at every turn.
"""

from __future__ import annotations

import argparse
import time

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from benchmarks.peer import stock_chat
from llmkit import HuggingFaceChat
from llmkit.models import DEFAULT_MODEL
from llmkit.models.weights.catalog import resolve

QUESTION = "This is question number {}. Tell me one short fact about the sea, the mountains or the sky."


def first_tokens(llm: BaseChatModel, turns: int) -> list[float]:
    """Return the seconds from the request to the first text, for each turn."""
    messages: list[BaseMessage] = []
    times = []
    for turn in range(turns):
        messages.append(HumanMessage(QUESTION.format(turn)))
        started, first, answer = time.perf_counter(), 0.0, ""
        for piece in llm.stream(messages):
            if piece.text and not first:
                first = time.perf_counter() - started
            answer += piece.text
        times.append(first)
        messages.append(AIMessage(answer))
    return times


def main() -> None:
    """Run both through the conversation once, after a warm-up turn; print each turn and the growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--max-new-tokens", type=int, default=24)
    options = parser.parse_args()
    ours = HuggingFaceChat(temperature=0, max_new_tokens=options.max_new_tokens)
    theirs = stock_chat(resolve(DEFAULT_MODEL), options.max_new_tokens)
    rows = {}
    for name, llm in (("ours", ours), ("peer", theirs)):
        first_tokens(llm, 1)
        ours.engine.prefix_cache.clear()
        rows[name] = first_tokens(llm, options.turns)
        print(name, " ".join(f"{seconds:.2f}" for seconds in rows[name]), flush=True)
    for name, times in rows.items():
        print(f"{name}: turn {options.turns} takes {times[-1] / times[0]:.2f} times turn 1")
    print(f"turn {options.turns}: the peer takes {rows['peer'][-1] / rows['ours'][-1]:.1f} times ours")


if __name__ == "__main__":
    main()

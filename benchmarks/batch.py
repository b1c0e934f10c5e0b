"""Throughput on prompts of mixed length: ours in one `batch` against `HuggingFacePipeline` with batch size 8.

    python -m benchmarks.batch --prompts 64 --max-new-tokens 32 --runs 3

The texts are synthetic, of 10 to about 400 tokens. Both generate greedily until the end token; the result is the
number of generated tokens per second.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence

from langchain_core.language_models import LanguageModelInput

from benchmarks.output_tokens import output_tokens
from benchmarks.peer import stock_pipeline
from llmkit import HuggingFaceChat
from llmkit.models import DEFAULT_MODEL
from llmkit.models.weights.catalog import resolve

SENTENCES = (
    "The ferry was late because of the fog.",
    "Nobody had told the visitors that the museum would be closed on Monday.",
    "A new bakery opened beside the station.",
    "The council voted for the bridge by nine to four.",
    "Rain is expected in the north, with strong wind towards the evening.",
)


def make_prompts(count: int) -> list[str]:
    """Return questions about texts of 1 to 30 sentences."""
    rng = random.Random(0)
    texts = (" ".join(rng.choices(SENTENCES, k=rng.randint(1, 30))) for _ in range(count))
    return [f"Summarize in one sentence: {text}" for text in texts]


def render(llm: HuggingFaceChat, prompts: Sequence[str]) -> list[LanguageModelInput]:
    """Return the prompts in the model's chat markup, for models that take plain text."""
    return [llm.engine.encoder.render(llm._convert_input(prompt).to_messages()) for prompt in prompts]


def main() -> None:
    """Run both alternately; print tokens per second and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    prompts = make_prompts(options.prompts)
    folder = resolve(DEFAULT_MODEL)
    llm = HuggingFaceChat(temperature=0, max_new_tokens=options.max_new_tokens)
    peer = stock_pipeline(folder, options.max_new_tokens)
    rendered = render(llm, prompts)
    ratios = []
    for run in range(options.runs):
        llm.engine.prefix_cache.clear()
        started = time.perf_counter()
        answers = llm.batch(prompts)
        ours = sum(map(output_tokens, answers)) / (time.perf_counter() - started)
        started = time.perf_counter()
        texts = peer.batch(rendered)
        theirs = sum(llm.get_num_tokens(text) + 1 for text in texts) / (time.perf_counter() - started)
        ratios.append(ours / theirs)
        print(f"run {run + 1}: ours {ours:.1f} tokens/s, peer {theirs:.1f}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} over {options.runs} runs of {options.prompts} prompts")


if __name__ == "__main__":
    main()

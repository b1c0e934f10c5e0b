"""Many texts: answers to prompts of mixed length, and labels at any number of examples and labels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch

from benchmarks.batch import make_prompts
from benchmarks.classification import Task, ask_stock, draw_examples, stock, task
from benchmarks.peer import stock_pipeline
from benchmarks.performance.answers import before
from benchmarks.performance.results import Comparison, Given, Growth, Variant, Variants
from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.models.weights.catalog import resolve

PROMPTS, TOKENS = 64, 32
TEXTS, STOCK_TEXTS = 32, 16


def batch(given: Given) -> Comparison:
    prompts = make_prompts(PROMPTS)
    llm = HuggingFaceChat(model=given.model, temperature=0, max_new_tokens=TOKENS)
    old = HuggingFaceChat(model=before(given.model).engine, temperature=0, max_new_tokens=TOKENS)
    peer = stock_pipeline(resolve(given.model), TOKENS)
    rendered = [llm.engine.encoder.render(llm._convert_input(prompt).to_messages()) for prompt in prompts]

    def rate(ask: Callable[[], int]) -> Variant:
        def run() -> float:
            start = time.perf_counter()
            return ask() / (time.perf_counter() - start)

        return run

    def answer_all(model: HuggingFaceChat) -> int:
        model.engine.prefix_cache.clear()
        return sum(answer.usage_metadata["output_tokens"] for answer in model.batch(prompts))

    variants = Variants(
        {
            "HuggingFacePipeline, batch size 8": rate(
                lambda: sum(llm.get_num_tokens(text) + 1 for text in peer.batch(rendered))
            ),
            "llmkit, transformers' forward pass": rate(lambda: answer_all(old)),
            "llmkit": rate(lambda: answer_all(llm)),
        }
    )
    return Comparison(
        "Throughput of a batch",
        "tokens/s",
        variants.measure(given.rounds, warm=False),
        "HuggingFacePipeline, batch size 8",
        f"{PROMPTS} prompts of 10 to 400 tokens, up to {TOKENS} new tokens each, greedy.",
    )


def labels(given: Given) -> Comparison:
    """Compare labels by their likelihood with the stock recipe, which generates them."""
    assert given.data is not None
    ag, bank = (task(given.data, name, TEXTS) for name in ("ag", "banking77"))
    llm = HuggingFaceChat(model=given.model)
    old = HuggingFaceChat(model=before(given.model).engine)
    few = replace(ag, rows=ag.rows[:STOCK_TEXTS])
    variants: dict[str, Variant] = {}
    for count in (0, 8):
        chain = stock(ag, draw_examples(ag, count), resolve(given.model))
        variants[f"stock recipe, {count} examples"] = a_second(len(few.rows), lambda chain=chain: ask_stock(chain, few))
    variants["llmkit, transformers' forward pass, 0 examples"] = classified(old, ag, 0)
    variants["llmkit, 0 examples"] = classified(llm, ag, 0)
    variants["llmkit, 8 examples"] = classified(llm, ag, 8)
    variants["llmkit, 8 examples in the prompt"] = classified(llm, ag, 8, show_examples=True)
    variants["llmkit, 16 examples in the prompt"] = classified(llm, ag, 16, show_examples=True)
    variants["llmkit, 77 labels"] = classified(llm, replace(bank, rows=ag.rows), 0)
    found = Variants(variants).measure(given.rounds)
    return Comparison(
        "Classification of short texts",
        "texts/s",
        found,
        "stock recipe, 0 examples",
        f"{TEXTS} texts of AG News with 4 labels, and with the 77 of banking77. The stock recipe is "
        "`FewShotPromptTemplate | HuggingFacePipeline`, which generates 4 tokens at batch size 8.",
        notes=label_notes(llm, found, variants["llmkit, 0 examples"]),
    )


def label_notes(llm: HuggingFaceChat, found: dict[str, list[float]], zero: Variant) -> list[str]:
    """Say what the targets are about: the ratios, and the share of the matrix throughput."""
    median = {name: statistics.median(values) for name, values in found.items()}
    stock_8, none = median["stock recipe, 8 examples"], median["llmkit, 0 examples"]
    decided, shown = median["llmkit, 8 examples"] / stock_8, median["llmkit, 8 examples in the prompt"] / stock_8
    sixteen, many = none / median["llmkit, 16 examples in the prompt"], none / median["llmkit, 77 labels"]
    each, peak = tokens_read(llm, zero) / TEXTS, matrix_rate()
    layers = sum(p.numel() for name, p in llm.engine.loaded.model.named_parameters() if "embed" not in name)
    return [
        f"8 examples: {decided:.1f} times the stock recipe's texts/s as the chain decides, {shown:.1f} times "
        "with the examples in the prompt.",
        f"A text costs {sixteen:.2f} times as much with 16 examples in the prompt as with none, and {many:.2f} times "
        "as much with 77 labels as with 4.",
        f"bf16 matrix throughput, measured in this run: {peak / 1e9:.0f} GFLOP/s. Scoring reads {each:.0f} tokens a "
        f"text and reaches {2 * layers * each * none / peak:.0%} of it.",
    ]


def tokens_read(llm: HuggingFaceChat, work: Variant) -> int:
    """Count the tokens that a piece of work puts through the model's layers."""
    fast, tokens = cast(Any, llm.engine.loaded.fast_forward), 0
    if fast is None:
        return 0
    inner = fast._states

    def tally(given: Any, *rest: Any) -> Any:
        nonlocal tokens
        tokens += len(given)
        return inner(given, *rest)

    fast._states = tally
    try:
        work()
    finally:
        fast._states = inner
    return tokens


def classified(llm: HuggingFaceChat, given: Task, count: int, **options: Any) -> Variant:
    chain = ZeroShotClassificationChain(llm, given.labels, examples=draw_examples(given, count), **options)
    texts = [row["input"] for row in given.rows]
    chain.batch(texts[:2])  # what is learned once

    def run() -> None:
        llm.engine.prefix_cache.clear()
        chain.batch(texts)

    return a_second(len(texts), run)


def a_second(count: int, work: Callable[[], Any]) -> Variant:
    def run() -> float:
        start = time.perf_counter()
        work()
        return count / (time.perf_counter() - start)

    return run


def matrix_rate() -> float:
    """Return this machine's bf16 matrix throughput, in floating-point operations a second."""
    one = torch.randn(2048, 2048, dtype=torch.bfloat16)
    best = 1e9
    for _ in range(8):
        start = time.perf_counter()
        one @ one
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best


def label_growth(given: Given) -> Growth:
    """Time a text against the number of examples in the prompt, and against the number of labels."""
    assert given.data is not None
    llm = HuggingFaceChat(model=given.model)
    ag, bank = (task(given.data, name, TEXTS) for name in ("ag", "banking77"))
    lines: dict[str, list[tuple[float, float]]] = {"llmkit, examples in the prompt": [], "llmkit, labels": []}
    for count in (0, 2, 4, 8, 16, 32):
        options = {"show_examples": True} if count else {}
        rate = max(classified(llm, ag, count, **options)() for _ in range(given.rounds))
        lines["llmkit, examples in the prompt"].append((count, 1000 / rate))
    for count in (4, 8, 16, 32, 77):
        rate = max(classified(llm, replace(bank, rows=ag.rows, labels=bank.labels[:count]), 0)() for _ in range(2))
        lines["llmkit, labels"].append((count, 1000 / rate))
    return Growth(
        "Classification time, by number of examples and of labels",
        "ms a text",
        "examples, or labels",
        lines,
        f"{TEXTS} texts in one batch, the best of {given.rounds} rounds; 4 labels for the examples, no example for the "
        "labels.",
    )

"""Many texts: answers to prompts of mixed length, and classification with many examples and labels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks.batch import make_prompts, render
from benchmarks.classification import Task, ask_stock, draw_examples, load_task, stock
from benchmarks.output_tokens import output_tokens
from benchmarks.peer import stock_pipeline
from benchmarks.performance.answers import without_fast_forward
from benchmarks.performance.results import Comparison, Growth, RunOptions, Variant, Variants
from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.models.weights.catalog import resolve

PROMPTS, TOKENS = 64, 32
TEXTS, STOCK_TEXTS = 32, 16


def batch(run_options: RunOptions) -> Comparison:
    prompts = make_prompts(PROMPTS)
    llm = HuggingFaceChat(model=run_options.model, temperature=0, max_new_tokens=TOKENS)
    plain_llm = HuggingFaceChat(
        model=without_fast_forward(run_options.model).engine, temperature=0, max_new_tokens=TOKENS
    )
    peer = stock_pipeline(resolve(run_options.model), TOKENS)
    rendered = render(llm, prompts)

    def rate(ask: Callable[[], int]) -> Variant:
        def run() -> float:
            start = time.perf_counter()
            return ask() / (time.perf_counter() - start)

        return run

    def answer_all(model: HuggingFaceChat) -> int:
        model.engine.prefix_cache.clear()
        return sum(map(output_tokens, model.batch(prompts)))

    variants = Variants(
        {
            "HuggingFacePipeline, batch size 8": rate(
                lambda: sum(llm.get_num_tokens(text) + 1 for text in peer.batch(rendered))
            ),
            "llmkit, transformers' forward pass": rate(lambda: answer_all(plain_llm)),
            "llmkit": rate(lambda: answer_all(llm)),
        }
    )
    return Comparison(
        "Throughput of a batch",
        "tokens/s",
        variants.measure(run_options.rounds, warm=False),
        "HuggingFacePipeline, batch size 8",
        f"{PROMPTS} prompts of 10 to 400 tokens, up to {TOKENS} new tokens each, greedy.",
    )


def labels(run_options: RunOptions) -> Comparison:
    """Compare labels by their likelihood with the stock recipe, which generates them."""
    assert run_options.data is not None
    ag, bank = (load_task(run_options.data, name, TEXTS) for name in ("ag", "banking77"))
    llm = HuggingFaceChat(model=run_options.model)
    plain_llm = HuggingFaceChat(model=without_fast_forward(run_options.model).engine)
    stock_task = replace(ag, rows=ag.rows[:STOCK_TEXTS])
    variants: dict[str, Variant] = {}
    for count in (0, 8):
        chain = stock(ag, draw_examples(ag, count), resolve(run_options.model))
        ask = partial(ask_stock, chain, stock_task)
        variants[f"stock recipe, {count} examples"] = per_second(len(stock_task.rows), ask)
    variants["llmkit, transformers' forward pass, 0 examples"] = classification_rate(plain_llm, ag, 0)
    variants["llmkit, 0 examples"] = classification_rate(llm, ag, 0)
    variants["llmkit, 8 examples"] = classification_rate(llm, ag, 8)
    variants["llmkit, 8 examples in the prompt"] = classification_rate(llm, ag, 8, show_examples=True)
    variants["llmkit, 16 examples in the prompt"] = classification_rate(llm, ag, 16, show_examples=True)
    variants["llmkit, 77 labels"] = classification_rate(llm, replace(bank, rows=ag.rows), 0)
    found = Variants(variants).measure(run_options.rounds)
    return Comparison(
        "Classification of short texts",
        "texts/s",
        found,
        "stock recipe, 0 examples",
        f"{TEXTS} texts of AG News with 4 labels, and with the 77 of banking77. The stock recipe is "
        "`FewShotPromptTemplate | HuggingFacePipeline`, which generates 4 tokens at batch size 8.",
        notes=label_notes(llm, found, variants["llmkit, 0 examples"]),
    )


def label_notes(llm: HuggingFaceChat, found: dict[str, list[float]], variant: Variant) -> list[str]:
    """Return notes with the ratios of the targets, and the share of the matrix throughput."""
    median = {name: statistics.median(values) for name, values in found.items()}
    stock_8, without_examples = median["stock recipe, 8 examples"], median["llmkit, 0 examples"]
    default_ratio, in_prompt_ratio = (
        median["llmkit, 8 examples"] / stock_8,
        median["llmkit, 8 examples in the prompt"] / stock_8,
    )
    cost_of_16_examples, cost_of_77_labels = (
        without_examples / median["llmkit, 16 examples in the prompt"],
        without_examples / median["llmkit, 77 labels"],
    )
    tokens_per_text, peak = tokens_read(llm, variant) / TEXTS, matrix_rate()
    layers = sum(p.numel() for name, p in llm.engine.loaded.model.named_parameters() if "embed" not in name)
    return [
        f"8 examples: {default_ratio:.1f} times the stock recipe's texts/s as the chain decides, "
        f"{in_prompt_ratio:.1f} times with the examples in the prompt.",
        f"A text costs {cost_of_16_examples:.2f} times as much with 16 examples in the prompt as with none, and "
        f"{cost_of_77_labels:.2f} times as much with 77 labels as with 4.",
        f"bf16 matrix throughput, measured in this run: {peak / 1e9:.0f} GFLOP/s. Scoring reads "
        f"{tokens_per_text:.0f} tokens a text and reaches "
        f"{2 * layers * tokens_per_text * without_examples / peak:.0%} of it.",
    ]


def tokens_read(llm: HuggingFaceChat, work: Variant) -> int:
    """Count the tokens that a variant passes through the model's layers."""
    fast, tokens = llm.engine.loaded.fast_forward, 0
    if fast is None:
        return 0
    original = fast._states

    def count_tokens(input_ids: Any, *rest: Any) -> Any:
        nonlocal tokens
        tokens += len(input_ids)
        return original(input_ids, *rest)

    fast._states = count_tokens
    try:
        work()
    finally:
        fast._states = original
    return tokens


def classification_rate(llm: HuggingFaceChat, task: Task, count: int, **options: Any) -> Variant:
    chain = ZeroShotClassificationChain(llm, task.labels, examples=draw_examples(task, count), **options)
    texts = [row["input"] for row in task.rows]
    chain.batch(texts[:2])  # compute the priors once, before timing

    def run() -> None:
        llm.engine.prefix_cache.clear()
        chain.batch(texts)

    return per_second(len(texts), run)


def per_second(count: int, work: Callable[[], Any]) -> Variant:
    def run() -> float:
        start = time.perf_counter()
        work()
        return count / (time.perf_counter() - start)

    return run


def matrix_rate() -> float:
    """Return this machine's bf16 matrix throughput, in floating-point operations a second."""
    matrix = torch.randn(2048, 2048, dtype=torch.bfloat16)
    seconds = 1e9
    for _ in range(8):
        start = time.perf_counter()
        matrix @ matrix
        seconds = min(seconds, time.perf_counter() - start)
    return 2 * 2048**3 / seconds


def label_growth(run_options: RunOptions) -> Growth:
    """Time a text against the number of examples in the prompt, and against the number of labels."""
    assert run_options.data is not None
    llm = HuggingFaceChat(model=run_options.model)
    ag, bank = (load_task(run_options.data, name, TEXTS) for name in ("ag", "banking77"))
    lines: dict[str, list[tuple[float, float]]] = {"llmkit, examples in the prompt": [], "llmkit, labels": []}
    for count in (0, 2, 4, 8, 16, 32):
        options = {"show_examples": True} if count else {}
        rate = max(classification_rate(llm, ag, count, **options)() for _ in range(run_options.rounds))
        lines["llmkit, examples in the prompt"].append((count, 1000 / rate))
    for count in (4, 8, 16, 32, 77):
        rate = max(
            classification_rate(llm, replace(bank, rows=ag.rows, labels=bank.labels[:count]), 0)() for _ in range(2)
        )
        lines["llmkit, labels"].append((count, 1000 / rate))
    return Growth(
        "Classification time, by number of examples and of labels",
        "ms a text",
        "examples, or labels",
        lines,
        f"{TEXTS} texts in one batch, the best of {run_options.rounds} rounds; 4 labels for the examples, "
        "no example for the labels.",
    )

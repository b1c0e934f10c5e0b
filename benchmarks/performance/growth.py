"""How times grow: with turns, documents, web pages, callers, and what an answer repeats of its prompt."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from langchain_core.language_models import BaseChatModel

from benchmarks.batch import SENTENCES
from benchmarks.conversation import first_tokens
from benchmarks.output_tokens import output_tokens
from benchmarks.peer import stock_chat
from benchmarks.performance.answers import without_fast_forward
from benchmarks.performance.results import Growth, RunOptions
from benchmarks.web_questions import served
from llmkit import HuggingFaceChat
from llmkit.chains import SummarizationChain, WebQAChain
from llmkit.models.generation.drafts import PromptLookup
from llmkit.models.weights.catalog import resolve

TURNS, TOKENS = 10, 24
ANIMALS = ("foxes", "whales", "bees", "owls", "wolves", "storks", "moles", "toads")


def turns(run_options: RunOptions) -> Growth:
    """Time the first token of each turn."""
    ours = HuggingFaceChat(model=run_options.model, temperature=0, max_new_tokens=TOKENS)
    plain_llm = HuggingFaceChat(
        model=without_fast_forward(run_options.model).engine, temperature=0, max_new_tokens=TOKENS
    )
    variants: dict[str, BaseChatModel] = {
        "ChatHuggingFace": stock_chat(resolve(run_options.model), TOKENS),
        "llmkit, transformers' forward pass": plain_llm,
        "llmkit": ours,
    }
    lines = {}
    for name, llm in variants.items():
        runs = []
        for _ in range(1 if llm is variants["ChatHuggingFace"] else run_options.rounds):
            first_tokens(llm, 1)
            if isinstance(llm, HuggingFaceChat):
                llm.engine.prefix_cache.clear()
            runs.append(first_tokens(llm, TURNS))
        lines[name] = [(turn, statistics.median(times)) for turn, times in enumerate(zip(*runs, strict=True), 1)]
    ratios = {name: points[-1][1] / points[0][1] for name, points in lines.items()}
    notes = [f"Turn {TURNS} to turn 1: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()) + "."]
    title = "Time to first token, by turn of a conversation"
    return Growth(title, "seconds", "turn", lines, "All turns have the same length.", notes)


def summaries(run_options: RunOptions) -> Growth:
    """Time the summary of documents of growing length."""
    llm = HuggingFaceChat(model=run_options.model, temperature=0)
    chain = SummarizationChain(llm, prompt="summarize-text", context_window=1024)
    points = []
    for words in (1000, 2000, 4000, 8000):
        llm.engine.prefix_cache.clear()
        text = document(words)
        start = time.perf_counter()
        chain.invoke(text)
        points.append((float(words), time.perf_counter() - start))
    rates = [f"{seconds / words * 1000:.1f}" for words, seconds in points]
    return Growth(
        "Summarization time, by length of the document",
        "seconds",
        "words",
        {"llmkit": points},
        "Synthetic text, map-reduce with a context window of 1,024 tokens.",
        [f"Seconds for 1,000 words: {', '.join(rates)}."],
    )


def pages(run_options: RunOptions) -> Growth:
    """Time an answer from web pages of growing size: the first question, and the next on the same page."""
    llm = HuggingFaceChat(model=run_options.model)
    sizes = (500, 2000, 8000, 32000)
    html = {
        f"{words}.html": f"<html><body><main><h1>News</h1>{paragraphs(words)}</main></body></html>".encode()
        for words in sizes
    }
    lines: dict[str, list[tuple[float, float]]] = {"llmkit, first question": [], "llmkit, next question": []}
    with served(html) as url:
        chain = WebQAChain(llm, fetch_options={"allow_private": True})
        chain.invoke({"question": "Why was the ferry late?", "url": f"{url}500.html"})
        for words in sizes:
            for name, question in zip(lines, ("Who voted for the bridge?", "When is rain expected?"), strict=True):
                start = time.perf_counter()
                chain.invoke({"question": question, "url": f"{url}{words}.html"})
                lines[name].append((words, time.perf_counter() - start))
    return Growth(
        "Question answering time, by length of the web page",
        "seconds",
        "words",
        lines,
        "Synthetic pages from a local server: fetched, extracted, retrieved, answered with citations.",
    )


def callers(run_options: RunOptions) -> Growth:
    """Time answers to callers in threads of their own, who ask at the same time."""
    options: dict[str, Any] = {"temperature": 0, "max_new_tokens": TOKENS, "min_new_tokens": TOKENS}
    ours = HuggingFaceChat(model=run_options.model, **options)
    peer = stock_chat(resolve(run_options.model), TOKENS)
    counts, questions = (1, 2, 4, 8), [f"Tell me about the life of {animal}." for animal in ANIMALS]
    for llm in (ours, peer):
        llm.invoke(questions[0])  # to warm up

    def rate(llm: BaseChatModel, count: int, threads: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(llm.invoke, questions[:count]))
        return count * TOKENS / (time.perf_counter() - start)

    def one_round(count: int) -> tuple[float, float, float]:
        return rate(peer, count, count), rate(ours, count, 1), rate(ours, count, count)

    names = ("ChatHuggingFace, together", "llmkit, one after another", "llmkit, together")
    rounds = {count: [one_round(count) for _ in range(run_options.rounds)] for count in counts}
    lines = {
        name: [(float(count), statistics.median(row[index] for row in rounds[count])) for count in counts]
        for index, name in enumerate(names)
    }
    gains = [f"{statistics.median(row[2] / row[1] for row in rounds[count]):.2f}" for count in counts]
    return Growth(
        "Tokens a second of all callers, by their number",
        "tokens/s",
        "callers",
        lines,
        f"Each caller has a thread and a question of its own; {TOKENS} new tokens each, greedy, with the prefill.",
        [f"Together to one after another: {', '.join(gains)}."],
    )


def drafts(run_options: RunOptions) -> Growth:
    """Time answers that repeat their prompt, more or less, with drafts from it and without."""
    llm = HuggingFaceChat(model=run_options.model, temperature=0, max_new_tokens=4 * TOKENS)
    text = " ".join(SENTENCES)
    prompts = [
        "Tell me about the life of foxes.",
        f"Write a summary of this text: {text}",
        f"Which sentence says when it rains? Quote it. {text}",
        f"Repeat this text: {text}",
    ]

    def rate(prompt: str) -> tuple[float, str]:
        begun, pieces = 0.0, []
        for piece in llm.stream(prompt):
            begun = begun or time.perf_counter()
            pieces.append(piece)
        seconds = time.perf_counter() - begun
        return (output_tokens(pieces[-1]) - 1) / seconds, "".join(piece.text for piece in pieces)

    lines: dict[str, list[tuple[float, float]]] = {"llmkit, a token a pass": [], "llmkit, with drafts": []}
    gains = []
    for prompt in prompts:
        rounds = []
        for _ in range(run_options.rounds + 1):  # the first is to warm up
            with patch.object(PromptLookup, "find", return_value=[]):
                alone, answer = rate(prompt)
            drafted, same = rate(prompt)
            if answer != same:
                raise ValueError(f"drafts changed an answer: {answer!r}, {same!r}")
            rounds.append((alone, drafted))
        share = 100 * repeated_share(answer, prompt)
        for line, values in zip(lines.values(), zip(*rounds[1:], strict=True), strict=True):
            line.append((round(share), statistics.median(values)))
        gains.append(f"{statistics.median(with_drafts / alone for alone, with_drafts in rounds[1:]):.2f}")
    return Growth(
        "Tokens a second, by the share of an answer that repeats its prompt",
        "tokens/s",
        "% repeated",
        {name: sorted(line) for name, line in lines.items()},
        f"A story, a summary, a quote and a repeated text, greedy, up to {4 * TOKENS} tokens, without the prefill; "
        "the share is that of sequences of three words that stand in the prompt. The answers are the same.",
        [f"With drafts to without, for the story, the summary, the quote and the repeated text: {', '.join(gains)}."],
    )


def repeated_share(answer: str, prompt: str) -> float:
    """Return the share of an answer's sequences of three words that stand in its prompt."""
    words, source = answer.split(), f" {' '.join(prompt.split())} "
    sequences = [f" {' '.join(words[at : at + 3])} " for at in range(max(len(words) - 2, 1))]
    return sum(sequence in source for sequence in sequences) / len(sequences)


def document(words: int) -> str:
    text = " ".join(f"In week {number}, {SENTENCES[number % len(SENTENCES)].lower()}" for number in range(words // 8))
    return " ".join(text.split()[:words])


def paragraphs(words: int) -> str:
    parts = document(words).split(". ")
    return "".join(f"<p>{'. '.join(parts[at : at + 5])}.</p>" for at in range(0, len(parts), 5))

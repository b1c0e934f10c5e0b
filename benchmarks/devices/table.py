"""The rows of the table, the most doubtful ones first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from benchmarks.batch import make_prompts
from benchmarks.conversation import first_tokens
from benchmarks.devices import texts
from benchmarks.devices.models import Models, device_name, generate_rate, stream_rate
from benchmarks.devices.records import Records, Variant
from benchmarks.output_tokens import output_tokens
from llmkit import HuggingFaceChat
from llmkit.chains import NERChain, QAChain, ZeroShotClassificationChain

TURNS = 10
ANSWER_TOKENS = 64


@dataclass(frozen=True)
class Table:
    """What all rows need: the models, the records, and how much work there is.

    Attributes:
        data: the folder with the files of the data sets; without it, texts are generated.
        scale: of the amount of work; 1 is the table, less a rehearsal.
    """

    models: Models
    records: Records
    data: Path | None
    scale: float

    def count(self, whole: int) -> int:
        """Return how many texts or tokens are measured, of those of the whole table."""
        return max(4, round(whole * self.scale))

    def per_second(self, chain: Runnable[Any, Any], inputs: list[Any]) -> Variant:
        """Return a variant that puts all inputs through a chain together, in inputs a second."""

        def run() -> float:
            self.models.engine.prefix_cache.clear()
            start = time.perf_counter()
            chain.batch(inputs)
            return len(inputs) / (time.perf_counter() - start)

        return run

    def agreement(self) -> None:
        """Compare log-likelihoods in float32 on the device with those of a CPU, in nats."""

        def prepare() -> Variant:
            prompts = make_prompts(self.count(16))
            folder, options = str(self.models.folder), [f" {label}" for label in texts.LABELS]
            found = [
                np.asarray(HuggingFaceChat(model=folder, device=device, dtype="float32").score(prompts, options))
                for device in ("cpu", self.models.device)
            ]
            return lambda: float(np.abs(found[0] - found[1]).max())

        self.records.measure("largest difference of log-likelihoods, float32", "llmkit", "nats", prepare)

    def kernels(self) -> None:
        """Record which attention kernel scoring takes, for each dtype."""
        import torch

        from llmkit.models.attention.shared_prefix import _kernel

        for dtype in (torch.bfloat16, torch.float32):
            kernel = _kernel(torch.device(self.models.device), dtype).__name__
            self.records.write("attention kernel of scoring", str(dtype), "", kernel=kernel)

    def conversation(self) -> None:
        """Measure one answer, token by token."""
        tokens = self.count(128)
        settings = {"temperature": 0, "max_new_tokens": tokens, "min_new_tokens": tokens}
        measure, models = self.records.measure, self.models
        row, unit = "one conversation", "tokens/s"
        measure(row, "llmkit", unit, lambda: stream_rate(models.chat(**settings)))
        measure(f"{row}, random 1B", "llmkit", unit, lambda: stream_rate(models.random_chat(**settings)))

    def conversation_peers(self) -> None:
        """Measure the same with transformers."""
        tokens, models = self.count(128), self.models
        measure, row, unit = self.records.measure, "one conversation", "tokens/s"
        measure(row, "transformers", unit, lambda: generate_rate(models.weights, models.tokenizer, tokens))
        random = f"{row}, random 1B"
        measure(random, "transformers", unit, lambda: generate_rate(models.random_weights, models.tokenizer, tokens))

    def prompts(self) -> None:
        """Measure answers to many prompts of 10 to 400 tokens, greedy and sampled."""
        prompts, tokens = make_prompts(self.count(256)), max(4, round(ANSWER_TOKENS * min(1.0, 4 * self.scale)))

        def rate(**settings: Any) -> Variant:
            llm = self.models.chat(max_new_tokens=tokens, min_new_tokens=tokens, **settings)

            def run() -> float:
                llm.engine.prefix_cache.clear()
                start = time.perf_counter()
                answers = llm.batch(prompts)
                return sum(map(output_tokens, answers)) / (time.perf_counter() - start)

            return run

        row = f"{len(prompts)} prompts, {tokens} new tokens"
        self.records.measure(f"{row}, greedy", "llmkit", "tokens/s", lambda: rate(temperature=0))
        self.records.measure(f"{row}, sampled", "llmkit", "tokens/s", lambda: rate(temperature=0.8, seed=7))

    def prompts_peers(self) -> None:
        """Measure the same with `HuggingFacePipeline`, at batch size 64."""
        prompts, tokens = make_prompts(self.count(256)), max(4, round(ANSWER_TOKENS * min(1.0, 4 * self.scale)))

        def prepare() -> Variant:
            peer, encoder = self.models.pipeline(tokens, 64), self.models.engine.encoder
            rendered = [encoder.render(prompt) for prompt in prompts]

            def run() -> float:
                start = time.perf_counter()
                peer.batch(rendered)
                return len(prompts) * tokens / (time.perf_counter() - start)

            return run

        row = f"{len(prompts)} prompts, {tokens} new tokens, greedy"
        self.records.measure(row, "HuggingFacePipeline, batch size 64", "tokens/s", prepare)

    def labels(self) -> None:
        """Measure the classification of short texts, together and one by one."""
        inputs, measure, chat = texts.news(self.data, self.count(500)), self.records.measure, self.models.chat
        shown = texts.labelled_news(self.data, 8)

        def one_by_one() -> Variant:
            chain = ZeroShotClassificationChain(chat(), texts.LABELS)
            few = inputs[: self.count(40)]

            def run() -> float:
                start = time.perf_counter()
                for text in few:
                    chain.invoke(text)
                return len(few) / (time.perf_counter() - start)

            return run

        def chain(**options: Any) -> Callable[[], Variant]:
            return lambda: self.per_second(ZeroShotClassificationChain(chat(), texts.LABELS, **options), inputs)

        measure("labels, no examples", "llmkit", "texts/s", chain())
        measure("labels, 8 examples shown", "llmkit", "texts/s", chain(examples=shown, show_examples=True))
        measure("labels, one by one", "llmkit", "texts/s", one_by_one)

    def labels_peers(self) -> None:
        """Measure the stock recipe, which generates the label, at batch size 64."""
        inputs, shown = texts.news(self.data, self.count(500)), texts.labelled_news(self.data, 8)
        begin = f"Classify the text into one of these labels: {', '.join(texts.LABELS)}."
        for name, examples in (("no examples", []), ("8 examples shown", shown)):
            parts = [f"Text: {one['input']}\nLabel: {one['output']}" for one in examples]
            prompts = ["\n\n".join([begin, *parts, f"Text: {text}\nLabel:"]) for text in inputs]
            self.records.measure(
                f"labels, {name}",
                "FewShotPromptTemplate and HuggingFacePipeline, batch size 64",
                "texts/s",
                partial(self._generated_labels, prompts),
            )

    def _generated_labels(self, prompts: list[str]) -> Variant:
        return self.per_second(self.models.pipeline(4, 64), prompts)

    def spans(self) -> None:
        """Measure entities and answers."""
        count, measure, chat = self.count(64), self.records.measure, self.models.chat
        sentences, questions = texts.sentences(self.data, count), texts.questions(self.data, count)
        measure("entities", "llmkit", "texts/s", lambda: self.per_second(NERChain(chat()), sentences))
        measure("answers", "llmkit", "questions/s", lambda: self.per_second(QAChain(chat()), questions))

    def turns(self) -> None:
        """Measure the first token of each turn of a conversation; the value is that of the last turn."""
        turns = min(TURNS, self.count(TURNS))

        def first(llm: BaseChatModel) -> Variant:
            def run() -> float:
                self.models.engine.prefix_cache.clear()
                times = first_tokens(llm, turns)
                listed = [round(seconds * 1000, 1) for seconds in times]
                self.records.write("first token by turn", type(llm).__name__, "ms", turns=listed)
                return times[-1] * 1000

            return run

        row = f"first token, turn {turns}"
        settings = {"temperature": 0, "max_new_tokens": 24}
        self.records.measure(row, "llmkit", "ms", lambda: first(self.models.chat(**settings)))

        def stock() -> Variant:
            from langchain_huggingface import ChatHuggingFace

            return first(ChatHuggingFace(llm=self.models.pipeline(24, 1)))

        self.records.measure(row, "ChatHuggingFace", "ms", stock)


ROWS: dict[str, Callable[[Table], None]] = {
    "kernels": Table.kernels,
    "agreement": Table.agreement,
    "conversation": Table.conversation,
    "prompts": Table.prompts,
    "labels": Table.labels,
    "spans": Table.spans,
    "turns": Table.turns,
    "conversation-peers": Table.conversation_peers,
    "prompts-peers": Table.prompts_peers,
    "labels-peers": Table.labels_peers,
}


def measure_table(
    model: str,
    device: str,
    *,
    data: Path | None,
    which: Sequence[str],
    rounds: int,
    scale: float,
    seconds: float,
    path: Path | None,
) -> None:
    """Measure the rows, print each as a line of JSON, and add it to a file."""
    records = Records(device_name(device), path, seconds, rounds)
    table = Table(Models(model, device, scale), records, data, scale)
    for name in which or ROWS:
        try:
            ROWS[name](table)
        except Exception as error:  # before anything of the row was measured, such as a kernel that is missing
            records.write(name, "llmkit", "", error=f"{type(error).__name__}: {error}"[:300])

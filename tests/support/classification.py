"""Labels, tiny models for each prompt layout, and a comparison of results, for the tests of classification."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from llmkit.chains import Classification
from llmkit.chains.classification.contextual_calibration import NEUTRAL
from llmkit.chains.classification.scorer import LabelScorer
from llmkit.chains.labels import Labels
from llmkit.prompts import TaskPrompt
from tests.support.models import chat, completion

MODELS = {name: (chat, name) for name in ("llama", "gpt_neox", "t5", "bart")} | {
    f"{name} completes": (completion, name) for name in ("gpt2", "opt")
}
LABELS = ["the dog", "the", "the dog sleeps", "Paris", "日本", "שלום", "😀", "<|im_end|>", "a\nb", "{labels}"]


class WordCounts(Embeddings):
    """Embeds a text as the counts of a few words, and of all others."""

    words = ("dog", "paris", "capital", "sleeps")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        found = [word.strip(".,?") for word in text.lower().split()]
        counts = [float(found.count(word)) for word in self.words]
        return [*counts, 0.1 + 0.1 * (len(found) - sum(counts)), 0.3 * ("the" in found)]


def tiny_llm(name: str, **options: Any) -> Any:
    make, architecture = MODELS[name]
    return make(architecture, **options)


def label_scorer(
    llm: Any, labels: Sequence[str], *, multi_label: bool = False, prompt: str = "classify"
) -> LabelScorer:
    return LabelScorer.from_labels(
        llm, TaskPrompt.load(prompt), Labels.validate(labels, None, multi_label=multi_label), NEUTRAL.alternatives
    )


def results_agree(result: Classification, expected: Classification) -> bool:
    """Return whether two results are equal up to float32, ignoring the order of their labels."""
    log_probabilities = {label: math.log(probability) for label, probability in result.scores.items()}
    expected_log_probabilities = {label: math.log(probability) for label, probability in expected.scores.items()}
    return log_probabilities == pytest.approx(expected_log_probabilities, abs=2e-4) and set(result.labels) == set(
        expected.labels
    )


def taught(count: int = 6, *, labels: Sequence[str] = ("the dog", "Paris")) -> list[dict[str, Any]]:
    """Return examples of two labels, which `WordCounts` tells apart."""
    texts = dict(zip(labels, ["My dog sleeps {}", "Paris is the capital {}"], strict=True))
    return [{"input": text.format(number), "output": label} for number in range(count) for label, text in texts.items()]

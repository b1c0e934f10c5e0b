"""What examples are used for: one choice, by what is better than zero-shot by more than a margin."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.chains.calibration import ExampleUse, TriedUse
from llmkit.chains.classification.contextual_calibration import NEUTRAL
from llmkit.chains.classification.example_use import choose, compare, try_calibration, try_model_uses
from llmkit.chains.classification.few_shot import MAX_MEASURED, MAX_SHOWN, MIN_SCORED, FewShot
from llmkit.chains.labels import Labels
from tests.support.classification import WordCounts, label_scorer, taught, tiny_llm

LABELS = ["animal", "place"]


def scores_of(truth: np.ndarray, knows: float, seed: int = 0) -> np.ndarray:
    return knows * truth + np.random.default_rng(seed).normal(size=truth.shape)


def truth_of(texts: int, labels: int = 3) -> np.ndarray:
    return np.eye(labels, dtype=bool)[np.arange(texts) % labels]


def tried(use: ExampleUse, gain: float, margin: float) -> TriedUse:
    return TriedUse(use, 32, 1 - gain, 0.5, 1.0, 0.5, margin)


def test_the_way_with_the_largest_advantage_wins() -> None:
    head, prompt, prior = tried("head", 0.2, 0.1), tried("prompt", 0.5, 0.3), tried("prior", 0.1, 0.2)
    assert choose([head, prompt, prior]) == "prompt"
    assert choose([head, prior]) == "head"
    assert choose([prior]) == choose([]) == "none"


def test_what_knows_more_is_chosen_and_what_knows_nothing_is_not() -> None:
    truth = truth_of(32)
    zero_shot = scores_of(truth, 1.0)
    better = compare("prompt", scores_of(truth, 4.0, 1), zero_shot, truth, independent=False)
    worse = compare("prior", scores_of(truth, 0.0, 2), zero_shot, truth, independent=False)
    assert choose([worse, better]) == "prompt"
    assert better.accuracy > better.zero_shot_accuracy > worse.accuracy
    assert choose([worse]) == "none"


def test_a_difference_within_its_standard_errors_is_not_chosen() -> None:
    """Of two losses as often lower as higher by the same, the mean difference is far below its standard error."""
    truth = truth_of(40, 2)
    zero_shot = np.zeros(truth.shape)
    scores = 2.0 * truth * np.where(np.arange(40) % 4 < 2, 1, -1)[:, None] + 0.2 * truth
    found = compare("prompt", scores, zero_shot, truth, independent=False)
    gains = np.log(2) - np.log1p(np.exp(-(scores * truth).sum(axis=1)))
    assert found.margin == pytest.approx(2 * gains.std(ddof=1) / np.sqrt(40))
    assert found.advantage < 0
    assert choose([found]) == "none"


@given(st.integers(0, 10_000), st.booleans(), st.floats(0, 3))
def test_a_fitted_temperature_is_never_worse_than_zero_shot(seed: int, independent: bool, knows: float) -> None:
    truth = truth_of(12)
    zero_shot = scores_of(truth, knows, seed)
    mixture, found = try_calibration(zero_shot, truth, independent=independent)
    assert found.use == "calibration"
    assert found.advantage > -1e-6
    assert not mixture.learned.size


class Trying(FewShot):
    """Examples whose scores in the prompt are given."""

    known: float
    parts: int

    def try_prompt(self) -> Iterator[tuple[list[int], np.ndarray, float]]:
        for part in (range(8, 24), range(24, 40)):
            object.__setattr__(self, "parts", self.parts + 1)
            yield list(part), self.known * self.truth[[self.measured[index] for index in part]], 1.0


@pytest.mark.parametrize(("knows", "parts"), [(3.0, 2), (-3.0, 1)])
def test_a_prompt_that_is_worse_is_tried_on_a_part_of_the_examples(knows: float, parts: int) -> None:
    labels = Labels.validate(LABELS, None, multi_label=False)
    scorer = label_scorer(tiny_llm("llama"), labels.verbalized)
    examples: Any = Trying.from_examples(scorer, labels, None, None, NEUTRAL, taught(20, labels=LABELS))
    object.__setattr__(examples, "known", knows)
    object.__setattr__(examples, "parts", 0)
    zero_shot = np.zeros((len(examples.measured), 2))
    prior, prompt = try_model_uses(examples, zero_shot, lambda _, scores, __: scores)
    assert (prior.use, prompt.use) == ("prior", "prompt")
    assert examples.parts == parts
    assert prompt.texts == 16 * parts


@pytest.mark.parametrize("embedder", [None, WordCounts()])
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_report_has_every_way_that_was_tried(embedder: Any, multi_label: bool) -> None:
    chain = ZeroShotClassificationChain(tiny_llm("llama"), LABELS, embedder=embedder, multi_label=multi_label)
    report = chain.fit(taught(6, labels=LABELS)).examples_report()
    assert report
    assert {one.use for one in report.tried} == {"prior", "prompt", "head" if embedder else "calibration"}
    assert report.use == choose(report.tried)
    assert all(0 <= one.accuracy <= 1 and one.log_loss > 0 and one.margin >= 0 for one in report.tried)
    assert report.reason.startswith(f"{report.use} was chosen; ")
    assert all(f"{one.log_loss:.3f} instead of {one.zero_shot_log_loss:.3f}" in report.reason for one in report.tried)


def test_the_choice_does_not_depend_on_the_order_of_the_examples() -> None:
    examples = taught(6, labels=LABELS)
    first, second = (
        ZeroShotClassificationChain(tiny_llm("llama"), LABELS, examples=rows).examples_report()
        for rows in (examples, examples[::-1])
    )
    assert first
    assert second
    for one, other in zip(first.tried, second.tried, strict=True):
        assert one.log_loss == pytest.approx(other.log_loss, abs=1e-4)


@pytest.mark.slow
def test_what_is_tried_stays_bounded() -> None:
    """With 300 labels and 600 examples, a few thousand labels are scored, and no prompt shows a part of the labels."""
    labels = [f"animal {number}" for number in range(300)]
    rows = [{"input": f"The dog {number}", "output": labels[number % 300]} for number in range(600)]
    examples = FewShot.from_examples(
        label_scorer(tiny_llm("llama"), labels),
        Labels.validate(labels, None, multi_label=False),
        None,
        None,
        NEUTRAL,
        rows,
    )
    assert len(examples.sample) == MIN_SCORED
    assert len(examples.measured) == MAX_MEASURED
    assert not examples.can_try_prompt
    assert len(labels) > MAX_SHOWN


@pytest.mark.slow
def test_examples_of_the_default_model_are_put_to_use(default_llm: HuggingFaceChat) -> None:
    """An embedder that knows the words of the examples teaches a model that does not know the labels."""
    chain = ZeroShotClassificationChain(default_llm, ["alpha", "omega"], embedder=WordCounts())
    report = chain.fit(taught(8, labels=["alpha", "omega"])).examples_report()
    assert report
    assert report.use == "head"
    assert report.with_examples < report.without_examples


@pytest.mark.parametrize("embedder", [None, WordCounts()], ids=["model", "embedder"])
def test_examples_of_one_label_are_not_used(embedder: WordCounts | None) -> None:
    examples = [{"input": f"The dog number {number} sleeps.", "output": "animal"} for number in range(8)]
    chain = ZeroShotClassificationChain(tiny_llm("llama"), LABELS, examples=examples, embedder=embedder)
    report = chain.examples_report()
    assert report is not None
    assert (report.use, report.examples, report.tried) == ("none", 8, ())
    assert "all of one label" in report.reason
    plain = ZeroShotClassificationChain(tiny_llm("llama"), LABELS, embedder=embedder)
    assert chain.invoke("The dog sleeps.").scores == pytest.approx(plain.invoke("The dog sleeps.").scores)

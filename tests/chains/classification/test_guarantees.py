"""Classification with a guaranteed error, and label sets: what is guaranteed stands in results and in saved chains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmkit.chains import ZeroShotClassificationChain
from llmkit.errors import InputError
from tests.support.classification import WordCounts, taught, tiny_llm

LABELS = ["animal", "city"]


def chain_of(**options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm("llama"), LABELS, **options)


def rows_of(chain: ZeroShotClassificationChain, count: int = 40, wrong: int = 0) -> list[dict[str, str]]:
    """Return labelled rows of which the chain gets all but the least sure right, whatever the model says."""
    texts = [f"text {number}" for number in range(count)]
    results = sorted(zip(texts, chain.batch(texts), strict=True), key=lambda pair: -max(pair[1].scores.values()))
    other = dict(zip(LABELS, LABELS[::-1], strict=True))
    labels = [max(result.scores, key=result.scores.__getitem__) for _, result in results]
    return [
        {"input": text, "output": other[label] if place >= count - wrong else label}
        for place, ((text, _), label) in enumerate(zip(results, labels, strict=True))
    ]


def test_a_guarantee_sets_the_threshold_and_stands_in_every_result() -> None:
    chain = chain_of()
    rows = rows_of(chain, 40, wrong=10)
    before = chain.calibration
    report = chain.calibrate(rows[::-1], error=0.1)
    found = report.guarantee
    assert found
    assert found.holds
    assert (found.error, found.confidence, found.rows, found.unit) == (0.1, 0.95, 40, "labels")
    assert (found.answered, found.wrong) == (30, 0)
    assert (chain.threshold, report.threshold, chain.calibration) == (found.threshold, found.threshold, before)
    results = chain.batch([row["input"] for row in rows])
    assert [result.label is not None for result in results] == [True] * 30 + [False] * 10
    assert {result.guarantee for result in results} == {found}
    assert results[0].model_dump(mode="json")["guarantee"]["error"] == 0.1


def test_where_nothing_can_be_guaranteed_nothing_changes() -> None:
    chain = chain_of(threshold=0.3)
    report = chain.calibrate(rows_of(chain, 20), error=0.1)
    assert report.guarantee
    assert not report.guarantee.holds
    assert report.guarantee.rows_needed == 29
    assert (chain.threshold, chain.guarantee, chain.invoke("x").guarantee) == (0.3, None, None)


def test_an_attempt_that_fails_keeps_an_earlier_guarantee() -> None:
    chain = chain_of()
    rows = rows_of(chain, 30)
    held = chain.calibrate(rows, error=0.1).guarantee
    assert not chain.calibrate(rows, error=0.01).guarantee.holds
    assert chain.guarantee == held
    assert held


def test_a_threshold_that_is_changed_by_hand_is_no_longer_guaranteed() -> None:
    chain = chain_of()
    chain.calibrate(rows_of(chain), error=0.1)
    assert chain.invoke("x").guarantee
    chain.threshold = 0.9
    assert chain.invoke("x").guarantee is None


@pytest.mark.parametrize("change", ["fit", "calibrate", "prior"])
def test_what_changes_the_probabilities_ends_the_guarantee(change: str) -> None:
    chain = chain_of()
    chain.calibrate(rows_of(chain), error=0.1)
    if change == "fit":
        chain.fit(taught(labels=LABELS))
    else:
        chain.calibrate(taught(labels=LABELS) if change == "calibrate" else ["one", "two"])
    assert chain.guarantee is None
    assert chain.invoke("x").guarantee is None


def test_rows_that_the_chain_has_learned_from_are_refused() -> None:
    examples = taught(labels=LABELS)
    chain = chain_of(examples=examples)
    with pytest.raises(InputError, match="row 2 is one of the texts that the chain learned from"):
        chain.calibrate([{"input": "new", "output": "city"}, examples[0]], error=0.1)
    chain.fit([*taught(4, labels=LABELS), {"input": "fitted text", "output": "city"}])
    with pytest.raises(InputError, match="row 1"):
        chain.calibrate([{"input": " fitted  text", "output": "city"}], error=0.1)
    rows = rows_of(chain)
    chain.calibrate(rows[:2] + [{"input": "z", "output": o} for o in LABELS])
    with pytest.raises(InputError, match="row 2"):
        chain.calibrate([rows[5], rows[1]], error=0.1)
    assert chain.guarantee is None


def test_what_is_asked_for_must_make_sense() -> None:
    chain = chain_of()
    for options in ({"error": 0}, {"error": 0.1, "confidence": 1}, {"error": 0.1, "precision": 0.9}):
        with pytest.raises(InputError, match=r"must be above 0|both given"):
            chain.calibrate(rows_of(chain, 2), **options)
    with pytest.raises(InputError, match="confidence is that of a guarantee: give error, too"):
        chain.calibrate(rows_of(chain, 2), confidence=0.95)
    with pytest.raises(InputError, match="confidence is None, but must be above 0 and below 1"):
        chain.calibrate(rows_of(chain, 2), error=0.1, confidence=None)
    with pytest.raises(InputError, match="error needs labelled rows"):
        chain.calibrate(["a", "b"], error=0.1)


def test_with_several_labels_the_mean_share_of_wrong_labels_is_guaranteed() -> None:
    chain = chain_of(multi_label=True)
    texts = [f"text {number}" for number in range(30)]
    report = chain.calibrate([{"input": text, "output": LABELS} for text in texts], error=0.1)
    assert report.guarantee
    assert (report.guarantee.threshold, report.guarantee.answered, report.guarantee.unit) == (0.0, 30, "labels")
    assert chain.invoke("x").labels
    assert chain.invoke("x").guarantee == report.guarantee


def test_label_sets_cover_the_rows_they_stand_on() -> None:
    chain = chain_of()
    rows = rows_of(chain, 40, wrong=10)
    chain.calibrate(rows, error=0.3)
    sets = chain.sets(coverage=0.8)
    found = sets.batch([row["input"] for row in rows])
    assert sum(row["output"] in one.labels for row, one in zip(rows, found, strict=True)) >= 0.8 * 40
    assert all(one.labels and (one.coverage, one.rows) == (0.8, 40) for one in found)
    assert all(list(one.labels) == sorted(one.labels, key=lambda label: -one.scores[label]) for one in found)
    assert sets.as_tool().invoke({"text": "x"})
    assert chain.sets(coverage=0.99).is_trivial
    assert all(len(one.labels) == 2 for one in chain.sets(0.99).batch(["a", "b"]))


def test_label_sets_stand_on_probabilities_that_were_not_fitted_to_their_rows() -> None:
    chain = chain_of()
    rows = rows_of(chain, 40, wrong=10)
    before = chain.batch(["one", "two"])
    chain.calibrate(rows)
    assert [one.scores for one in chain.sets(0.9).batch(["one", "two"])] == [one.scores for one in before]
    chain.calibrate(rows)  # they are not new any more
    with pytest.raises(InputError, match="call calibrate"):
        chain.sets(0.9)


def test_label_sets_need_rows_and_a_coverage_between_0_and_1() -> None:
    chain = chain_of()
    with pytest.raises(InputError, match="call calibrate"):
        chain.sets()
    chain.calibrate(rows_of(chain), error=0.2)
    with pytest.raises(InputError, match="coverage is 1"):
        chain.sets(1)
    sets = chain.sets()
    chain.calibrate(taught(labels=LABELS))
    with pytest.raises(InputError, match="call sets again"):
        sets.invoke("x")


def test_a_saved_chain_keeps_its_guarantee_its_sets_and_what_it_has_seen(tmp_path: Path) -> None:
    examples = taught(labels=LABELS)
    chain = chain_of(examples=examples, embedder=WordCounts())
    rows = rows_of(chain)
    chain.calibrate(rows, error=0.1)
    wanted = chain.invoke("text 3"), chain.sets(0.8).invoke("text 3")
    chain.save(tmp_path)
    loaded = ZeroShotClassificationChain.load(tmp_path, tiny_llm("llama"), WordCounts())
    assert loaded.guarantee == chain.guarantee
    assert loaded.guarantee
    found = loaded.invoke("text 3"), loaded.sets(0.8).invoke("text 3")
    assert (found[0].label, found[0].guarantee) == (wanted[0].label, wanted[0].guarantee)
    assert (found[1].labels, found[1].rows) == (wanted[1].labels, 40)
    with pytest.raises(InputError, match="row 1"):
        loaded.calibrate(examples, error=0.1)
    assert "text 3" not in (tmp_path / "chain.json").read_text()

"""The benchmark of guarantees: what is guaranteed on some rows is counted on all of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import guarantees
from benchmarks.guarantees import Population, expected_share, load, measure
from llmkit import HuggingFaceChat
from llmkit.chains.guarantees.thresholds import ShareOfFalse, Target
from tests.support.models import chat


def population(rows: int = 400, *, is_binary: bool = True) -> Population:
    """Return answers that are wrong more often the lower their score is, and rows that have none."""
    rng = np.random.default_rng(0)
    scores = np.sort(rng.random(rows))[::-1]
    texts = [ShareOfFalse(np.array([score]), np.array([float(rng.random() > score)])) for score in scores]
    return Population([*texts, *[ShareOfFalse(np.empty(0), np.empty(0))] * (rows // 4)], is_binary)


def test_the_risk_and_the_share_that_is_answered_are_those_of_all_rows() -> None:
    everything = population()
    answered = [text for text in everything.texts if len(text.thresholds) and text.thresholds[0] >= 0.7]
    assert everything.risk(0.7) == pytest.approx(np.mean([text.losses[0] for text in answered]))
    assert everything.answered(0.7) == len(answered) / 500
    assert everything.answered(0.0) == 0.8, "a row without an answer is never answered"


def test_a_row_without_an_answer_counts_but_is_not_wrong() -> None:
    found = population().guarantee(np.arange(500), Target(0.3))
    assert found.rows == 500
    assert found.threshold is not None
    assert found.wrong <= 0.3 * found.answered
    assert population().risk(found.threshold) == pytest.approx(found.wrong / found.answered)


@pytest.mark.parametrize("is_binary", [True, False])
def test_guarantees_hold_on_all_rows_in_most_draws(is_binary: bool) -> None:
    broken, holds, answered = measure(population(is_binary=is_binary), 200, 0.3, 60)
    assert broken <= 0.15  # 5 % is allowed; of 60 draws, 10 or more would be seen once in a thousand times
    assert holds > 0.5
    assert 0 < answered < 1


def test_the_expected_share_of_false_entities_is_controlled() -> None:
    assert 0 < expected_share(population(is_binary=False), 200, 0.1, 40) < 0.13


@pytest.mark.slow
def test_the_scores_of_entities_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"text": "The dog met Paris.", "entities": [{"start": 12, "end": 17, "label": "LOC"}]},
        {"text": "The dog sleeps.", "entities": []},
    ]
    (tmp_path / "wikineural_en_test.jsonl").write_text("\n".join(map(json.dumps, rows * 2)), encoding="utf-8")
    loaded: list[str] = []

    def tiny_chat(model: str) -> HuggingFaceChat:
        loaded.append(model)
        return chat("gpt_neox")

    monkeypatch.setattr(guarantees, "HuggingFaceChat", tiny_chat)
    first, again = (load("wikineural", tmp_path, tmp_path / "scores", "any") for _ in range(2))
    assert loaded == ["any"], "the second time, scores come from the file"
    assert len(first.texts) == len(again.texts) == 2, "the odd rows"
    for one, other in zip(first.texts, again.texts, strict=True):
        assert np.array_equal(one.thresholds, other.thresholds)
        assert (one.losses == 1).all(), "nothing is to be found in these rows"

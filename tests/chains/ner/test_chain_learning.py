"""What NERChain learns: from examples, and from labelled texts that calibrate its probabilities."""

from typing import Any

import pytest

from llmkit.chains import ClassificationTuning, NERChain
from llmkit.chains.ner.chain import DEFAULT_THRESHOLD
from llmkit.chains.ner.tuning import NEUTRAL
from llmkit.errors import InputError
from tests.support.ner import TEXT, chain, chain_of, entities_are_close


@pytest.mark.slow
def test_examples_without_new_information_change_nothing() -> None:
    plain = chain("llama", 0.5)
    texts = ["The dog met Paris in France.", "Seven Lille", "New York is large.", "France", "The quick brown fox"]
    examples = [{"input": text, "output": [each.model_dump() for each in plain.invoke(text)]} for text in texts]
    ner = chain_of(examples=examples)
    assert entities_are_close(ner.invoke(TEXT), chain_of().invoke(TEXT))


def test_examples_improve_the_result() -> None:
    texts = [
        f"{name} met {other}" for name in ("Paris", "Lille", "France", "The Dog") for other in ("Seven", "New York")
    ]
    named = [{"input": text, "output": [{"text": text.split(" met ")[0], "label": "place"}]} for text in texts]
    taught, plain = (
        sum(each.label == "place" and each.start == 0 for entities in chain.batch(texts) for each in entities)
        for chain in (chain_of(examples=named), chain_of())
    )
    assert taught > plain


def test_copies_of_examples_teach_nothing_more() -> None:
    once, twice = chain_of(examples=NAMED[:3]), chain_of(examples=NAMED[:3] * 2)
    assert once.examples_report() == twice.examples_report()
    assert once.examples_report() is not None


NAMED = [
    {"input": f"{name} met {other}", "output": [{"text": name, "label": "place"}]}
    for name in ("Paris", "Lille", "France", "The Dog")
    for other in ("Seven", "New York")
]


@pytest.mark.slow
def test_labelled_texts_calibrate_probabilities_and_the_threshold() -> None:
    texts = [row["input"] for row in NAMED]
    every_candidate = chain_of(tuning=NEUTRAL, threshold=0.0).batch(texts)
    assert not any(found.calibrated for found in every_candidate)
    rows = [{"input": found.text, "output": [entity.model_dump() for entity in found]} for found in every_candidate]
    ner = chain_of(tuning=NEUTRAL)
    report = ner.calibrate(rows, precision=0.1)
    assert report.rows == len(rows)
    assert report.log_loss_after < report.log_loss_before
    assert ner.threshold == report.threshold
    results = ner.batch(texts)
    assert all(found.calibrated for found in results)
    assert any(results)
    assert all(entity.score >= ner.threshold for found in results for entity in found)


@pytest.mark.slow
def test_the_default_tuning_applies_only_to_the_default_labels(default_llm: Any) -> None:
    text = "Aspirin helps."
    assert NERChain(default_llm, ["PER", "loc"]).invoke(text).calibrated
    assert not NERChain(default_llm, ["drug"]).invoke(text).calibrated
    assert not NERChain(default_llm, proper_names=False).invoke(text).calibrated


@pytest.mark.slow
def test_fit_equals_examples_in_the_constructor() -> None:
    fitted = chain_of()
    fitted.calibrate(NAMED)
    assert fitted.fit(NAMED) is fitted
    assert entities_are_close(fitted.invoke(TEXT), chain_of(examples=NAMED).invoke(TEXT))
    with pytest.raises(InputError, match="example 1"):
        fitted.fit([{"input": "Ada"}])
    assert fitted.examples_report() == chain_of(examples=NAMED).examples_report()
    with pytest.raises(InputError, match="there are no examples to learn from"):
        fitted.fit(())
    assert fitted.examples_report() == chain_of(examples=NAMED).examples_report()


def test_invalid_calibration_rows_raise_an_error() -> None:
    ner = chain_of()
    for rows, says in (
        ([], "there are no rows to calibrate with"),
        ("Paris", "rows is a text, but must be a list of labelled texts"),
        ([*NAMED, {"input": "Ada"}], "row 9 has no 'output'; its keys are 'input'"),
        ([{"input": "!!!", "output": []}], "nothing in these rows that could be an entity"),
    ):
        with pytest.raises(InputError, match=says):
            ner.calibrate(rows)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="precision is 2, but must be above 0"):
        ner.calibrate(NAMED, precision=2)
    with pytest.raises(InputError, match="confidence is that of a guarantee: give error, too"):
        ner.calibrate(NAMED, confidence=None)
    with pytest.raises(InputError, match="tuning is ClassificationTuning, but must be a NERTuning"):
        chain_of(tuning=ClassificationTuning())
    assert ner.threshold == DEFAULT_THRESHOLD

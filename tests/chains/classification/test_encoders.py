"""Encoders in place of a language model: the same chain, results, calibration and errors."""

import copy
import json
import logging
import pickle

import numpy as np
import pytest

from llmkit.chains import NERChain, QAChain, SummarizationChain, ZeroShotClassificationChain
from llmkit.errors import InputError
from llmkit.models import HuggingFaceEncoder
from llmkit.prompts import FirstExamples
from tests.support import encoders


def labelled(labels):
    """Return three texts with the first label, and three with the second."""
    return [{"input": f"{TEXTS[place]} {number}", "output": labels[place]} for number in range(3) for place in (0, 1)]


TEXTS = ["The match ended three to two.", "The election was won by the party."]
LABELS = ["sports", "politics", "science"]
EXAMPLES = labelled(LABELS)


def entailment(**options):
    return encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder(**options)


@pytest.mark.parametrize("multi_label", [False, True])
def test_entailment_has_the_probabilities_of_the_zero_shot_pipeline(multi_label):
    chain = ZeroShotClassificationChain(entailment(), LABELS, multi_label=multi_label)
    model = encoders.make("Bert", "ForSequenceClassification", encoders.NLI)
    expected = model.pipeline("zero-shot-classification")(TEXTS, LABELS, multi_label=multi_label)
    for found, result in zip(chain.batch(TEXTS), expected, strict=True):
        assert found.scores == pytest.approx(dict(zip(result["labels"], result["scores"], strict=True)), abs=1e-5)
        assert (found.method, found.calibrated, found.passages) == ("entailment", False, 1)
        assert multi_label or found.label == result["labels"][0]
        likely = tuple(label for label in result["labels"] if found.scores[label] >= 0.5)
        assert found.labels == (likely if multi_label else tuple(result["labels"][:1]))


def test_descriptions_are_what_the_model_sees():
    described = ZeroShotClassificationChain(entailment(), ["a", "b"], {"a": "sports", "b": "politics"})
    plain = ZeroShotClassificationChain(entailment(), ["sports", "politics"])
    assert list(described.invoke(TEXTS[0]).scores.values()) == list(plain.invoke(TEXTS[0]).scores.values())


@pytest.mark.parametrize(
    ("head", "labels", "method", "own"),
    [
        ("ForSequenceClassification", ("only",), "relevance", LABELS),
        ("ForSequenceClassification", ("Sports", "politics", "science"), "classifier", LABELS),
        ("ForMaskedLM", ("only",), "masked words", ["dog", "brown fox", "capital"]),
    ],
)
@pytest.mark.parametrize("multi_label", [False, True])
def test_each_head_gives_probabilities(head, labels, method, own, multi_label):
    chain = ZeroShotClassificationChain(encoders.make("Roberta", head, labels).encoder(), own, multi_label=multi_label)
    first, second = chain.batch(TEXTS)
    assert first.method == method
    assert list(first.scores) == own
    assert all(0 <= score <= 1 for score in first.scores.values())
    assert multi_label or sum(first.scores.values()) == pytest.approx(1)
    assert first.scores != second.scores


def test_the_embedder_of_the_catalog_classifies(default_embedder_folder):
    chain = ZeroShotClassificationChain(HuggingFaceEncoder("minilm-l6", device="cpu"), ["sports", "politics"])
    assert [result.label for result in chain.batch(TEXTS)] == ["sports", "politics"]
    assert chain.invoke(TEXTS[0]).method == "similarity"
    every = ZeroShotClassificationChain(chain.llm, ["sports", "politics"], multi_label=True)
    result = every.invoke(TEXTS[0])
    assert result.scores["sports"] > result.scores["politics"]


def test_the_prior_is_subtracted_only_where_the_model_prefers_labels():
    masked = encoders.make("Bert", "ForMaskedLM").encoder()
    own = ["dog", "fox"]
    calibrated, plain = (
        ZeroShotClassificationChain(masked, own, contextual_calibration=given).invoke(TEXTS[0]).scores
        for given in (None, False)
    )
    assert calibrated != pytest.approx(plain, abs=1e-3)
    assert plain == pytest.approx(dict(zip(own, np.exp(masked.label_scores(TEXTS[:1], own)[0]), strict=True)))
    assert not ZeroShotClassificationChain(entailment(), LABELS).contextual_calibration
    assert ZeroShotClassificationChain(entailment(), LABELS, contextual_calibration=True).contextual_calibration


def test_long_texts_are_read_in_passages_whose_probabilities_are_averaged():
    chain = ZeroShotClassificationChain(entailment(context_window=48), LABELS)
    text = " ".join(TEXTS * 6)
    result, changed = chain.batch([text, f"{text} The dog sleeps and the fox jumps."])
    assert result.passages > 1
    assert sum(result.scores.values()) == pytest.approx(1)
    assert result.scores != pytest.approx(changed.scores, abs=1e-6), "the end of the text counts"


def test_a_batch_equals_single_texts_and_a_bad_one_fails_alone():
    chain = ZeroShotClassificationChain(entailment(), LABELS)
    first, bad, second = chain.batch([TEXTS[0], " ", TEXTS[1]], return_exceptions=True)
    assert isinstance(bad, InputError)
    for result, text in ((first, TEXTS[0]), (second, TEXTS[1])):
        assert result.scores == pytest.approx(chain.invoke(text).scores, abs=1e-5)


def test_calibrate_fits_probabilities_and_a_threshold(caplog):
    chain = ZeroShotClassificationChain(entailment(), LABELS)
    with caplog.at_level(logging.WARNING):
        report = chain.calibrate(EXAMPLES, precision=0.1)
    assert report.log_loss_after < report.log_loss_before
    assert chain.threshold == report.threshold
    assert chain.invoke(TEXTS[0]).calibrated


def test_examples_serve_the_prior_or_the_temperature():
    masked = encoders.make("Bert", "ForMaskedLM").encoder()
    rows = labelled(["dog", "fox"])
    chain = ZeroShotClassificationChain(masked, ["dog", "fox"], examples=rows)
    report = chain.examples_report()
    assert {one.use for one in report.tried} == {"calibration", "prior"}
    assert report.use in ("calibration", "prior")
    assert not chain.shows_examples
    assert chain.invoke(TEXTS[0]).scores != ZeroShotClassificationChain(masked, ["dog", "fox"]).invoke(TEXTS[0]).scores


def test_changed_weights_undo_a_calibration():
    model = copy.deepcopy(encoders.make("Bert", "ForSequenceClassification", encoders.NLI))
    chain = ZeroShotClassificationChain(model.encoder(), LABELS)
    chain.calibrate(EXAMPLES)
    model.model.classifier.weight.data.mul_(-1)
    assert not chain.invoke(TEXTS[0]).calibrated


def test_labels_that_a_classifier_lacks_are_an_error_before_any_work():
    encoder = encoders.make("Bert", "ForSequenceClassification", ("joy", "anger")).encoder()
    with pytest.raises(InputError, match="'sports' is none of this model's own labels: they are 'joy', 'anger'"):
        ZeroShotClassificationChain(encoder, ["joy", "sports"])
    chain = ZeroShotClassificationChain(encoder, ["happy", "furious"], {"happy": "JOY", "furious": "anger"})
    assert set(chain.invoke(TEXTS[0]).scores) == {"happy", "furious"}


@pytest.mark.parametrize("option", [{"prompt": "classify"}, {"selector": FirstExamples()}, {"show_examples": True}])
def test_what_an_encoder_does_not_read_is_an_error(option):
    with pytest.raises(InputError, match=f"{next(iter(option))} is given, but HuggingFaceEncoder is no language model"):
        ZeroShotClassificationChain(entailment(), LABELS, **option)


def test_a_chain_that_needs_another_head_names_what_this_one_does():
    does = r"entailment classifier, which has no .*: it does label_scores \(ZeroShotClassificationChain\)"
    with pytest.raises(InputError, match=does):
        NERChain(entailment())
    with pytest.raises(InputError, match=does):
        QAChain(entailment())
    with pytest.raises(InputError, match=does):
        SummarizationChain(entailment())
    tagger = encoders.make("Bert", "ForTokenClassification", encoders.TAGS).encoder()
    with pytest.raises(InputError, match=r"a classifier of tokens, which has no label_scores: it does span_scores"):
        ZeroShotClassificationChain(tagger, LABELS)


def test_a_chain_over_a_named_encoder_can_be_pickled_and_its_result_dumped(tmp_path):
    model = encoders.make("Bert", "ForSequenceClassification", encoders.NLI)
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    chain = ZeroShotClassificationChain(HuggingFaceEncoder(tmp_path), LABELS)
    copied = pickle.loads(pickle.dumps(chain))
    assert copied.invoke(TEXTS[0]) == chain.invoke(TEXTS[0])
    assert json.loads(chain.invoke(TEXTS[0]).model_dump_json())["method"] == "entailment"


def test_a_second_kind_of_evidence_stands_beside_language_models_only():
    with pytest.raises(InputError, match="embedder is given, but HuggingFaceEncoder is no language model"):
        ZeroShotClassificationChain(entailment(), LABELS, embedder="minilm-l6")

"""What a chain measured with other weights is measured again, and a calibration ends with them."""

import copy
import logging

import pytest
import torch

from llmkit import HuggingFaceChat
from llmkit.chains import NERChain, QAChain, ZeroShotClassificationChain
from tests.support import tiny
from tests.support.classification import WordCounts

TEXT = "Maria Holm built the lighthouse at Karn."
QUESTION = {"question": "Who built the lighthouse?", "context": TEXT}
LABELLED = [{"input": "a good film", "output": "good"}, {"input": "a bad film", "output": "bad"}] * 2
NAMED = [{"input": TEXT, "output": [{"text": "Maria Holm", "label": "person"}]}] * 2
ANSWERED = [{**QUESTION, "answer": "Maria Holm"}, {**QUESTION, "question": "Where is it?", "answer": None}]


@pytest.fixture
def llm():
    one = tiny.make("llama")
    model = copy.deepcopy(one.model).float()
    return HuggingFaceChat(model=model, tokenizer=one.tokenizer, context_window=2048)


def change(llm):
    with torch.no_grad():
        llm.model.model.layers[0].mlp.down_proj.weight.mul_(-1)


def classifier(llm):
    return ZeroShotClassificationChain(llm, ["good", "bad"])


def taught_classifier(llm):
    return ZeroShotClassificationChain(llm, ["good", "bad"], embedder=WordCounts(), examples=LABELLED)


CHAINS = {
    "classification": (classifier, "a fine film", LABELLED),
    "classification, taught": (taught_classifier, "a fine film", LABELLED),
    "ner": (NERChain, TEXT, NAMED),
    "qa": (QAChain, QUESTION, ANSWERED),
}


def numbers(result):
    if hasattr(result, "scores"):
        return list(result.scores.values())
    return [entity.score for entity in result.entities] if hasattr(result, "entities") else [result.confidence]


@pytest.mark.parametrize("name", CHAINS)
def test_priors_are_measured_again(llm, name):
    make, given, _ = CHAINS[name]
    chain = make(llm)
    chain.invoke(given)
    change(llm)
    assert numbers(chain.invoke(given)) == pytest.approx(numbers(make(llm).invoke(given)), abs=1e-4)


@pytest.mark.parametrize("name", CHAINS)
def test_a_calibration_ends_with_the_weights(llm, name, caplog):
    make, given, rows = CHAINS[name]
    chain = make(llm)
    chain.calibrate(rows)
    caplog.clear()  # of a warning that the rows are few
    chain.invoke(given)
    assert not caplog.records
    change(llm)
    with caplog.at_level(logging.WARNING, "llmkit"):
        result = chain.invoke(given)
    assert "have changed: calibrate the chain again" in caplog.text
    assert not getattr(result, "calibrated", getattr(chain, "calibrated", None))
    caplog.clear()
    chain.invoke(given)
    assert not caplog.records, "it is said once"


def test_a_loaded_head_ends_with_the_weights(llm, tmp_path, caplog):
    """It cannot be learned again, for its examples are not saved: that is said."""
    taught_classifier(llm).save(tmp_path)
    chain = ZeroShotClassificationChain.load(tmp_path, llm, embedder=WordCounts())
    assert chain.invoke("a fine film").evidence == "head"
    change(llm)
    with caplog.at_level(logging.WARNING, "llmkit"):
        assert chain.invoke("a fine film").evidence == "both"
    assert "have changed: calibrate the chain again" in caplog.text

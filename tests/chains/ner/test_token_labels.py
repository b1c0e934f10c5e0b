"""Token classifiers in place of a language model: the same chain, results, calibration and errors."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.chains import NERChain
from llmkit.chains.ner.tuning import NEUTRAL
from llmkit.errors import InputError
from llmkit.models import HuggingFaceEncoder
from tests.support import encoders

pytestmark = pytest.mark.slow  # training takes seconds

NAMES = {"PER": ("anna", "carl", "ada", "viktor"), "LOC": ("berlin", "paris", "london"), "ORG": ("acme", "globex")}
TEXT = "Anna founded Acme in Berlin."


@pytest.fixture(scope="module")
def tagger():
    """Return a classifier of tokens that was trained until it knows the names of a few sentences."""
    return encoders.trained_tagger(NAMES)


def found(entities):
    return [(entity.text, entity.label) for entity in entities]


def test_a_trained_classifier_finds_entities_with_exact_offsets(tagger):
    text = "Viktor works for Globex\r\nin London 😀, and Ada for Acme."
    entities = NERChain(tagger.encoder()).invoke(text)
    assert found(entities) == [
        ("Viktor", "person"),
        ("Globex", "organization"),
        ("London", "location"),
        ("Ada", "person"),
        ("Acme", "organization"),
    ]
    assert all(text[entity.start : entity.end] == entity.text for entity in entities)
    assert all(0.5 <= entity.score <= 1 for entity in entities)
    assert (entities.method, entities.calibrated) == ("token labels", False)


def test_scores_are_those_of_the_pipeline(tagger):
    entities = NERChain(tagger.encoder(), ["PER", "LOC", "ORG"]).invoke(TEXT)
    expected = tagger.pipeline("token-classification", aggregation_strategy="first")(TEXT)
    assert [(entity.start, entity.end, entity.label) for entity in entities] == [
        (item["start"], item["end"], item["entity_group"]) for item in expected
    ]
    scores = [float(item["score"]) for item in expected]
    assert [entity.score for entity in entities] == pytest.approx(scores, abs=1e-5)


def test_labels_that_are_not_asked_for_are_left_out(tagger):
    assert found(NERChain(tagger.encoder(), ["person"]).invoke(TEXT)) == [("Anna", "person")]
    chain = NERChain(tagger.encoder(), ["who", "where"], descriptions={"who": "PER, ORG", "where": "LOC"})
    assert found(chain.invoke(TEXT)) == [("Anna", "who"), ("Acme", "who"), ("Berlin", "where")]


def test_a_long_text_is_read_to_its_end_and_a_batch_equals_single_texts(tagger):
    text = "The quick brown fox jumps over the lazy dog, and the dog sleeps on. " * 20 + TEXT
    chain = NERChain(tagger.encoder(context_window=14))
    long, bad, short = chain.batch([text, " ", TEXT], return_exceptions=True)
    assert isinstance(bad, InputError)
    assert found(long) == found(short) == [("Anna", "person"), ("Acme", "organization"), ("Berlin", "location")]
    assert long[0].start == len(text) - len(TEXT)
    assert chain.invoke(TEXT)[0].score == pytest.approx(short[0].score, abs=1e-5)


def test_the_threshold_and_calibration_are_those_of_every_chain(tagger):
    rows = [
        {"input": f"{name.title()} is in Berlin.", "output": [{"text": name.title(), "label": "person"}]}
        for name in NAMES["PER"]
    ]
    chain = NERChain(tagger.encoder(), ["person", "location"])
    before = chain.invoke("Anna is in Berlin.")
    report = chain.calibrate(rows)  # which do not take a city for a location
    assert report.log_loss_after < report.log_loss_before
    after = chain.invoke("Anna is in Berlin.")
    assert after.calibrated
    assert before[1].score > 0.5 > next((entity.score for entity in after if entity.label == "location"), 0.0)
    assert not list(NERChain(tagger.encoder(), ["person"], threshold=1.0).invoke(TEXT))


def test_examples_are_used_if_they_help(tagger):
    output = [{"text": "Anna", "label": "person"}]
    rows = [{"input": TEXT + end, "output": output} for end in ("", " Yes.", " No.", " So.", " Oh.")]
    report = NERChain(tagger.encoder(), ["person"], examples=rows).examples_report()
    assert (report.examples, report.measure) == (5, "log-loss")
    assert (report.use == "head") == (report.with_examples < report.without_examples)


def test_changed_weights_undo_a_calibration(tagger):
    model = copy.deepcopy(tagger)
    chain = NERChain(model.encoder(), ["person"])
    chain.calibrate([{"input": TEXT, "output": [{"text": "Anna", "label": "person"}]}] * 2)
    model.model.classifier.bias.data[0] += 100.0
    result = chain.invoke(TEXT)
    assert (found(result), result.calibrated) == ([], False)


def test_labels_and_arguments_that_it_lacks_are_errors_before_any_work(tagger):
    with pytest.raises(InputError, match=r"'date' is none of this model's own labels: they are 'PER', 'LOC', 'ORG'"):
        NERChain(tagger.encoder(), ["person", "date"])
    with pytest.raises(InputError, match="prompt is given, but HuggingFaceEncoder is no language model"):
        NERChain(tagger.encoder(), prompt="mentions")
    unread = {"max_words": 3, "proper_names": False, "max_passage_tokens": 50, "context_window": 64, "tuning": NEUTRAL}
    for name, value in unread.items():
        with pytest.raises(InputError, match=f"{name} is given, but HuggingFaceEncoder is no language model"):
            NERChain(tagger.encoder(), **{name: value})
    classifier = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder()
    with pytest.raises(InputError, match=r"which has no span_scores: it does label_scores"):
        NERChain(classifier)


def test_a_chain_over_a_named_encoder_can_be_pickled(tagger, tmp_path):
    tagger.model.save_pretrained(tmp_path)
    tagger.tokenizer.save_pretrained(tmp_path)
    chain = NERChain(HuggingFaceEncoder(tmp_path))
    assert pickle.loads(pickle.dumps(chain)).invoke(TEXT) == chain.invoke(TEXT)


@given(text=st.text(min_size=1, max_size=60).filter(str.strip))
@settings(max_examples=40)
def test_every_entity_is_a_span_of_the_text(text):
    encoder = encoders.make("Roberta", "ForTokenClassification", encoders.TAGS).encoder(context_window=20)
    entities = NERChain(encoder, threshold=0.0).invoke(text)
    assert all(text[entity.start : entity.end] == entity.text != "" for entity in entities)
    edges = [edge for entity in entities for edge in (entity.start, entity.end)]
    assert edges == sorted(edges)

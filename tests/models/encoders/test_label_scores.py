"""Labels by each head equal those of transformers' pipelines, and no text is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import InputError, ModelUnusable, PromptError
from llmkit.models import HuggingFaceEncoder
from tests.support import encoders

TEXTS = ["The match ended three to two.", "The election was won by the party.", "東京 is naïve 😀\r\nand the dog"]
LABELS = ["sports", "politics", "a long label of many words"]
EMOTIONS = ("joy", "anger", "fear")

every_architecture = pytest.mark.parametrize("architecture", encoders.ARCHITECTURES)


def by_label(result, labels):
    scores = dict(zip(result["labels"], result["scores"], strict=True))
    return [scores[label] for label in labels]


@every_architecture
@pytest.mark.parametrize("multi_label", [False, True])
def test_entailment_equals_the_zero_shot_pipeline(architecture, multi_label):
    model = encoders.make(architecture, "ForSequenceClassification", encoders.NLI)
    found = np.exp(model.encoder().label_scores(TEXTS, LABELS, multi_label=multi_label))
    results = model.pipeline("zero-shot-classification")(TEXTS, LABELS, multi_label=multi_label)
    expected = [by_label(result, LABELS) for result in results]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    "labels",
    [("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), ("entailment", "not_entailment"), ("neutral", "Entailed", "Contra")],
)
def test_the_entailment_index_is_read_from_the_configuration(labels):
    model = encoders.make("Bert", "ForSequenceClassification", labels)
    template = "The text says {}!"
    found = model.encoder(template=template).label_scores(TEXTS[:1], LABELS, multi_label=True)[0]
    for log_probability, label in zip(found, LABELS, strict=True):
        inputs = model.tokenizer(TEXTS[0], template.format(label), return_tensors="pt")
        with torch.no_grad():
            logits = model.model(**inputs).logits[0]
        entailment = next(index for index, name in enumerate(labels) if name.lower().startswith("entail"))
        contra = next(index for index, name in enumerate(labels) if name.lower().startswith(("contra", "not")))
        pair = logits[[entailment, contra]].double().log_softmax(-1)
        assert log_probability == pytest.approx(float(pair[0]), abs=1e-5)


@every_architecture
def test_a_classifier_equals_the_text_classification_pipeline(architecture):
    model = encoders.make(architecture, "ForSequenceClassification", EMOTIONS)
    found = np.exp(model.encoder().label_scores(TEXTS, ["Fear", "joy", "ANGER"]))
    results = model.pipeline("text-classification", top_k=None)(TEXTS)
    for row, result in zip(found, results, strict=True):
        scores = {item["label"]: item["score"] for item in result}
        np.testing.assert_allclose(row, [scores["fear"], scores["joy"], scores["anger"]], atol=1e-5)


def test_a_classifier_with_independent_labels_equals_the_pipeline():
    model = encoders.make("Bert", "ForSequenceClassification", EMOTIONS, problem_type="multi_label_classification")
    found = np.exp(model.encoder().label_scores(TEXTS, ["fear"], multi_label=True))
    results = model.pipeline("text-classification", top_k=None)(TEXTS)
    expected = [next(item["score"] for item in result if item["label"] == "fear") for result in results]
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)


def test_some_of_a_classifiers_labels_share_the_probability():
    encoder = encoders.make("Bert", "ForSequenceClassification", EMOTIONS).encoder()
    everything = np.exp(encoder.label_scores(TEXTS, EMOTIONS))
    found = np.exp(encoder.label_scores(TEXTS, ["fear", "joy"]))
    pair = everything[:, [2, 0]]
    np.testing.assert_allclose(found, pair / pair.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(np.exp(encoder.label_scores(TEXTS, ["fear"], multi_label=True))[:, 0], everything[:, 2])


def test_a_description_names_the_heads_own_label_or_several():
    encoder = encoders.make("Bert", "ForSequenceClassification", EMOTIONS).encoder()
    everything = np.exp(encoder.label_scores(TEXTS, EMOTIONS))
    found = np.exp(encoder.label_scores(TEXTS, ["good", "bad"], {"good": "joy", "bad": "anger, fear"}))
    np.testing.assert_allclose(found, np.stack([everything[:, 0], everything[:, 1:].sum(axis=1)], axis=1))


def test_a_label_that_a_classifier_lacks_is_an_error_that_lists_its_own():
    encoder = encoders.make("Bert", "ForSequenceClassification", EMOTIONS).encoder()
    with pytest.raises(InputError, match=r"'sports' is none of this model's own labels: they are 'joy', 'anger'"):
        encoder.label_scores(TEXTS, ["joy", "sports"])
    with pytest.raises(InputError, match="'joy' and 'delight' are the same to this model: 'joy'"):
        encoder.label_scores(TEXTS, ["joy", "delight"], {"delight": "Joy"})


def test_a_cross_encoder_with_one_score_compares_text_and_label():
    model = encoders.make("Roberta", "ForSequenceClassification", ("LABEL_0",))
    encoder = model.encoder()
    pairs = [{"text": text, "text_pair": label} for text in TEXTS for label in LABELS]
    expected = np.array([item["score"] for item in model.pipeline("text-classification")(pairs)]).reshape(3, 3)
    np.testing.assert_allclose(np.exp(encoder.label_scores(TEXTS, LABELS, multi_label=True)), expected, atol=1e-5)
    odds = expected / (1 - expected)
    found = np.exp(encoder.label_scores(TEXTS, LABELS))
    np.testing.assert_allclose(found, odds / odds.sum(axis=1, keepdims=True), rtol=1e-4)


@every_architecture
def test_words_of_one_token_equal_the_fill_mask_pipeline(architecture):
    model = encoders.make(architecture, "ForMaskedLM")
    mask, words = model.tokenizer.mask_token, ["dog", "fox"]
    encoder = model.encoder(template="It is the {}.")
    ids = [encoder._label_head._label_ids(word) for word in words]
    assert all(len(row) == 1 for row in ids) or architecture in ("Albert", "DebertaV2", "Roberta", "XLMRoberta")
    found = encoder.label_scores(TEXTS[:2], words)
    for text, row in zip(TEXTS, found, strict=False):
        if not all(len(row) == 1 for row in ids):
            continue
        targets = model.tokenizer.convert_ids_to_tokens([row[0] for row in ids])
        results = model.pipeline("fill-mask")(f"{text} It is the {mask}.", targets=targets)
        scores = {item["token"]: item["score"] for item in results}
        expected = np.array([scores[row[0]] for row in ids])
        np.testing.assert_allclose(np.exp(row), expected / expected.sum(), atol=1e-5)


def test_words_of_several_tokens_are_scored_from_left_to_right():
    model = encoders.make("Bert", "ForMaskedLM")
    encoder = model.encoder(template="About {}.")
    words = ["dog", "brown fox", "the lazy dog"]
    found = encoder.label_scores(TEXTS[:1], words)[0]
    mask, expected = model.tokenizer.mask_token_id, []
    for label in words:
        ids = model.tokenizer.encode(label, add_special_tokens=False)
        assert len(ids) == len(label.split())
        total = 0.0
        for place, token in enumerate(ids):
            row = model.tokenizer.encode(f"{TEXTS[0]} About " + " ".join(["[MASK]"] * len(ids)) + ".")
            at = [index for index, other in enumerate(row) if other == mask]
            for known in range(place):
                row[at[known]] = ids[known]
            with torch.no_grad():
                logits = model.model(torch.tensor([row])).logits[0, at[place]]
            total += float(logits.double().log_softmax(-1)[token])
        expected.append(total)
    np.testing.assert_allclose(found - found[0], np.array(expected) - expected[0], atol=1e-5)


def test_a_label_outside_of_the_vocabulary_is_an_error():
    encoder = encoders.make("Bert", "ForMaskedLM").encoder()
    with pytest.raises(InputError, match="'ж' has characters that this model's vocabulary lacks"):
        encoder.label_scores(TEXTS, ["dog", "ж"])


def test_the_embedder_of_the_catalog_scores_by_cosine_similarity(default_embedder_folder):
    from llmkit.models import default_embedder

    encoder = HuggingFaceEncoder("minilm-l6", device="cpu")
    texts = ["The match ended 3 to 2.", "The government passed the law."]
    found = encoder.label_scores(texts, ["sports", "politics"])
    assert found.argmax(axis=1).tolist() == [0, 1]
    embedder = default_embedder()
    vectors = np.array(embedder.embed_documents(texts)), np.array(embedder.embed_documents(["sports", "politics"]))
    odds = np.exp(20 * vectors[0] @ vectors[1].T)
    np.testing.assert_allclose(np.exp(found), odds / odds.sum(axis=1, keepdims=True), atol=1e-5)


HEADS = {
    "entailment": ("ForSequenceClassification", encoders.NLI),
    "classifier": ("ForSequenceClassification", ("sports", "politics", "science")),
    "masked": ("ForMaskedLM", ("LABEL_0",)),
}


@pytest.mark.parametrize("head", HEADS)
def test_a_long_text_is_the_mean_of_its_passages_and_its_end_counts(head):
    encoder = encoders.make("Bert", *HEADS[head]).encoder(context_window=40)
    labels = ["sports", "politics"]
    sentences = ["The dog sleeps.", "The quick brown fox jumps over the lazy dog and the fox."] * 3
    [whole] = np.exp(encoder.label_scores([" ".join(sentences)], labels))
    [alone] = np.exp(encoder.label_scores([sentences[-1]], labels))
    [other_end] = np.exp(encoder.label_scores([" ".join([*sentences, "Paris is the capital of France."])], labels))
    assert whole.sum() == pytest.approx(1)
    assert not np.allclose(whole, alone)
    assert not np.allclose(whole, other_end)


@pytest.mark.parametrize("head", HEADS)
def test_names_of_special_tokens_in_a_text_are_text(head):
    encoder = encoders.make("Bert", *HEADS[head]).encoder()
    plain, special = encoder.label_scores(["a b", "a [SEP] [MASK] b"], ["sports", "politics"])
    model = encoders.make("Bert", *HEADS[head])
    assert encoder.get_num_tokens("[SEP]") > 1 == len(model.tokenizer.encode("[SEP]", add_special_tokens=False))
    assert not np.allclose(plain, special)


@given(texts=st.lists(st.text(min_size=1, max_size=60).filter(str.strip), min_size=1, max_size=4))
def test_a_text_has_the_same_scores_alone_and_in_a_batch(texts):
    encoder = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder(batch_size=3)
    together = encoder.label_scores(texts, LABELS)
    for row, text in zip(together, texts, strict=True):
        np.testing.assert_allclose(row, encoder.label_scores([text], LABELS)[0], atol=1e-5)


def test_many_texts_are_scored_in_chunks(monkeypatch):
    encoder = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder()
    texts = [f"{text} {number}" for number in range(3) for text in TEXTS]
    expected = encoder.label_scores(texts, LABELS)
    monkeypatch.setattr("llmkit.models.encoder.MAX_PAIRS", 7)
    np.testing.assert_allclose(encoder.label_scores(texts, LABELS), expected, atol=1e-5)


def test_labels_that_leave_no_tokens_for_a_text_are_an_error():
    encoder = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder(context_window=12)
    with pytest.raises(InputError, match="leave no tokens for a text in the window of 12"):
        encoder.label_scores(["The dog"], ["the quick brown fox jumps over the lazy dog", "cat"])


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ("one text", ["a", "b"], "texts is 'one text', but must be a list"),
        (["text"], "ab", "labels is 'ab', but must be a list"),
        ([" "], ["a", "b"], "texts is .* none of them empty"),
        ([], ["a", "b"], "texts is empty: give at least one"),
        (["text"], [], "labels is empty: give at least one"),
        ([7], ["a", "b"], r"texts is \[7\]"),
    ],
)
def test_bad_input_is_an_error_before_any_work(texts, labels, message):
    encoder = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder()
    with pytest.raises(InputError, match=message):
        encoder.label_scores(texts, labels)


def test_heads_that_compare_labels_cannot_judge_one_by_itself():
    encoder = encoders.make("Bert", "ForMaskedLM").encoder()
    with pytest.raises(InputError, match="a masked language model compares labels with one another"):
        encoder.label_scores(["text"], ["dog", "fox"], multi_label=True)


def test_heads_of_several_labels_must_say_which_is_the_contradiction():
    encoder = encoders.make("Bert", "ForSequenceClassification", ("entailment", "A", "B")).encoder()
    with pytest.raises(ModelUnusable, match="labels of this head are entailment, A, B, of which none is called contra"):
        encoder.label_scores(["text"], ["dog"], multi_label=True)


@pytest.mark.parametrize(
    ("texts", "labels", "descriptions"),
    [(["\ud800"], ["a", "b"], {}), (["a"], ["b", "\udfff"], {}), (["a"], ["b", "c"], {"b": "\ud800"})],
)
def test_half_a_surrogate_pair_is_an_error_of_the_text(texts, labels, descriptions):
    for head in ("ForMaskedLM", "ForSequenceClassification"):
        with pytest.raises(PromptError, match="half a surrogate pair at 0: decode the text"):
            encoders.make("Bert", head, encoders.NLI).encoder().label_scores(texts, labels, descriptions)

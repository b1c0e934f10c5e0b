"""Models of sentence-transformers, by folder and as objects: embedders, cross-encoders, and those that are refused."""

import numpy as np
import pytest
from sentence_transformers import CrossEncoder, SentenceTransformer, SparseEncoder
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from llmkit.chains import ZeroShotClassificationChain
from llmkit.errors import InputError, ModelUnusable
from llmkit.models import HuggingFaceEncoder
from llmkit.models.encoders.heads import Head
from llmkit.models.weights.model_folder import has_head
from tests.support import encoders

LABELS = ["sports", "politics", "science"]
TEXTS = ["The match ended three to two.", "The minister spoke to parliament."]


def save(tmp_path, head, labels=("LABEL_0",)):
    """Save a tiny model and its tokenizer, and return the folder."""
    tiny = encoders.make("Bert", head, labels)
    tiny.model.save_pretrained(tmp_path / "plain")
    tiny.tokenizer.save_pretrained(tmp_path / "plain")
    return tmp_path / "plain"


@pytest.fixture
def embedder(tmp_path):
    transformer = Transformer(str(save(tmp_path, "Model")))
    pooling = Pooling(transformer.get_embedding_dimension())
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")


@pytest.mark.parametrize(
    ("labels", "head"), [(("LABEL_0",), Head.RELEVANCE), (encoders.NLI, Head.ENTAILMENT), (("a", "b"), Head.CLASSIFIER)]
)
def test_a_cross_encoder_has_the_head_of_its_model(tmp_path, labels, head):
    plain = save(tmp_path, "ForSequenceClassification", labels)
    saved = CrossEncoder(str(plain), device="cpu")
    saved.save_pretrained(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "modules.json").is_file()
    expected = HuggingFaceEncoder(plain)
    asked = ["a", "b"] if head is Head.CLASSIFIER else LABELS
    for found in (HuggingFaceEncoder(tmp_path / "saved"), HuggingFaceEncoder(saved)):
        assert found.head is head
        assert found.context_window == expected.context_window
        np.testing.assert_allclose(found.label_scores(TEXTS, asked), expected.label_scores(TEXTS, asked), atol=1e-5)


def test_the_relevance_of_a_cross_encoder_is_what_it_predicts(tmp_path):
    model = CrossEncoder(str(save(tmp_path, "ForSequenceClassification")), device="cpu")
    expected = model.predict([(TEXTS[0], label) for label in LABELS])  # a sigmoid, as with multi_label
    found = np.exp(HuggingFaceEncoder(model).label_scores(TEXTS[:1], LABELS, multi_label=True))
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_a_sparse_encoder_is_refused_by_its_name(tmp_path):
    model = SparseEncoder(str(save(tmp_path, "ForMaskedLM")), device="cpu")
    model.save_pretrained(str(tmp_path / "saved"))
    for refused in (model, tmp_path / "saved"):
        with pytest.raises(ModelUnusable, match="is a SparseEncoder of sentence-transformers"):
            HuggingFaceEncoder(refused)


def test_an_embedder_is_loaded_as_one(tmp_path, embedder):
    embedder.save_pretrained(str(tmp_path / "saved"))
    assert has_head(tmp_path / "saved")
    (tmp_path / "saved" / "config_sentence_transformers.json").write_text("{}")  # of older versions
    loaded = HuggingFaceEncoder(tmp_path / "saved")
    assert loaded.head is Head.EMBEDDER
    expected = HuggingFaceEncoder(embedder).label_scores(TEXTS, LABELS)
    np.testing.assert_allclose(loaded.label_scores(TEXTS, LABELS), expected, atol=1e-5)


def test_a_new_embedder_is_taken_as_it_is_and_one_in_training_is_refused(embedder):
    assert embedder.training  # which only the wrapper is: it has no effect
    assert HuggingFaceEncoder(embedder).label_scores(TEXTS, LABELS).shape == (2, 3)
    embedder.train()
    with pytest.raises(ModelUnusable, match="is in training mode"):
        HuggingFaceEncoder(embedder)


def test_a_label_that_is_longer_than_the_window_is_an_error(embedder):
    encoder = HuggingFaceEncoder(embedder)
    long = "dog " * (encoder.context_window - 2)
    assert encoder.label_scores(TEXTS, ["a", long]).shape == (2, 2)
    with pytest.raises(InputError, match="is 127 tokens, but the model reads 126: give a shorter one"):
        encoder.label_scores(TEXTS, ["a", f"{long} fox"])
    with pytest.raises(InputError, match="the description of 'a' is 127 tokens"):
        ZeroShotClassificationChain(encoder, ["a", "b"], {"a": f"{long} fox"})
    prompted = SentenceTransformer(
        modules=list(embedder), prompts={"query": "dog dog: "}, default_prompt_name="query", device="cpu"
    )
    with pytest.raises(InputError, match="is 126 tokens, but the model reads 123"):
        HuggingFaceEncoder(prompted).label_scores(TEXTS, ["a", long])

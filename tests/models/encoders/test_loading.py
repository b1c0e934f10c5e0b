"""Encoders are loaded by name or from objects, and what has no head that can be used is refused."""

import copy
import pickle

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from llmkit.errors import InputError, ModelNotFound, ModelUnusable
from llmkit.models import HuggingFaceEncoder
from llmkit.models.encoders.heads import Head
from tests.support import encoders, tiny

LABELS = ["sports", "politics"]
TEXTS = ["The dog sleeps.", "The match ended."]


@pytest.fixture
def folder(tmp_path):
    model = encoders.make("Bert", "ForSequenceClassification", encoders.NLI)
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_equals_the_saved_model_and_is_loaded_once(folder):
    loaded, again = HuggingFaceEncoder(folder), HuggingFaceEncoder(str(folder), batch_size=1)
    given = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder()
    expected = given.label_scores(TEXTS, LABELS)
    np.testing.assert_allclose(loaded.label_scores(TEXTS, LABELS), expected, atol=1e-6)
    np.testing.assert_allclose(again.label_scores(TEXTS, LABELS), expected, atol=1e-5)
    assert loaded._encoder is again._encoder
    assert loaded.head is Head.ENTAILMENT
    assert loaded.capabilities == ("label_scores",)
    assert repr(loaded) == f"HuggingFaceEncoder({str(folder)!r}, head='entailment classifier')"
    assert loaded.num_parameters * 4 <= loaded.memory_footprint()


def test_an_encoder_by_name_can_be_pickled_with_its_options(folder):
    loaded = HuggingFaceEncoder(folder, template="About {}", context_window=50, batch_size=2)
    copied = pickle.loads(pickle.dumps(loaded))
    assert (copied.template, copied.context_window) == ("About {}", 50)
    np.testing.assert_array_equal(copied.label_scores(TEXTS, LABELS), loaded.label_scores(TEXTS, LABELS))
    with pytest.raises(InputError, match="given as an object"):
        pickle.dumps(encoders.make("Bert", "ForMaskedLM").encoder())


@pytest.mark.parametrize(
    ("head", "labels", "expected", "capabilities"),
    [
        ("ForSequenceClassification", encoders.NLI, Head.ENTAILMENT, ("label_scores",)),
        ("ForSequenceClassification", ("a",), Head.RELEVANCE, ("label_scores",)),
        ("ForSequenceClassification", ("a", "b"), Head.CLASSIFIER, ("label_scores",)),
        ("ForMaskedLM", ("a",), Head.MASKED_LM, ("label_scores", "fill_mask")),
        ("ForTokenClassification", encoders.TAGS, Head.TOKEN_CLASSIFIER, ("span_scores",)),
        ("ForQuestionAnswering", ("a", "b"), Head.QUESTION_ANSWERING, ("answer_spans",)),
    ],
)
def test_capabilities_are_read_from_the_configuration(head, labels, expected, capabilities):
    encoder = encoders.make("Bert", head, labels).encoder()
    assert (encoder.head, encoder.capabilities) == (expected, capabilities)


@pytest.mark.parametrize("head", ["ForTokenClassification", "ForQuestionAnswering"])
def test_what_a_head_cannot_do_is_an_error_that_says_what_it_can(head):
    encoder = encoders.make("Bert", head, ("O", "B-PER")).encoder()
    with pytest.raises(InputError, match=r"which has no label_scores: it does \w+ \(\w+"):
        encoder.label_scores(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("architecture", "window"),
    [("Bert", encoders.WINDOW), ("Roberta", encoders.WINDOW), ("XLMRoberta", encoders.WINDOW)],
)
def test_the_window_is_what_the_model_has_positions_for(architecture, window):
    model = encoders.make(architecture, "ForMaskedLM")
    tokenizer = copy.copy(model.tokenizer)
    tokenizer.model_max_length = 10**30
    assert HuggingFaceEncoder(model.model, tokenizer=tokenizer).context_window == window
    tokenizer.model_max_length = 20
    assert HuggingFaceEncoder(model.model, tokenizer=tokenizer).context_window == 20


def test_a_window_is_read_to_its_last_position():
    encoder = encoders.make("Roberta", "ForSequenceClassification", ("a", "b")).encoder()
    text = "the " * 400
    assert encoder.label_scores([text], ["a", "b"]).shape == (1, 2)


@pytest.mark.parametrize("window", [0, -1, True, 10_000, "64"])
def test_a_window_that_the_model_lacks_is_an_error(window):
    with pytest.raises(InputError, match=r"context_window is .* at most 128"):
        encoders.make("Bert", "ForMaskedLM").encoder(context_window=window)


@pytest.mark.parametrize("template", ["no place", "{} {}", 7])
def test_a_template_has_one_place_for_the_label(template):
    with pytest.raises(InputError, match="must be a text with one"):
        encoders.make("Bert", "ForMaskedLM").encoder(template=template)


@pytest.mark.parametrize("batch_size", [0, True, "2"])
def test_a_batch_has_at_least_one_input(batch_size):
    with pytest.raises(InputError, match="batch_size is"):
        encoders.make("Bert", "ForMaskedLM").encoder(batch_size=batch_size)


def test_generators_and_models_without_a_head_are_refused(tmp_path):
    with pytest.raises(ModelUnusable, match=r"smollm2-135m generates text: use HuggingFaceChat\('smollm2-135m'\)"):
        HuggingFaceEncoder("smollm2-135m")
    llama = tiny.make("llama")
    with pytest.raises(ModelUnusable, match="this is a LlamaForCausalLM, which HuggingFaceEncoder cannot use"):
        HuggingFaceEncoder(llama.model, tokenizer=llama.tokenizer)
    bert = encoders.make("Bert", "Model")
    bert.model.save_pretrained(tmp_path)
    bert.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelUnusable, match="has a BertModel, which HuggingFaceEncoder cannot use"):
        HuggingFaceEncoder(tmp_path)


def test_a_model_of_two_heads_is_loaded_as_a_masked_language_model(tmp_path):
    both = encoders.make("Bert", "ForPreTraining")
    both.model.save_pretrained(tmp_path)
    both.tokenizer.save_pretrained(tmp_path)
    encoder = HuggingFaceEncoder(tmp_path)
    assert encoder.head is Head.MASKED_LM
    [found] = encoder.fill_mask("The man works as a [MASK].", top_k=1)
    inputs = both.tokenizer("The man works as a [MASK].", return_tensors="pt")
    with torch.no_grad():
        logits = both.model(**inputs).prediction_logits[0]
    place = inputs["input_ids"][0].tolist().index(both.tokenizer.mask_token_id)
    assert found[0].token == int(logits[place].argmax())
    with pytest.raises(ModelUnusable, match="this is a BertForPreTraining, which HuggingFaceEncoder cannot use"):
        both.encoder()


def test_an_encoder_that_is_trained_is_loaded_anew(folder):
    first = HuggingFaceEncoder(folder)
    first._encoder.loaded.model.train()
    second = HuggingFaceEncoder(folder)
    assert second._encoder is not first._encoder
    with pytest.raises(ModelUnusable, match="in training mode"):
        first.label_scores(TEXTS, LABELS)


def test_a_classifier_with_an_encoder_and_a_decoder_works():
    tokenizer = encoders.roberta_tokenizer()  # BART has the same, with both texts of a pair
    config = copy.deepcopy(tiny.make("bart").model.config)
    config.id2label = dict(enumerate(encoders.NLI))
    config.label2id = {label: index for index, label in enumerate(encoders.NLI)}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = transformers.BartForSequenceClassification(config).eval()
    encoder = HuggingFaceEncoder(model, tokenizer=tokenizer)
    pipe = transformers.pipeline("zero-shot-classification", model=model, tokenizer=tokenizer, device="cpu")
    for row, result in zip(np.exp(encoder.label_scores(TEXTS, LABELS)), pipe(TEXTS, LABELS), strict=True):
        scores = dict(zip(result["labels"], result["scores"], strict=True))
        np.testing.assert_allclose(row, [scores[label] for label in LABELS], atol=1e-5)


def test_a_head_without_weights_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    body = {name: value for name, value in weights.items() if "classifier" not in name}
    save_file(body, folder / "model.safetensors")
    with pytest.raises(ModelUnusable, match=r"lacks 2 of the weights of a BertForSequenceClassification"):
        HuggingFaceEncoder(folder)


def test_bad_objects_names_and_options_are_errors(folder):
    model = encoders.make("Bert", "ForMaskedLM")
    with pytest.raises(InputError, match="a loaded model needs its tokenizer"):
        HuggingFaceEncoder(model.model)
    with pytest.raises(InputError, match="model is a number, but must be a name"):
        HuggingFaceEncoder(7)
    with pytest.raises(ModelNotFound):
        HuggingFaceEncoder("no-such-model")
    for option in ({"dtype": "int3"}, {"device": "nowhere"}, {"quantization": "int2"}):
        with pytest.raises(InputError):
            HuggingFaceEncoder(folder, **option)


def test_an_adapter_is_refused(folder):
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "task_type": "SEQ_CLS"}')
    save_file(load_file(folder / "model.safetensors"), folder / "adapter_model.safetensors")
    with pytest.raises(ModelUnusable, match="has an adapter, which HuggingFaceEncoder does not apply: merge it"):
        HuggingFaceEncoder(folder)


def test_a_model_in_training_mode_is_refused():
    model = copy.deepcopy(encoders.make("Bert", "ForMaskedLM"))
    model.model.train()
    with pytest.raises(ModelUnusable, match="in training mode"):
        model.encoder()


def test_neither_model_nor_tokenizer_is_changed():
    model = encoders.make("Bert", "ForMaskedLM")
    before = model.tokenizer.backend_tokenizer.to_str()
    model.encoder().label_scores(["The dog " * 90], ["dog", "fox"])
    assert model.tokenizer.backend_tokenizer.to_str() == before
    assert model.encoder().weights_version == 0


def test_changed_weights_are_noticed():
    model = copy.deepcopy(encoders.make("Bert", "ForSequenceClassification", encoders.NLI))
    encoder = model.encoder()
    before = encoder.label_scores(TEXTS, LABELS)
    model.model.classifier.weight.data.mul_(-1)
    assert encoder.weights_version == 1
    assert not np.allclose(before, encoder.label_scores(TEXTS, LABELS))


def test_a_decoder_with_a_classification_head_works_without_a_padding_token():
    llama = tiny.make("llama")
    config = copy.deepcopy(llama.model.config)
    config.pad_token_id, config.num_labels = None, 2
    config.id2label = {0: "good", 1: "bad"}
    model = transformers.LlamaForSequenceClassification(config).eval()
    tokenizer = copy.deepcopy(llama.tokenizer)
    tokenizer.pad_token = None
    encoder = HuggingFaceEncoder(model, tokenizer=tokenizer)
    together = encoder.label_scores(["The dog", "The quick brown fox jumps"], ["good", "bad"])
    for row, text in zip(together, ["The dog", "The quick brown fox jumps"], strict=True):
        np.testing.assert_allclose(row, encoder.label_scores([text], ["good", "bad"])[0], atol=1e-5)


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy])
def test_copies_share_the_weights(make_copy):
    encoder = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder(batch_size=3)
    copied = make_copy(encoder)
    assert copied is not encoder
    assert copied._encoder is encoder._encoder
    np.testing.assert_array_equal(copied.label_scores(TEXTS, LABELS), encoder.label_scores(TEXTS, LABELS))

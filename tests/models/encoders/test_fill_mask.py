"""Words for masks equal those of transformers' pipeline."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.errors import ContextWindowExceeded, InputError, PromptError
from tests.support import encoders

every_architecture = pytest.mark.parametrize("architecture", encoders.ARCHITECTURES)


def model_of(architecture="Bert"):
    return encoders.make(architecture, "ForMaskedLM")


@every_architecture
def test_the_likeliest_words_equal_those_of_the_pipeline(architecture):
    model = model_of(architecture)
    text = f"The man works as a {model.tokenizer.mask_token}, and the dog sleeps."
    [found] = model.encoder().fill_mask(text, top_k=7)
    expected = model.pipeline("fill-mask")(text, top_k=7)
    assert [(item.token, item.text) for item in found] == [
        (item["token"], item["token_str"].strip()) for item in expected
    ]
    np.testing.assert_allclose([item.score for item in found], [item["score"] for item in expected], atol=1e-5)


@every_architecture
def test_each_of_several_masks_has_a_list_of_its_own(architecture):
    model = model_of(architecture)
    mask = model.tokenizer.mask_token
    text = f"The {mask} works as a {mask}."
    found = model.encoder().fill_mask(text, top_k=3)
    expected = model.pipeline("fill-mask")(text, top_k=3)
    assert [[item.token for item in row] for row in found] == [[item["token"] for item in row] for row in expected]
    scores = [[item["score"] for item in row] for row in expected]
    np.testing.assert_allclose([[item.score for item in row] for row in found], scores, atol=1e-5)


@pytest.mark.parametrize("architecture", ["Bert", "ModernBert"])
def test_targets_equal_those_of_the_pipeline(architecture):
    model = model_of(architecture)
    text = f"The woman works as a {model.tokenizer.mask_token}."
    targets = ["nurse", "judge", "cook"]
    [found] = model.encoder().fill_mask(text, targets=targets)
    expected = model.pipeline("fill-mask")(text, targets=targets)
    assert [item.text for item in found] == [item["token_str"] for item in expected]
    np.testing.assert_allclose([item.score for item in found], [item["score"] for item in expected], atol=1e-5)


def test_a_target_is_the_token_of_its_place():
    """With tokenizers of bytes a word within a sentence begins with its space."""
    model = model_of("Roberta")
    mask, encoder = model.tokenizer.mask_token, model_of("Roberta").encoder()
    inside, first = (encoder.fill_mask(text, targets=["The"])[0][0] for text in (f"a b {mask} c", f"{mask} dog"))
    ids = [model.tokenizer.convert_tokens_to_ids(token) for token in ("ĠThe", "The")]
    assert first.token == ids[1]
    assert inside.token == ids[0] or ids[0] == model.tokenizer.unk_token_id


def test_targets_of_several_tokens_and_texts_without_a_mask_are_errors():
    encoder = model_of().encoder()
    with pytest.raises(InputError, match=r"'politician' is \d+ tokens of this model \(.*##.*\), but a mask is one"):
        encoder.fill_mask("The man is a [MASK].", targets=["nurse", "politician"])
    with pytest.raises(InputError, match=r"the text has no mask: write \[MASK\] where"):
        encoder.fill_mask("The man is a <mask>.")
    with pytest.raises(InputError, match="lacks: give other words"):
        encoder.fill_mask("The man is a [MASK].", targets=["ж"])
    with pytest.raises(ContextWindowExceeded, match="the text need"):
        encoder.fill_mask("the dog " * 100 + "[MASK]")
    wrong: list[dict[str, Any]] = [{"top_k": 0}, {"targets": []}, {"targets": "nurse"}, {"targets": [" "]}]
    for options in wrong:
        with pytest.raises(InputError, match=r"top_k is 0|targets is"):
            encoder.fill_mask("A [MASK].", **options)
    with pytest.raises(InputError, match="which has no fill_mask: it does label_scores"):
        encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder().fill_mask("A [MASK].")


def test_other_special_tokens_of_the_text_are_text():
    model = model_of()
    plain, special = (model.encoder().fill_mask(text)[0] for text in ("The dog [MASK].", "The dog [SEP] [MASK]."))
    assert plain != special
    encoder = model.encoder()
    item, places = encoder._masked_head._masked(["The [SEP] ", "."])
    assert item.ids.count(model.tokenizer.sep_token_id) == 1
    assert len(places) == 1
    assert encoder.mask_token == "[MASK]"


def test_truncation_that_others_set_on_the_tokenizer_does_not_matter():
    model = model_of()
    encoder = model.encoder()
    text = "The quick brown fox jumps over the lazy [MASK]."
    before = encoder.fill_mask(text)
    model.tokenizer(["a b c d e f", "a"], truncation=True, max_length=4, padding="max_length")
    try:
        assert model.encoder().fill_mask(text) == encoder.fill_mask(text) == before
    finally:
        model.tokenizer(["a"])


@given(left=st.text(max_size=12), right=st.text(max_size=12))  # so that any fits the window of 128 tokens
@settings(max_examples=40)
def test_every_mask_of_any_text_gets_probabilities(left, right):
    for architecture in ("Bert", "Roberta", "Albert"):
        encoder = model_of(architecture).encoder()
        mask = encoder.mask_token
        if not (left + right).strip() or mask in f"{left}{right}":
            continue
        found = encoder.fill_mask(f"{left}{mask}{right}{mask}", top_k=2)
        assert len(found) == 2
        assert all(0 < item.score <= 1 for row in found for item in row)


def test_a_text_that_no_tokenizer_takes_is_an_error():
    encoder = model_of().encoder()
    with pytest.raises(PromptError, match="text has half a surrogate pair at 0"):
        encoder.fill_mask(f"\ud800 {encoder.mask_token}")
    with pytest.raises(InputError, match="text is 7, but must be text, and not empty"):
        encoder.fill_mask(7)
    with pytest.raises(ContextWindowExceeded, match="the text needs"):
        encoder.fill_mask(f"{encoder.mask_token} dog" * 200)

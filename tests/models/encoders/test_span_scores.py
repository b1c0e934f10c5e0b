"""Entities of token classifiers equal those of transformers' pipeline, with exact offsets in texts of any length."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import InputError
from llmkit.models.encoders.tags import TagScheme
from llmkit.text.segmentation import Span
from tests.support import encoders

TEXT = "Anna Berg founded Acme in Berlin, and Carl Lind works for Globex in Paris."
TYPES = ["PER", "LOC", "ORG"]


def tagger(architecture="Bert", tags=encoders.TAGS, **options):
    return encoders.make(architecture, "ForTokenClassification", tags).encoder(**options)


def best(encoder, text, labels=TYPES):
    """Return each span with its likeliest label and the probability of that."""
    [(spans, rows)] = encoder.span_scores([text], labels)
    columns = rows[:, :-1].argmax(axis=1)
    return [
        (span.start, span.end, labels[column], float(np.exp(row[column])))
        for span, row, column in zip(spans, rows, columns, strict=True)
    ]


def expected(architecture, text, strategy, tags=encoders.TAGS):
    model = encoders.make(architecture, "ForTokenClassification", tags)
    found = model.pipeline("token-classification", aggregation_strategy=strategy)(text)
    return [(item["start"], item["end"], item["entity_group"], float(item["score"])) for item in found]


@pytest.mark.parametrize("architecture", ["Bert", "DistilBert", "Electra", "ModernBert"])
@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
def test_entities_equal_those_of_the_pipeline(architecture, strategy):
    for text in (TEXT, "東京 is naïve, and the dog (Rex) is in London!", "ADA\r\nLovelace\tof Globex"):
        found, wanted = best(tagger(architecture, aggregation=strategy), text), expected(architecture, text, strategy)
        assert [item[:3] for item in found] == [item[:3] for item in wanted]
        assert len(wanted) > 1
        np.testing.assert_allclose([item[3] for item in found], [item[3] for item in wanted], atol=1e-5)


@pytest.mark.parametrize("architecture", ["Roberta", "XLMRoberta"])
def test_entities_of_tokenizers_of_bytes_equal_those_of_the_pipeline(architecture):
    tokenizer = encoders.make(architecture, "ForTokenClassification", encoders.TAGS).tokenizer
    words = "The quick brown fox jumps over the lazy dog, and the dog sleeps on. Paris is a capital (of France)."
    text = " ".join(word for word in words.split() if "Ġ" not in tokenizer.tokenize(f" {word}"))
    assert len(text.split()) > 5, "a token of white space alone is no part of an entity, but it is one to the pipeline"
    found, wanted = best(tagger(architecture, aggregation="simple"), text), expected(architecture, text, "simple")
    assert [item[:3] for item in found] == [(start, end, label) for start, end, label, _ in wanted]
    np.testing.assert_allclose([item[3] for item in found], [item[3] for item in wanted], atol=1e-5)


@pytest.mark.parametrize("architecture", ["Albert", "DebertaV2"])
def test_pieces_of_sentences_are_tagged_too(architecture):
    found, wanted = best(tagger(architecture, aggregation="simple"), TEXT), expected(architecture, TEXT, "simple")
    scores = {label: sorted(item[3] for item in found if item[2] == label) for label in TYPES}
    assert {label for label, of_label in scores.items() if of_label} == {item[2] for item in wanted}
    assert all(TEXT[start:end] == TEXT[start:end].strip() for start, end, *_ in found)


def test_tags_without_a_position_join_neighbors():
    tags = ("O", "PER", "LOC", "ORG")
    found, wanted = best(tagger(tags=tags), TEXT), expected("Bert", TEXT, "first", tags)
    assert [item[:3] for item in found] == [item[:3] for item in wanted]
    np.testing.assert_allclose([item[3] for item in found], [item[3] for item in wanted], atol=1e-5)


@pytest.mark.parametrize(
    ("names", "sequence", "ranges"),
    [
        ("O B-PER I-PER", "O B-PER I-PER B-PER O I-PER", [(1, 3), (3, 4), (5, 6)]),
        ("O B-PER I-PER B-LOC I-LOC", "B-PER I-LOC I-LOC B-LOC", [(0, 1), (1, 3), (3, 4)]),
        ("O B-PER I-PER E-PER S-PER", "S-PER S-PER B-PER I-PER E-PER I-PER", [(0, 1), (1, 2), (2, 5), (5, 6)]),
        ("O B-PER I-PER L-PER U-PER", "B-PER L-PER U-PER L-PER", [(0, 2), (2, 3), (3, 4)]),
        ("O B-PER M-PER E-PER S-PER", "B-PER M-PER M-PER E-PER O", [(0, 4)]),
        ("O PER LOC", "PER PER LOC O PER", [(0, 2), (2, 3), (4, 5)]),
        ("O I-PER I-LOC", "I-PER I-PER O I-LOC", [(0, 2), (3, 4)]),
        ("O PER-B PER-I", "PER-B PER-I PER-B", [(0, 2), (2, 3)]),
        ("O B_PER I_PER", "B_PER I_PER O", [(0, 2)]),
        ("outside B-PER I-PER", "outside B-PER outside", [(1, 2)]),
    ],
)
def test_every_scheme_of_tags_is_decoded(names, sequence, ranges):
    order = names.split()
    scheme = TagScheme.parse(order)
    assert scheme.entities([order.index(tag) for tag in sequence.split()]) == ranges
    assert set(scheme.types) <= {"PER", "LOC"}


def test_labels_are_matched_by_name_alias_and_description():
    encoder = tagger()
    assert best(encoder, TEXT, ["person", "location", "organization"]) == [
        (start, end, {"PER": "person", "LOC": "location", "ORG": "organization"}[label], score)
        for start, end, label, score in best(encoder, TEXT)
    ]
    [(_, three)] = encoder.span_scores([TEXT], TYPES)
    [(_, two)] = encoder.span_scores([TEXT], ["who", "rest"], {"who": "PER", "rest": "LOC, ORG"})
    np.testing.assert_allclose(np.exp(two[:, 1]), np.exp(three[:, 1:3]).sum(axis=1))
    with pytest.raises(InputError, match=r"'date' is none of this model's own labels: they are 'PER', 'LOC', 'ORG'"):
        encoder.span_scores([TEXT], ["person", "date"])


def test_the_probabilities_of_a_span_add_up_to_one():
    for _, rows in tagger().span_scores([TEXT, "東京 😀"], ["PER", "LOC"]):
        np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1.0, atol=1e-9)


def test_each_word_of_a_long_text_has_the_window_with_the_most_around_it():
    model = encoders.make("Bert", "ForTokenClassification", encoders.TAGS)
    text = " ".join([TEXT] * 4)
    encoder = model.encoder(context_window=22)
    ids = model.tokenizer.encode(text, add_special_tokens=False)
    size, step = 20, 10
    assert len(ids) > 60
    rows = []
    for place in range(len(ids)):
        starts = [start for start in range(0, max(len(ids) - (size - step), 1), step) if start <= place < start + size]

        def around(start, place=place):
            before = place - start if start else len(ids)
            return min(before, start + size - 1 - place if start + size < len(ids) else len(ids))

        start = max(starts, key=around)
        window = torch.tensor([[2, *ids[start : start + size], 3]])
        with torch.no_grad():
            logits = model.model(window, token_type_ids=torch.zeros_like(window)).logits[0, 1 + place - start]
        rows.append(logits.softmax(-1).numpy())
    [found] = encoder._token_head._token_probabilities([encoder._passes.encode_text(text)])
    np.testing.assert_allclose(found, rows, atol=1e-5)
    assert best(encoder, text)[-1][1] > len(TEXT) * 3


def test_a_long_text_keeps_its_last_entities_and_no_border_cuts_one():
    encoder = tagger(context_window=30)
    text = " ".join([TEXT] * 12)
    ends = [end for _, end, *_ in best(encoder, text)]
    assert max(ends) > 11 * len(TEXT)
    spans = encoder.span_scores([text], TYPES)[0].spans
    inside = [index for index in range(1, len(text)) if text[index - 1].isalnum() and text[index].isalnum()]
    assert not {edge for span in spans for edge in (span.start, span.end)} & set(inside)


@pytest.mark.parametrize("architecture", ["Bert", "Roberta", "Albert"])
@given(text=st.text(min_size=1, max_size=80).filter(str.strip))
def test_spans_are_in_order_within_any_text_and_have_no_white_space_around(architecture, text):
    encoder = tagger(architecture, context_window=16)
    [(spans, rows)] = encoder.span_scores([text], TYPES)
    assert rows.shape == (len(spans), 4)
    end = 0
    for span in spans:
        assert end <= span.start < span.end <= len(text)
        assert span.of(text) == span.of(text).strip()
        end = span.end


@pytest.mark.parametrize("architecture", ["Bert", "Roberta", "Albert"])
def test_words_of_any_script_are_whole(architecture):
    text = "Zoë O'Neill\r\nvisited 大阪 and Москва 👩‍👩‍👧 cafe\u0301 (Acme)."
    encoder = tagger(architecture, aggregation="average")
    encoding = encoder._passes.encode_text(text)
    head = encoder._token_head
    found = {word.span.of(text) for word in head._words(text, encoding, np.zeros((len(encoding.ids), 7)))}
    assert {"visited", "and", "Acme", "("} <= found
    assert {"大", "阪"} <= found or architecture == "Albert", "unknown characters are one token"
    assert not any(" " in word or "\n" in word for word in found)


def test_an_unknown_aggregation_and_an_empty_window_are_errors():
    with pytest.raises(InputError, match="aggregation is 'last', but must be one of simple, first, average, max"):
        tagger(aggregation="last")
    with pytest.raises(InputError, match="context_window is 2, which leaves no token for a text"):
        tagger(context_window=2).span_scores([TEXT], TYPES)


def test_a_text_without_entities_has_no_spans():
    model = encoders.make("Bert", "ForTokenClassification", ("O", "B-PER"))
    bias = torch.tensor([1e4, 0.0])
    before = model.model.classifier.bias.data.clone()
    model.model.classifier.bias.data.copy_(bias)
    try:
        [(spans, rows)] = model.encoder().span_scores([TEXT], ["PER"])
    finally:
        model.model.classifier.bias.data.copy_(before)
    assert (spans, rows.shape) == ([], (0, 2))


def test_spans_are_offsets():
    [(spans, _)] = tagger().span_scores([TEXT], TYPES)
    assert all(isinstance(span, Span) for span in spans)


def test_a_long_text_is_read_from_its_encoding_once():
    class Counted:
        """An encoding, whose lists are made anew at each access."""

        def __init__(self, encoding):
            self.encoding, self.accesses = encoding, 0

        def __getattr__(self, name):
            self.accesses += 1
            return getattr(self.encoding, name)

    head = tagger()._token_head
    accesses = []
    for count in (1, 40):
        text = " ".join([TEXT] * count)
        encoding = Counted(head.passes.encode_text(text))
        [rows] = head._token_probabilities([encoding])
        assert list(head._words(text, encoding, rows))
        accesses.append(encoding.accesses)
    assert accesses[0] == accesses[1]

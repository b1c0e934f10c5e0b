"""Answers of question-answering heads equal those of transformers' former pipeline, in passages of any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models.encoders.question_answering import OVERLAP
from tests.support import encoders
from tests.support.former_qa_pipeline import answers

QUESTION = "Who founded Acme?"
CONTEXT = "Anna Berg founded Acme in Berlin, and Carl Lind works for Globex in Paris."
HEAD = "ForQuestionAnswering"
LABELS = ("LABEL_0", "LABEL_1")


def model_of(architecture):
    return encoders.make(architecture, HEAD, LABELS)


@pytest.mark.parametrize("architecture", ["Bert", "DistilBert", "Electra", "ModernBert"])
@pytest.mark.parametrize("context", [CONTEXT, "東京 (naïve)\r\nis the dog", " ".join([CONTEXT] * 12)])
def test_answers_equal_those_of_the_former_pipeline(architecture, context):
    model = model_of(architecture)
    encoder = model.encoder()
    for top_k in (1, 5):
        found = encoder.answer_spans(QUESTION, [context], top_k=top_k)
        question = len(model.tokenizer.encode(QUESTION, add_special_tokens=False)) + 3
        size = encoder.context_window
        stride = min(OVERLAP, size // 2, (size - question) // 2)
        spans, no_answer = answers(model, QUESTION, context, size=size, stride=stride, top_k=50)
        best: dict[tuple[int, int], float] = {}
        for start, end, score in spans:
            best.setdefault((start, end), score)
        expected = sorted(best.items(), key=lambda item: -item[1])[:top_k]
        assert [(item.span.start, item.span.end) for item in found.spans] == [edges for edges, _ in expected]
        assert [item.score for item in found.spans] == pytest.approx([score for _, score in expected], abs=1e-5)
        assert found.no_answer == pytest.approx(no_answer, abs=1e-5)


@pytest.mark.parametrize("architecture", ["Roberta", "XLMRoberta", "Albert", "DebertaV2"])
def test_scores_equal_those_of_the_former_pipeline_whatever_the_words(architecture):
    model = model_of(architecture)
    found = model.encoder().answer_spans(QUESTION, [CONTEXT])
    spans, no_answer = answers(model, QUESTION, CONTEXT, size=encoders.WINDOW, stride=20)
    assert found.spans[0].score == pytest.approx(spans[0][2], abs=1e-5)
    assert found.no_answer == pytest.approx(no_answer, abs=1e-5)


def test_a_passage_is_read_to_its_end():
    encoder = model_of("Bert").encoder(context_window=40)
    text = " ".join([CONTEXT] * 8)
    found = encoder.answer_spans(QUESTION, [text], top_k=100)
    assert max(answer.span.end for answer in found.spans) > 7 * len(CONTEXT)
    assert all(text[answer.span.start : answer.span.end] == answer.text for answer in found.spans)


def test_the_best_span_of_several_passages_and_questions_is_that_of_each_alone():
    encoder = model_of("Bert").encoder(batch_size=2)
    passages = [CONTEXT, "The dog sleeps.", "Paris is the capital of France."]
    queries = [(QUESTION, passages), ("Where is the dog?", passages[1:])]
    for (question, given_passages), found in zip(queries, encoder.batch_answer_spans(queries), strict=True):
        alone = [encoder.answer_spans(question, [passage]) for passage in given_passages]
        best = max(range(len(alone)), key=lambda place: alone[place].spans[0].score)
        assert (found.spans[0].passage, found.spans[0].span) == (best, alone[best].spans[0].span)
        assert found.spans[0].score == pytest.approx(alone[best].spans[0].score, abs=1e-5)
        assert found.no_answer == pytest.approx(min(item.no_answer for item in alone), abs=1e-5)


@pytest.mark.parametrize("architecture", ["Bert", "Roberta", "Albert"])
@given(text=st.text(min_size=1, max_size=80).filter(str.strip))
def test_answers_are_spans_of_any_text_without_white_space_around(architecture, text):
    found = model_of(architecture).encoder(context_window=40).answer_spans(QUESTION, [text], top_k=3)
    for answer in found.spans:
        assert text[answer.span.start : answer.span.end] == answer.text == answer.text.strip() != ""
        assert 0 < answer.score <= 1


def test_an_answer_has_at_most_so_many_tokens():
    encoder = model_of("Bert").encoder()
    for limit in (1, 2):
        found = encoder.answer_spans(QUESTION, ["a b c d e f g h"], top_k=50, max_answer_tokens=limit)
        assert max(len(answer.text.split()) for answer in found.spans) == limit


def test_punctuation_is_no_part_of_a_word_that_only_the_tokenizer_joins():
    found = model_of("Albert").encoder().answer_spans("Where?", ["(Paris)."], top_k=20)
    texts = {answer.text for answer in found.spans}
    assert "Paris" in texts
    assert not texts & {"(Pa", "aris", "Par"}


def test_names_of_special_tokens_are_text():
    encoder = model_of("Bert").encoder()
    text = "The dog [SEP] [CLS] sleeps"
    found = encoder.answer_spans("Who [SEP]?", [text], top_k=200)
    assert any("[" in answer.text for answer in found.spans)


def test_a_question_that_leaves_no_tokens_is_an_error():
    encoder = model_of("Bert").encoder(context_window=30)
    with pytest.raises(ContextWindowExceeded, match="the question and a few words of a text need"):
        encoder.answer_spans("Who is the dog? " * 5, [CONTEXT])


@pytest.mark.parametrize(
    ("question", "passages", "options", "message"),
    [
        (" ", [CONTEXT], {}, "question is"),
        (QUESTION, [], {}, "passages is empty"),
        (QUESTION, CONTEXT, {}, "passages is .* must be a list"),
        (QUESTION, [""], {}, "none of them empty"),
        (QUESTION, [CONTEXT], {"top_k": 0}, "top_k is 0"),
        (QUESTION, [CONTEXT], {"max_answer_tokens": True}, "max_answer_tokens is True"),
    ],
)
def test_bad_input_is_an_error(question, passages, options, message):
    with pytest.raises(InputError, match=message):
        model_of("Bert").encoder().answer_spans(question, passages, **options)


def test_other_heads_have_no_answers():
    with pytest.raises(InputError, match="which has no answer_spans: it does label_scores"):
        encoders.make("Bert", "ForMaskedLM").encoder().answer_spans(QUESTION, [CONTEXT])

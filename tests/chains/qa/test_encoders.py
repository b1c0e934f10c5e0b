"""Question-answering heads in place of a language model: the same chain, results, calibration and errors."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import FakeEmbeddings

from llmkit.chains import QAChain
from llmkit.errors import ContextWindowExceeded, InputError, PromptError
from llmkit.models import HuggingFaceEncoder
from llmkit.text.segmentation import Span
from tests.support import encoders

QUESTION = "Who founded Acme?"
CONTEXT = "The dog sleeps in Paris. Anna Berg founded Acme in Berlin.\r\nCarl Lind works for Globex 😀."
LABELS = ("LABEL_0", "LABEL_1")


def encoder_of(architecture="Bert", **options):
    return encoders.make(architecture, "ForQuestionAnswering", LABELS).encoder(**options)


def ask(chain, context=CONTEXT, question=QUESTION):
    return chain.invoke({"question": question, "context": context})


class Answers:
    """A model with `answer_spans` that answers as it is told."""

    capabilities = ("answer_spans",)
    model_name = "answers"
    weights_version = 0

    def __init__(self, *spans, no_answer=0.1):
        self.spans, self.no_answer = spans, no_answer

    def get_num_tokens(self, text):
        return len(text.split())

    def cannot(self, what):
        return InputError(what)

    def check_question(self, question):
        pass

    def batch_answer_spans(self, queries, *, top_k=1):
        return [([self.find(texts, *span) for span in self.spans], self.no_answer) for _, texts in queries]

    @staticmethod
    def find(texts, text, score):
        place = next(place for place, given in enumerate(texts) if text in given)
        start = texts[place].index(text)
        return place, Span(start, start + len(text)), text, score


def test_the_answer_is_the_best_span_with_its_sentence_as_the_quote():
    documents = [Document("The dog sleeps."), Document(CONTEXT, metadata={"source": "https://example.com/a"})]
    answer = ask(QAChain(Answers(("Anna Berg", 0.6), ("The dog", 0.3))), documents)
    [citation] = answer.citations
    assert (answer.text, answer.found, answer.method, answer.calibrated) == ("Anna Berg", True, "spans", False)
    assert citation.quote == "Anna Berg founded Acme in Berlin."
    assert CONTEXT[citation.start : citation.end] == citation.quote
    assert CONTEXT[citation.answer_start : citation.answer_end] == "Anna Berg"
    assert (citation.document, citation.source) == (1, "https://example.com/a")
    assert answer.confidence == pytest.approx(0.6 / 0.7)


def test_no_answer_is_given_where_that_is_likelier():
    answer = ask(QAChain(Answers(("Anna Berg", 0.2), no_answer=0.3)))
    assert (answer.text, answer.found, answer.citations) == ("", False, ())
    assert answer.confidence == pytest.approx(0.4)
    assert ask(QAChain(Answers(("Anna Berg", 0.2), no_answer=0.3), threshold=0.3)).found


def test_the_answer_has_at_most_so_many_words():
    model = Answers(("Anna Berg founded Acme", 0.6), ("Anna Berg", 0.5))
    assert ask(QAChain(model)).text == "Anna Berg founded Acme"
    assert ask(QAChain(model, max_answer_words=2)).text == "Anna Berg"
    assert not ask(QAChain(model, max_answer_words=1)).found


def test_a_span_over_several_sentences_is_quoted_with_all_of_them():
    answer = ask(QAChain(Answers(("Paris. Anna", 0.6))))
    assert answer.citations[0].quote == "The dog sleeps in Paris. Anna Berg founded Acme in Berlin."


def test_a_head_answers_as_it_does_alone():
    encoder = encoder_of()
    chain = QAChain(encoder, threshold=0.0)
    answer = ask(chain)
    found = encoder.answer_spans(QUESTION, [CONTEXT], top_k=20)
    best = next(span for span in found.spans if len(span.text.split()) <= 8)
    assert answer.text == best.text
    assert answer.confidence == pytest.approx(best.score / (best.score + found.no_answer), abs=1e-5)
    assert ask(chain, question="Is it open?").method == "spans"


def test_a_batch_equals_single_questions_and_a_bad_one_fails_alone():
    chain = QAChain(encoder_of(context_window=64), threshold=0.0)
    long = " ".join([CONTEXT] * 8)
    inputs = [{"question": QUESTION, "context": text} for text in (CONTEXT, " ", [long, CONTEXT])]
    first, bad, second = chain.batch(inputs, return_exceptions=True)
    assert isinstance(bad, InputError)
    for answer, given_input in ((first, inputs[0]), (second, inputs[2])):
        alone = chain.invoke(given_input)
        assert (answer.text, answer.citations) == (alone.text, alone.citations)
        assert answer.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_calibrate_fits_confidence_and_threshold():
    chain = QAChain(encoder_of())
    rows = [
        {"question": QUESTION, "context": f"{CONTEXT} {number}.", "answer": "Anna Berg" if number % 2 else None}
        for number in range(6)
    ]
    report = chain.calibrate(rows)
    assert report.correct_after >= report.correct_before
    assert (chain.calibrated, chain.threshold) == (True, report.threshold)
    assert ask(chain).calibrated


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "abstractive"}, r"question-answering head, which has no text generation, which style='abstractive'"),
        ({"prompt": "question-answering"}, "prompt is given, but HuggingFaceEncoder is no language model"),
        ({"examples": [{"input": "a", "question": "b", "output": "c"}]}, "examples is given"),
        ({"embedder": FakeEmbeddings(size=2)}, "embedder is given"),
        ({"top_k": 5}, "top_k is given"),
        ({"max_new_tokens": 8}, "max_new_tokens is given"),
        ({"context_window": 64}, "context_window is given"),
    ],
)
def test_what_a_head_cannot_do_is_an_error_before_any_work(options, message):
    with pytest.raises(InputError, match=message):
        QAChain(encoder_of(), **options)


def test_other_heads_and_long_questions_are_errors():
    classifier = encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder()
    with pytest.raises(InputError, match="which has no answer_spans: it does label_scores"):
        QAChain(classifier)
    with pytest.raises(ContextWindowExceeded, match="the question and a few words of a text"):
        ask(QAChain(encoder_of(context_window=30)), question="Who is the dog? " * 6)


def test_a_chain_over_a_named_encoder_can_be_pickled(tmp_path):
    model = encoders.make("Bert", "ForQuestionAnswering", LABELS)
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    chain = QAChain(HuggingFaceEncoder(tmp_path), threshold=0.0)
    assert ask(pickle.loads(pickle.dumps(chain))) == ask(chain)


@given(text=st.text(min_size=1, max_size=80).filter(str.strip))
@settings(max_examples=40)
def test_every_quote_and_answer_is_a_span_of_the_text(text):
    answer = ask(QAChain(encoder_of("Roberta"), threshold=0.0), text)
    for citation in answer.citations:
        assert text[citation.start : citation.end] == citation.quote
        assert citation.start <= citation.answer_start < citation.answer_end <= citation.end
        assert text[citation.answer_start : citation.answer_end] == answer.text


@pytest.mark.parametrize(
    "bad", [{"context": "a \ud800"}, {"context": ["ok", "\udc00"]}, {"question": "Who \ud800 is it?"}]
)
def test_half_a_surrogate_pair_fails_its_own_row(bad):
    chain = QAChain(encoder_of(), threshold=0.0)
    good = {"question": QUESTION, "context": CONTEXT}
    first, failed, last = chain.batch([good, {**good, **bad}, good], return_exceptions=True)
    assert isinstance(failed, PromptError)
    assert "half a surrogate pair at" in str(failed)
    assert first == last == ask(chain)


def test_copies_of_a_chain_share_the_encoder():
    chain = QAChain(encoder_of(), threshold=0.0)
    for copied in (copy.copy(chain), copy.deepcopy(chain)):
        assert ask(copied) == ask(chain)

"""LangChain's decision models over local models: typed questions, independent of the order of their options."""

import copy
import itertools
import json
import pickle
from typing import Any

import numpy as np
import pytest
from langchain_core.decisions import BaseDecisionModel, Box, Choice, Noul, NoulCriteria, Score
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from llmkit import HuggingFaceLLM
from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models import HuggingFaceDecisions, HuggingFaceEncoder
from llmkit.models.langchain.decision_state import state_text
from llmkit.text.content_free import NEUTRAL_TEXTS
from tests.support import encoders
from tests.support.models import chat, completion

STATE = "The quick brown fox jumps over the lazy dog, and the dog sleeps on."
CRITERIA = {
    "billing": "Payment, invoice or subscription issues.",
    "technical": None,
    "sales": "Pricing and purchasing questions",
}
QUESTIONS: dict[str, Any] = {
    "urgent": Noul(instructions="Does this need a quick answer?", criteria=NoulCriteria(true="It is about a fox.")),
    "team": Choice(instructions="Which team should handle this?", criteria=CRITERIA),
    "mood": Score(instructions="How calm is the dog?", criteria=["Not at all.", "Somewhat calm.", "Fast asleep."]),
}


def entailment(**options):
    return encoders.make("Bert", "ForSequenceClassification", encoders.NLI).encoder(**options)


MODELS = {
    "chat": lambda: chat("llama"),
    "completion": lambda: completion("llama"),
    "entailment": entailment,
    "relevance": lambda: encoders.make("Roberta", "ForSequenceClassification", ("LABEL_0",)).encoder(),
    "masked words": lambda: encoders.make("Bert", "ForMaskedLM").encoder(),
}
every_model = pytest.mark.parametrize("model", MODELS)


def decide(model, state=STATE, questions=QUESTIONS):
    return HuggingFaceDecisions(MODELS[model]()).invoke({"state": state, "questions": questions})


@every_model
def test_every_type_of_question_has_an_answer_with_probabilities(model):
    response = decide(model)
    assert list(response.answers) == ["urgent", "team", "mood"]
    assert 0 <= response.nouls["urgent"].noul <= 1
    team, mood = response.choices["team"], response.scores["mood"]
    assert list(team.probabilities) == list(CRITERIA)
    assert sum(team.probabilities.values()) == pytest.approx(1)
    assert team.choice == max(team.probabilities, key=lambda name: team.probabilities[name])
    assert team.confidence == team.probabilities[team.choice]
    assert sum(mood.probabilities.values()) == pytest.approx(1)
    assert mood.score == pytest.approx(sum(level * share for level, share in mood.probabilities.items()))
    assert mood.legend == dict(enumerate(QUESTIONS["mood"].criteria))
    assert mood.confidence == max(mood.probabilities.values())
    assert response.model == HuggingFaceDecisions(MODELS[model]()).model


@every_model
def test_the_order_of_options_does_not_matter(model):
    results = []
    for order in (*itertools.permutations(CRITERIA.items()),)[::2]:
        question = Choice(instructions="Which team should handle this?", criteria=dict(order))
        team = decide(model, questions={"team": question}).choices["team"]
        results.append({name: team.probabilities[name] for name in CRITERIA})
    for result in results[1:]:
        assert result == pytest.approx(results[0], abs=1e-5)


def test_options_are_scored_by_their_log_likelihood_less_the_prior():
    llm = chat("llama")
    options = ["billing", "a technical problem of many tokens", "x"]
    question = Choice(instructions="Which team?", criteria=dict.fromkeys(options))
    team = HuggingFaceDecisions(llm).invoke({"state": STATE, "questions": {"team": question}}).choices["team"]
    prompts = [[HumanMessage(f"{text}\n\nWhich team?"), AIMessage("The answer is")] for text in (STATE, *NEUTRAL_TEXTS)]
    scores = np.asarray(llm.score(prompts, [f" {option}" for option in options]))
    odds = np.exp(scores[0] - scores[1:].mean(axis=0))
    expected = dict(zip(options, odds / odds.sum(), strict=True))
    assert team.probabilities == pytest.approx(expected, abs=1e-6)


def test_a_content_free_state_says_nothing():
    """Of states that say nothing, the mean log-probabilities of all options are the same."""
    decisions = HuggingFaceDecisions(chat("llama"))
    rows = []
    for state in NEUTRAL_TEXTS:
        team = decisions.invoke({"state": state, "questions": {"team": QUESTIONS["team"]}}).choices["team"]
        rows.append(np.log(list(team.probabilities.values())))
    np.testing.assert_allclose(np.ptp(np.mean(rows, axis=0)), 0.0, atol=1e-6)


def test_the_criteria_of_a_noul_are_part_of_its_question():
    plain = {"urgent": Noul(instructions="Does this need a quick answer?")}
    assert decide("chat", questions=plain) != decide("chat", questions={"urgent": QUESTIONS["urgent"]})


def test_entailment_is_that_of_the_premise_with_its_question():
    encoder = entailment()
    question = Choice(instructions="What is it about?", criteria={"sports": None, "politics": None})
    response = HuggingFaceDecisions(encoder).invoke({"state": STATE, "questions": {"topic": question}})
    expected = np.exp(encoder.label_scores([f"{STATE}\nWhat is it about?"], ["sports", "politics"])[0])
    assert list(response.choices["topic"].probabilities.values()) == pytest.approx(list(expected), abs=1e-6)


def test_a_classifier_answers_with_its_own_labels_and_an_embedder_by_similarity(default_embedder_folder):
    classifier = encoders.make("Bert", "ForSequenceClassification", ("joy", "anger")).encoder()
    question = Choice(instructions="How does it sound?", criteria={"anger": None, "joy": None})
    decisions = HuggingFaceDecisions(classifier)
    response = decisions.invoke({"state": STATE, "questions": {"tone": question}})
    expected = np.exp(classifier.label_scores([STATE], ["anger", "joy"])[0])
    assert list(response.choices["tone"].probabilities.values()) == pytest.approx(list(expected))
    with pytest.raises(InputError, match="'Yes' is none of this model's own labels"):
        decisions.invoke({"state": STATE, "questions": {"tone": Noul(instructions="Is it joyful?")}})
    embedder = HuggingFaceDecisions(HuggingFaceEncoder("minilm-l6", device="cpu"))
    topic = Choice(instructions="What is it about?", criteria={"sports": None, "politics": None})
    found = embedder.invoke({"state": "The match ended 3 to 2.", "questions": {"topic": topic}})
    assert found.choices["topic"].choice == "sports"


@pytest.mark.parametrize("model", ["chat", "entailment"])
def test_a_long_state_is_read_to_its_end(model):
    llm = chat("llama", context_window=160) if model == "chat" else entailment(context_window=60)
    decisions = HuggingFaceDecisions(llm)
    questions = {"team": Choice(instructions="Which?", criteria={"fox": None, "dog": None})}
    text = " ".join([STATE] * 8)
    first, other = (
        decisions.invoke({"state": state, "questions": questions}).choices["team"].probabilities
        for state in (text, f"{text} Paris is the capital of France.")
    )
    assert sum(first.values()) == pytest.approx(1)
    assert first != pytest.approx(other, abs=1e-9)


def test_a_question_that_leaves_no_tokens_is_an_error():
    questions = {"team": Choice(instructions="the dog " * 200, criteria={"fox": None, "dog": None})}
    for llm in (chat("llama", context_window=128), entailment(context_window=60)):
        with pytest.raises(ContextWindowExceeded, match="the question and its longest option"):
            HuggingFaceDecisions(llm).invoke({"state": STATE, "questions": questions})


def test_states_are_text_messages_or_structures():
    calls = [{"name": "add", "args": {"a": 1}, "id": "1"}]
    messages = [
        SystemMessage("Be kind."),
        HumanMessage([{"type": "text", "text": "Hi"}]),
        AIMessage("", tool_calls=calls),
    ]
    assert state_text("Hi") == "Hi"
    assert state_text(HumanMessage("Hi")) == "user: Hi"
    assert state_text(messages) == 'system: Be kind.\n\nuser: Hi\n\nassistant: {"name": "add", "args": {"a": 1}}'
    nested = json.loads(state_text({"messages": messages[:2], "count": 2, "empty": None, "東京": [True, 1.5]}))
    assert nested["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert nested["東京"] == [True, 1.5]
    assert "東京" in state_text({"東京": 1})
    for state in (messages, {"messages": messages, "text": STATE}, [STATE, 1]):
        assert decide("chat", state).nouls["urgent"].noul > 0


IMAGE: Any = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("", "the state is empty"),
        ([], "the state is empty"),
        ({}, "the state is empty"),
        (IMAGE, "the state has a block of type 'image', but the model reads text only"),
        ({"a": [{"b": IMAGE}]}, "the state has a block of type 'image'"),
        (HumanMessage([IMAGE]), "the state has a block of type 'image'"),
        ([AIMessage([IMAGE])], "the state has a block of type 'image'"),
        ({"a": object()}, "the state has a value of type object"),
    ],
)
def test_a_state_that_cannot_be_read_is_an_error(state, message):
    with pytest.raises(InputError, match=message):
        decide("chat", state)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Box(instructions="the fox"), "question 'q' asks for a box in an image, but the model reads text only"),
        ({"type": "box", "instructions": "the fox"}, "question 'q' asks for a box"),
        ({"type": "guess"}, "question 'q': "),
        (Noul(instructions=" "), "question 'q' is empty"),
        (Noul(instructions=[IMAGE]), "question 'q' has a block of type 'image'"),
        (Choice(instructions="Which?", criteria={"a": "same", "b": "same"}), "two options with the same words"),
        (Score(instructions="How?", criteria=["a", IMAGE]), "a criterion of 'q' has a block of type 'image'"),
    ],
)
def test_a_question_that_cannot_be_answered_is_an_error_before_any_work(question, message):
    with pytest.raises(InputError, match=message):
        decide("chat", questions={"urgent": QUESTIONS["urgent"], "q": question})


def test_there_is_a_question_and_a_model_that_scores():
    with pytest.raises(InputError, match="there are no questions"):
        decide("chat", questions={})
    with pytest.raises(InputError, match="llm is a number, but must be a model with score"):
        HuggingFaceDecisions(7)
    tagger = encoders.make("Bert", "ForTokenClassification", encoders.TAGS).encoder()
    with pytest.raises(InputError, match="which has no label_scores, which decisions need: it does span_scores"):
        HuggingFaceDecisions(tagger)


def test_one_option_is_certain_and_hundreds_work():
    one = Choice(instructions="Which?", criteria={"only": None})
    assert decide("chat", questions={"q": one}).choices["q"].confidence == pytest.approx(1)
    many = Choice(instructions="Which?", criteria={f"option {number}": None for number in range(300)})
    assert sum(decide("chat", questions={"q": many}).choices["q"].probabilities.values()) == pytest.approx(1)


async def test_it_is_a_runnable_like_every_other_decision_model():
    decisions = HuggingFaceDecisions(chat("llama"))
    assert isinstance(decisions, BaseDecisionModel)
    request: Any = {"state": STATE, "questions": QUESTIONS}
    expected = decisions.invoke(request)
    assert await decisions.ainvoke(request) == expected
    assert decisions.batch([request, request]) == [expected, expected]
    assert json.loads(expected.model_dump_json())["answers"]["urgent"]["type"] == "noul"
    assert HuggingFaceDecisions(chat("llama"), model="my-name").invoke(request).model == "my-name"


def test_changed_weights_have_another_prior():
    encoder = copy.deepcopy(encoders.make("Bert", "ForMaskedLM"))
    decisions = HuggingFaceDecisions(encoder.encoder())
    request = {
        "state": STATE,
        "questions": {"team": Choice(instructions="Which?", criteria={"fox": None, "dog": None})},
    }
    before = decisions.invoke(request)
    encoder.model.cls.predictions.bias.data.uniform_(-3, 3)
    assert decisions.invoke(request) != before
    assert decisions.invoke(request) == HuggingFaceDecisions(encoder.encoder()).invoke(request)


def test_a_model_by_name_can_be_pickled(tmp_path):
    model = encoders.make("Bert", "ForSequenceClassification", encoders.NLI)
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    decisions = HuggingFaceDecisions(HuggingFaceEncoder(tmp_path))
    request = {"state": STATE, "questions": QUESTIONS}
    assert pickle.loads(pickle.dumps(decisions)).invoke(request) == decisions.invoke(request)


def test_completion_models_get_plain_text():
    llm = completion("llama")
    assert isinstance(llm, HuggingFaceLLM)
    question = Choice(instructions="Which team?", criteria={"fox": None, "the dog": None})
    team = HuggingFaceDecisions(llm).invoke({"state": STATE, "questions": {"q": question}}).choices["q"]
    prompts = [f"{text}\n\nWhich team?\n\nThe answer is" for text in (STATE, *NEUTRAL_TEXTS)]
    scores = np.asarray(llm.score(prompts, [" fox", " the dog"]))
    odds = np.exp(scores[0] - scores[1:].mean(axis=0))
    assert list(team.probabilities.values()) == pytest.approx(list(odds / odds.sum()), abs=1e-6)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("text", r"the request is a text, but must be a dictionary: give \{'state': "),
        ({"questions": QUESTIONS}, "the request has no 'state'"),
        ({"state": STATE}, "the request has no 'questions'"),
        ({"state": STATE, "questions": [QUESTIONS["team"]]}, "questions is a list, but must be a dictionary"),
        ({"state": "\ud800", "questions": QUESTIONS}, "half a surrogate pair at 0"),
        ({"state": STATE, "questions": {"c": {"instructions": "Which?"}}}, "question 'c': it is "),
    ],
)
async def test_a_request_that_is_none_is_an_error(request_, message):
    decisions = HuggingFaceDecisions(entailment())
    with pytest.raises(InputError, match=message):
        decisions.invoke(request_)
    with pytest.raises(InputError, match=message):
        await decisions.ainvoke(request_)
    [failed, answered] = decisions.batch([request_, {"state": STATE, "questions": QUESTIONS}], return_exceptions=True)
    assert isinstance(failed, InputError)
    assert answered.answers

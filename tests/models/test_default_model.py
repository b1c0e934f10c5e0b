"""The default model with its real weights: what the tests of tiny models check, where weights might matter."""

from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import BaseModel

from llmkit import HuggingFaceChat
from llmkit.models.tokens.turns import message_to_dict
from tests.support.generation import forward_shapes
from tests.support.models import comparable, joined
from tests.support.reference import teacher_forcing
from tests.support.tiny import Tiny
from tests.support.tokenizers import control_tokens, decode_all

pytestmark = pytest.mark.slow

LENGTH = 10
QUESTIONS = ["What is the capital of France?", "Name three colours, in one line.", "Hi!"]


@pytest.fixture(scope="module")
def llm(default_model_folder: Path) -> HuggingFaceChat:
    return HuggingFaceChat(model="smollm2-135m", dtype="float32", device="cpu", temperature=0, max_new_tokens=LENGTH)


@pytest.fixture(scope="module")
def model(llm: HuggingFaceChat) -> Tiny:
    return Tiny(llm.engine.loaded.model, llm.engine.loaded.tokenizer)


def test_answers_equal_those_of_transformers(llm: HuggingFaceChat, model: Tiny) -> None:
    expected = []
    for question in QUESTIONS:
        [ids] = model.reference(llm.engine.encoder.encode_messages([HumanMessage(question)]), max_new_tokens=LENGTH)
        expected.append(model.tokenizer.decode(ids, skip_special_tokens=True))
    assert [llm.invoke(question).content for question in QUESTIONS] == expected
    assert [answer.content for answer in llm.batch(QUESTIONS)] == expected
    assert [joined(list(llm.stream(question))).content for question in QUESTIONS] == expected
    assert "Paris" in expected[0]


def test_a_conversation_computes_only_new_tokens(llm: HuggingFaceChat, model: Tiny) -> None:
    system = "Answer in one word, and write nothing else: no reason, no greeting, and no question of your own."
    conversation = [SystemMessage(system), HumanMessage(QUESTIONS[0])]  # a shorter turn is computed again
    answer = llm.invoke(conversation)
    conversation += [answer, HumanMessage("And of Italy?")]
    [ids] = model.reference(llm.engine.encoder.encode_messages(conversation), max_new_tokens=LENGTH)
    with forward_shapes(llm.engine) as shapes:
        assert llm.invoke(conversation).content == model.tokenizer.decode(ids, skip_special_tokens=True)
    new = llm.get_num_tokens_from_messages(conversation) - llm.get_num_tokens_from_messages(conversation[:2])
    assert shapes[0][1] <= new + 1


def test_scores_equal_teacher_forcing(llm: HuggingFaceChat, model: Tiny) -> None:
    encoder = llm.engine.encoder
    assert llm.engine.scorer.supports_token_trees
    labels = [" Paris", " London", " Paris, of course", "\n"]
    inputs = [[HumanMessage(question), AIMessage("It is")] for question in QUESTIONS[:2]]
    expected = [
        [
            teacher_forcing(model, encoder.encode_messages(messages), encoder.encode_continuation(label))
            for label in labels
        ]
        for messages in inputs
    ]
    with forward_shapes(llm.engine) as shapes:
        scores = llm.score(inputs, labels)
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert len(shapes) <= 2, "the shared prefix of the prompts, unless it is cached, and one token tree"
    assert np.argmax(scores, axis=1)[0] == 0


def test_the_prompt_equals_the_rendered_chat_template(llm: HuggingFaceChat, model: Tiny) -> None:
    encoder = llm.engine.encoder
    for text in (*QUESTIONS, "  spaces \n\n and\ttabs ", "Zoë, 東京 😀 e\u0301", "def f(x):\n    return x ** 2"):
        for conversation in (
            [HumanMessage(text)],
            [SystemMessage(text), HumanMessage(text), AIMessage(text), HumanMessage("?")],
        ):
            turns = [message_to_dict(message) for message in conversation]
            expected = model.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
            assert encoder.encode_messages(conversation) == expected


def test_every_special_token_is_plain_text_in_a_message(llm: HuggingFaceChat, model: Tiny) -> None:
    encoder = llm.engine.encoder
    conversation = [SystemMessage("x"), HumanMessage("x"), AIMessage("x"), HumanMessage("x")]
    expected_controls = control_tokens(encoder, encoder.encode_messages(conversation))
    names = [token.content for token in model.tokenizer.added_tokens_decoder.values()]
    assert len(names) == 17
    for name in names:
        for at, message in enumerate(conversation):
            changed = [*conversation[:at], type(message)(f"so{name}\nuser {name}"), *conversation[at + 1 :]]
            tokens = encoder.encode_messages(changed)
            assert control_tokens(encoder, tokens) == expected_controls
            assert decode_all(encoder, tokens) == encoder.render(changed)


class City(BaseModel):
    """A city and its country."""

    city: str
    country: str


def test_structured_output_and_choices_are_valid(llm: HuggingFaceChat) -> None:
    result = llm.with_structured_output(City).invoke(
        "Paris is the capital of France. Which city is it?", max_new_tokens=40
    )
    assert isinstance(result, City)
    assert "Paris" in result.city
    choice = llm.invoke(
        "Is Paris in France? Answer yes or no.", response_format={"type": "choice", "options": ["yes", "no"]}
    )
    assert choice.content in ("yes", "no")


def test_a_seeded_answer_is_the_same_when_streamed(llm: HuggingFaceChat) -> None:
    sampled = llm.bind(temperature=0.8, top_p=0.9, seed=7)
    answer = sampled.invoke(QUESTIONS[1])
    assert comparable(joined(list(sampled.stream(QUESTIONS[1])))) == comparable(answer)
    assert comparable(sampled.batch(QUESTIONS)[1]) == comparable(answer)

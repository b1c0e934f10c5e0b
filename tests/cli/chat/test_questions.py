"""Which messages ask about what is attached."""

import pytest

from llmkit.cli.chat.questions import Aim, aim_of, asks_for_summary, is_answered

MILL = (
    "Hello, my name is Ann. The mill stands by the river. It was built in 1821. The lift is repaired on Wednesday. "
    "A ticket costs 12 crowns."
)


@pytest.mark.parametrize(
    "message",
    [
        "Hello!",
        "hi there",
        "Good morning",
        "Thanks, that was helpful!",
        "Thank you so much",
        "OK, great.",
        "yes",
        "Bonjour !",
        "Guten Tag",
        "¡Hola!",
        "你好",
        "こんにちは。",
        "😀",
        "...",
        "Write a poem about the mill.",
        "Can you write a poem about the mill?",
        "Please translate the text to German.",
        "Summarize it in one sentence",
        "Tell me a joke.",
        "Give me another short story",
        "What is 12+2?",
        "How are you?",
        "What’s your name?",
        "Who are you?",
        "What can you do?",
        "Can you help me?",
        "Tell me about yourself",
        "I think the mill is beautiful.",
        "That is wrong.",
        "Let's talk about music.",
        "music",
        "What is the capital of France?",
        "Who won the last election?",
        "Explain quantum physics",
        "What time is it?",
        "Schreib ein Gedicht über die Mühle",
    ],
)
def test_conversation(message):
    assert aim_of(message, [MILL]) is Aim.CONVERSATION


@pytest.mark.parametrize(
    "message",
    [
        "When was the mill built?",
        "when was the mill built",
        "Hi! When was the mill built?",
        "Thanks. And when is the lift repaired?",
        "Tell me when the mill was built.",
        "Could you please tell me when the mill was built?",
        "I'd like to know if the lift is repaired",
        "In which year was it built?",
        "The lift is repaired on which day?",
        "How much does it weigh?",
        "Who wrote this?",
        "What is the document about?",
        "When?",
        "Is the mill by the river?",
        "list the tickets",
        "ticket costs",
        "the lifts",
        "Wednesday",
    ],
)
def test_questions(message):
    assert aim_of(message, [MILL]) is Aim.TEXT


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("Wann wurde die Mühle gebaut?", "Die Mühle wurde 1821 gebaut."),
        ("¿Quién construyó el molino?", "El molino es de 1821."),
        ("この塔はいつ建てられましたか？", "塔は1874年に建てられました。"),
        ("متى بنيت الطاحونة؟", "بنيت الطاحونة عام 1821."),
        ("Когда построена мельница?", "Мельница построена в 1821 году."),
    ],
)
def test_questions_of_other_languages(message, text):
    assert aim_of(message, [text]) is Aim.TEXT


def test_an_answer_has_a_word_of_the_question_or_is_certain():
    assert is_answered("When were the mills built?", MILL, ["The mill stands by the river."], 0.3)
    assert not is_answered("What is the capital of France?", MILL, ["It was built in 1821."], 0.3)
    assert is_answered("How much is it?", MILL, ["A ticket costs 12 crowns."], 0.8)
    assert not is_answered("Who is it?", MILL, [], 0.3)


def test_questions_about_multiple_texts():
    cafe = "The owner of the cafe is Tom Baker."
    assert aim_of("Who is the owner?", [MILL, cafe]) is Aim.TEXT
    assert aim_of("ticket owner", [MILL, cafe]) is Aim.CONVERSATION  # no text has both


def test_a_summary():
    assert asks_for_summary("Can you summarise the text?")
    assert asks_for_summary("tl;dr please")
    assert not asks_for_summary("What happened in summer?")


@pytest.mark.parametrize("message", ["Who am I?", "Do you know who I am?", "What's my name?", "What did I just ask?"])
def test_a_question_about_the_person_belongs_to_the_conversation(message):
    assert aim_of(message, ["Ann asks who the man is, and by what name he is known."]) is Aim.CONVERSATION

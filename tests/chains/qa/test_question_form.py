"""Which questions, statements and phrases ask for yes or no, and which only look like it."""

import pytest

from llmkit.chains.qa.question_form import names_alternatives, yes_or_no


@pytest.mark.parametrize(
    "question",
    [
        "Is the shop open on Sunday?",
        "is the shop open on sunday",
        "Isn't the shop closed?",
        "Wasn’t it built in 1874?",
        "Did Ben come to the meeting?",
        "Has the mill ever burned down?",
        "May I bring a dog?",
        "Would Ann have come?",
        "Can you swim in the pool?",
        "Is it true that the tower was painted red?",
        "The tower is red, isn't it?",
        "The shop is open on Sunday, right?",
        "Ben came, is that correct?",
        "Did he win or not?",
        "So, is it open?",
        "“Was it sold?”",
        "Please tell me whether the shop is open.",
        "Can you tell me if dogs are allowed?",
        "On Sunday, is the shop open?",
        "When it rains, is the pool open?",
        "My dog is old. Can he come in?",
        "Are more or less all rooms taken?",
        "Was Clara the one who fled?",
        "The shop is open on Monday?",
        "So the tower was red?",
        "Ann has left?",
        "The ferry doesn't run in winter?",
        "There is a lift?",
        "It costs ten crowns?",
        "They came by boat?",
        "The price is 12 crowns?",
        "Dogs allowed?",
        "Any dogs allowed?",
        "Any dogs?",
        "Smoking permitted inside?",
        "Open on Sundays?",
        "Still open?",
        "Closed on Mondays?",
        "Breakfast included?",
        "Parking available for guests?",
        "Children welcome?",
    ],
)
def test_yes_or_no(question: str) -> None:
    words = yes_or_no(question)
    assert words is not None
    assert (words.yes, words.no) == ("Yes", "No")


@pytest.mark.parametrize(
    "question",
    [
        "Who was he?",
        "What is it?",
        "When did it open, and why?",
        "Is it open on Monday or Sunday?",
        "Can you tell me who built it?",
        "Could you please list the members?",
        "Do you know when it opens?",
        "Does the text say who came?",
        "Will Smith was born where?",
        "May 5, 1821: what happened?",
        "Isabel was born in which town?",
        "Candles were made of what?",
        "Is the shop open on Sunday, and who owns it?",
        "Is the shop open? If so, when?",
        "Which of them is older, Ann or Ben?",
        "Name the owner.",
        "War and peace",
        "",
        "The shop opens when?",
        "The author was born in?",
        "The capital of France is?",
        "The largest city is called?",
        "The man who built it was?",
        "Name of the ferry that is fast?",
        "The ferry that is fast?",
        "The year the tower was built?",
        "Price of a ticket?",
        "Number of dogs allowed?",
        "Maximum speed allowed?",
        "Opening hours?",
        "Documents required?",
        "Available sizes?",
        "And the price?",
        "Dogs?",
        "The shop is open on Monday or Sunday?",
        "The shop is open on Monday.",
        "Dogs allowed",
    ],
)
def test_other_questions(question: str) -> None:
    assert yes_or_no(question) is None


@pytest.mark.parametrize(
    ("question", "yes"),
    [
        ("Ist der Laden am Sonntag offen?", "Ja"),
        ("Der Laden ist offen, oder?", "Ja"),
        ("Est-ce que le magasin est ouvert le dimanche ?", "Oui"),
        ("Le magasin est-il ouvert le dimanche ?", "Oui"),
        ("¿Está abierta la tienda el domingo?", "Sí"),
        ("È aperto il negozio la domenica?", "Sì"),
        ("Is de winkel op zondag open?", "Ja"),
        ("Der Laden ist am Montag offen?", "Ja"),
        ("Hunde erlaubt?", "Ja"),
        ("Sonntags geöffnet?", "Ja"),
        ("Le magasin est ouvert le lundi ?", "Oui"),
        ("Chiens autorisés ?", "Oui"),
        ("¿La tienda está abierta los lunes?", "Sí"),
        ("¿Perros permitidos?", "Sí"),
        ("Il negozio è aperto il lunedì?", "Sì"),
        ("A loja está aberta na segunda?", "Sim"),
        ("De winkel is open op maandag?", "Ja"),
        ("Honden toegestaan?", "Ja"),
    ],
)
def test_other_languages(question: str, yes: str) -> None:
    words = yes_or_no(question)
    assert words is not None
    assert words.yes == yes


@pytest.mark.parametrize(
    "question",
    [
        "Wann ist der Laden offen?",
        "Ist der Laden am Montag oder am Sonntag offen?",
        "Où est-il né ?",
        "¿Quién es el dueño?",
        "Das Jahr, in dem er geboren wurde?",
        "Der Laden ist am Montag oder am Sonntag offen?",
        "Der Laden ist wann offen?",
        "Le prix ?",
        "La fecha en que fue construido?",
        "Il negozio è aperto quando?",
    ],
)
def test_other_questions_in_other_languages(question: str) -> None:
    assert yes_or_no(question) is None


def test_alternatives() -> None:
    assert names_alternatives("Is it open on Monday or Sunday?")
    assert names_alternatives("Who is older, Ann or Ben?")
    assert names_alternatives("Which is the oldest: the mill, the inn, or the bridge?")
    assert not names_alternatives("What do dogs or cats eat?")
    assert not names_alternatives("Did he win or not?")
    assert not names_alternatives("What is more or less true?")
    assert not names_alternatives("Who built Orford?")

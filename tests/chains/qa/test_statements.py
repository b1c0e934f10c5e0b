"""Statements and phrases that ask for yes or no, and phrases that ask for a phrase."""

import pytest

from llmkit.chains.qa.question_form import yes_or_no


@pytest.mark.parametrize(
    "question",
    [
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
def test_statements_and_phrases_ask_for_yes_or_no(question: str) -> None:
    words = yes_or_no(question)
    assert words is not None
    assert words.yes == "Yes"


@pytest.mark.parametrize(
    "question",
    [
        "The shop opens when?",
        "Isabel was born in which town?",
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
def test_other_phrases_do_not(question: str) -> None:
    assert yes_or_no(question) is None


@pytest.mark.parametrize(
    ("question", "yes"),
    [
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
        "Das Jahr, in dem er geboren wurde?",
        "Der Laden ist am Montag oder am Sonntag offen?",
        "Der Laden ist wann offen?",
        "Le prix ?",
        "La fecha en que fue construido?",
        "Il negozio è aperto quando?",
    ],
)
def test_other_phrases_in_other_languages_do_not(question: str) -> None:
    assert yes_or_no(question) is None

"""Numbers, dates, times and addresses are no names."""

import pytest

from llmkit.chains.ner.values import is_numbered_name, is_value, stands_for_amounts, stands_for_names


@pytest.mark.parametrize(
    "text",
    [
        *("1", "#6", "①", "5%", "$5", "12.50", "1990s", "20th", "12/3"),
        *("(030) 12 34 56", "+47 22 33 44 55", "555-1234", "Maria Holm +47", "Holm 555-1234"),
        *("10:30", "10:30 am", "8 a.m.", "10am", "9h", "17:30 Uhr", "2024-11-03T10:30:45Z"),
        *("2024-11-03", "3 May 2024", "May 3rd", "March 2024", "12 March", "Monday", "Mondays", "Monday, 12 March"),
        *("3. Mai", "Montag", "3 de mayo de 2024", "lunes", "14 juillet 1789", "segunda-feira", "zondag"),
        *("maria@holm.example", "Maria maria@x.example", "https://x.example/a", "www.karn.example"),
    ],
)
def test_values(text: str) -> None:
    assert is_value(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Maria Holm", "Holm, Maria", "May", "August", "Jan", "Mars", "Louis XIV", "東京", "ρ"),
        *("3M", "1&1", "7-Eleven", "Apollo 11", "Boeing 747", "Route 66", "U2", "G 20", "Schalke 04", "The 1975"),
        *("20th Century Fox", "10 Downing Street", "42nd Street", "9/11 Museum", "1. FC Köln", "Sunday Times"),
        *("La Paz", "Le Mans", "De La Soul", "Friday Harbour"),
    ],
)
def test_names(text: str) -> None:
    assert not is_value(text)


@pytest.mark.parametrize(
    "phrases", [["person"], ["a person", "a man"], ["ORG"], [" The Company "], ["Ort"], ["ville", "pays"]]
)
def test_labels_that_stand_for_names(phrases: list[str]) -> None:
    assert stands_for_names(phrases)


@pytest.mark.parametrize("phrases", [["date"], ["a phone number"], ["a person", "a date"], ["airport"], ["product"]])
def test_labels_that_may_ask_for_values(phrases: list[str]) -> None:
    assert not stands_for_names(phrases)


def test_a_name_with_a_number_is_no_amount() -> None:
    names = ("AirGlow 500", "the Boeing 747", "Windows 11")
    others = ("CHF 120", "Rs 500", "Euro 500", "500 Euro", "March 12", "79 euros", "AirGlow Mini", "500", "from 500")
    assert all(map(is_numbered_name, names))
    assert not any(map(is_numbered_name, others))
    assert stands_for_amounts(["a price", "an amount"])
    assert not stands_for_amounts(["a price", "a product"])

"""Different forms of a word share stems or n-grams, in many languages and scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.text.word_forms import character_ngrams, content_words, recognize_language, stems
from llmkit.text.words import terms


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The mill was built in 1821.", "english"),
        ("Wer hat den Leuchtturm gebaut? Eine Ingenieurin.", "german"),
        ("Qui a construit le phare, et quand est-ce que c'était ?", "french"),
        ("¿Quién construyó el faro y cuándo se hizo?", "spanish"),
        ("Chi ha costruito il faro e quando?", "italian"),
        ("Wie heeft de vuurtoren gebouwd en wanneer?", "dutch"),
        ("Кто построил маяк и когда он был построен?", "russian"),
        ("東京の人口", "english"),
        ("name,age\nAnn,3", "english"),
        ("", "english"),
    ],
)
def test_a_language_is_recognized_by_its_stop_words(text: str, language: str) -> None:
    assert recognize_language(terms(text)) == language


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("english", ["engineer", "engineers", "engineering"]),
        ("english", ["study", "studies", "studied"]),
        ("german", ["turm", "turms", "turmes"]),
        ("french", ["construit", "construite", "construits"]),
        ("russian", ["город", "города", "городу"]),
        ("english", ["東", "東"]),
    ],
)
def test_forms_of_a_word_have_one_stem(language: str, forms: list[str]) -> None:
    assert len(set(stems(forms, language))) == 1


def test_stop_words_are_not_content_words() -> None:
    assert content_words(terms("What does the shop sell, and to whom?"), "english") == ["shop", "sell"]
    assert content_words(terms("To be or not to be"), "english") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("lighthose", "lighthouse"), ("built", "builds"), ("Leuchttürme", "Leuchtturmwärter"), ("東京都", "京都")],
)
def test_ngrams_are_shared_by_misspellings_irregular_forms_and_compounds(one: str, other: str) -> None:
    assert set(character_ngrams(one)) & set(character_ngrams(other))


def test_ngrams_include_word_boundaries() -> None:
    assert character_ngrams("Is A lamp") == [" is ", " a ", " lam", "lamp", "amp "]
    assert character_ngrams("東京は") == ["東京", "京は"]


@given(st.text(max_size=40))
def test_a_text_with_terms_has_ngrams(text: str) -> None:
    assert bool(character_ngrams(text)) >= bool(terms(text))

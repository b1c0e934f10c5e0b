"""Which language a text is in, and that nothing is claimed where its words do not tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.text.language_detection import detect_language


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The lift is still broken, and nobody knows when they will repair it.", "English"),
        ("Der Aufzug ist noch immer kaputt, und niemand weiß, wann er repariert wird.", "German"),
        ("L'ascenseur est encore en panne et personne ne sait quand il sera réparé.", "French"),
        ("El ascensor sigue averiado y nadie sabe cuándo lo van a reparar.", "Spanish"),
        ("Сегодня хорошая погода, и мы идём гулять в парк.", "Russian"),
        ("今天天气很好，我们去公园散步吧。", "Chinese"),
        ("今日はとても天気がいいので、公園に散歩に行きましょう。", "Japanese"),
        ("엘리베이터가 아직 고장 나 있고 언제 수리될지 아무도 모릅니다.", "Korean"),
        ("اليوم الطقس جميل ونحن ذاهبون إلى الحديقة", "a language with Arabic letters"),
        ("Сьогодні гарна погода, ходімо гуляти до парку.", "a language with Cyrillic letters"),
        (
            "Winda jest wciąż zepsuta i nikt nie wie, kiedy zostanie naprawiona.",
            "a language with Latin letters that is not recognized",
        ),
    ],
)
def test_running_text(text: str, name: str) -> None:
    found = detect_language(text)
    assert found is not None
    assert found.name == name
    assert found.codes


@pytest.mark.parametrize(
    "text", ["", "1, 2, 3", "def f(x): return x + 1", "Café Müller", "Die Hard", "Al-Qaeda in Iraq", "東京 at ten"]
)
def test_a_text_whose_words_do_not_tell(text: str) -> None:
    assert detect_language(text) is None


def test_names_in_other_languages_do_not_make_an_english_text_foreign() -> None:
    text = "We met José Núñez and Zoë Brontë at the Champs-Élysées café, and they told us about the fête in São Paulo."
    found = detect_language(text)
    assert found is not None
    assert found.name == "English"


@pytest.mark.parametrize(
    "text",
    [
        "Al-Qaeda Group Kills a Second US Hostage in Iraq (Update3)",  # "al", "a" and "in" are Italian, too
        "In May, Ben was in De Haan",
        "Ben, Dan, Jan, Al, Ja, Ben, Ben, Men in a long list",
        "2 – 1 victory against América de Cali",
        "Source: https://example.org/r/soccer/comments/5qop2n/deyverson_alavés",
    ],
)
def test_a_short_english_text_is_in_no_other_language(text: str) -> None:
    found = detect_language(text)
    assert found is None or found.name == "English"


@pytest.mark.parametrize("text", ["Le chat dort sur le canapé, et il a froid.", "De kat slaapt op de bank, ik ook."])
def test_few_words_of_another_language_suffice_where_none_is_english(text: str) -> None:
    found = detect_language(text)
    assert found is not None
    assert found.name in ("French", "Dutch")


@given(st.text())
def test_any_text(text: str) -> None:
    found = detect_language(text)
    assert found is None or (found.name and found.codes)

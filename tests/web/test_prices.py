"""Cents above the line: a price is no power."""

import pytest

from llmkit.web.prices import cents, is_amount
from tests.support.pages import after_story, in_short_page


@pytest.mark.parametrize(
    "currency",
    [
        *("€", "Euro", "euros", "EUR", "eura", "ευρώ", "$", "dollars", "dólares", "Dollar", "долларов", "£", "pounds"),
        *("Pfund", "livres", "libras", "kr", "kr.", "kronor", "kroner", "korun", "crowns", "couronnes", "Kč", "zł"),
        *("złotych", "zloty", "Franken", "francs", "Fr.", "CHF", "forint", "Ft", "lei", "лв", "руб.", "рублей", "₽"),
        *("₹", "rupees", "грн", "TL", "₺", "yen", "pesos", "reais", "₿"),
    ],
)
def test_a_currency_after_two_digits_makes_a_price(currency: str) -> None:
    assert cents("It costs 19", "99", f" {currency} today") == ".99"
    assert cents("It costs 19", "99", f"\xa0{currency}") == ".99"
    assert in_short_page(f"<p>It costs 19<sup>99</sup> {currency}</p>") == f"It costs 19.99 {currency}"


@pytest.mark.parametrize(
    "currency", ["$", "€", "US$", "R$", "kr ", "Kč ", "zł ", "Rs. ", "SFr. ", "Fr. ", "CHF ", "DM ", "Euro "]
)
def test_a_currency_before_the_amount(currency: str) -> None:
    assert cents(f"It costs {currency}19", "99", " today") == ".99"


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("2<sup>10</sup> dollars", "2.10 dollars"),
        ("1 299<sup>90</sup> kr", "1 299.90 kr"),
        ("<sup>50</sup> crowns", "50 crowns"),
        ("19 <sup>50</sup> crowns", "19.50 crowns"),
        ("<b>19</b>\n <sup>50</sup>\n <i>crowns</i>", "19.50 crowns"),
        ("<span>19<sup>50</sup></span> crowns", "19.50 crowns"),
        ("19<sup>.99</sup> €, 19.<sup>99</sup> €, 19,<sup>99</sup> €", "19.99 €, 19.99 €, 19,99 €"),
        ("19<sup>99 €</sup>, 19<sup>€99</sup>, 19€<sup>99</sup>", "19.99 €, 19€99, 19€99"),
        ("5<sup>50</sup> to 7<sup>50</sup> euros, 5<sup>50</sup>–7<sup>50</sup> €", "5.50 to 7.50 euros, 5.50–7.50 €"),
        ("$3.45<sup>9</sup> or 1,79<sup>9</sup> €", "$3.459 or 1,799 €"),
        ("19<sup>–</sup> kr", "19.– kr"),
    ],
)
def test_prices_as_shops_write_them(place, html: str, text: str) -> None:
    assert place(f"<p>It costs {html} today.</p>") == f"It costs {text} today."


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("10<sup>30</sup> atoms", "10³⁰ atoms"),
        ("10<sup>12</sup> dollars", "10¹² dollars"),
        ("2<sup>32</sup> addresses", "2³² addresses"),
        ("2<sup>10</sup> eurosceptics", "2¹⁰ eurosceptics"),
        ("2<sup>10</sup>, and dollars", "2¹⁰, and dollars"),
        ("km<sup>2</sup> euros", "km² euros"),
        ("<sup>1</sup> Euro zone", "¹ Euro zone"),
        ("1<sup>1</sup>/<sub>2</sub> euros", "1 1/2 euros"),
    ],
)
def test_what_is_no_price(place, html: str, text: str) -> None:
    assert place(f"<p>There are {html} in it.</p>") == f"There are {text} in it."


def test_an_amount_alone_is_no_part_of_a_word() -> None:
    assert is_amount("It costs ", "50", " crowns")
    assert not is_amount("It costs", "50", " crowns")
    assert not is_amount("", "50", " people")


def test_a_currency_in_the_next_block_is_not_of_the_amount() -> None:
    assert in_short_page("<p>It is 2<sup>10</sup></p><p>euros are paid.</p>") == "It is 2¹⁰\n\neuros are paid."


def test_elements_without_text_after_an_amount_take_no_time() -> None:
    nested = "<span><sup>9</sup>" * 300
    assert in_short_page(f"<p>{nested}{'<i></i>' * 3000} euros</p>")

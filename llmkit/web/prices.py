"""Prices whose cents stand above the line: 19⁹⁹ euros is 19.99, and no power."""

from __future__ import annotations

import regex

_WORDS = r"""
    euro s? | euro['’]s | eurot | euroa | eurov | eurów | eurå | eur[aáóy] | ευρώ | евро | євро
    | dollars? | dollar[ei]n? | dolare? | dól[aá]r(?:es|ów|ů)? | dolar(?:ów|ů|y|i)? | доллар\w* | долар\w* | δολάρια
    | pounds? | pfund | ponden | livres? | libras? | sterlin[ae] | funt(?:y|ów)? | фунт\w* | λίρες
    | francs? | franken? | franchi | francos? | frank(?:ów|i|ů|y)? | франк\w*
    | crowns? | kron(?:a|or|e|er|en|ur|ene)? | korun[ay]? | koron(?:a|y|ę|át)? | couronnes? | coron[ae]s? | крон\w*
    | z[łl]ot(?:y|e|ych) | forint(?:ot|ów|ů)? | lei | leu | lev[as] | лева? | лв | rubel | rubel[sn] | rubl\w{1,3}
    | roubles? | rubles? | руб(?:л\w*)? | гривен\w* | гривн\w* | грн | hryvni\w* | lir[ae]s? | liras[ıi] | lire
    | yen(?:es)? | yuan | rupees? | rupie[ns]? | rupias? | roupies? | reais | pesos? | rand
    | shekels? | dirhams? | dinars?
"""
_CODES = r"""
    AED | AUD | BGN | BRL | CAD | CHF | CNY | CZK | DKK | DM | EUR | GBP | HKD | HUF | ILS | INR | ISK | JPY | KRW | MXN
    | NOK | NZD | PLN | RON | RUB | SEK | SGD | TRY | UAH | USD | ZAR | Kč | Ft | Rs | TL | [Kk]r | z[łl] | S?Fr
"""
_CURRENCY = rf"(?: \p{{Sc}} | (?:{_CODES}) (?!\w) \.? | (?i:{_WORDS}) (?!\w) )"
_CURRENCY_AFTER = regex.compile(rf"\s? {_CURRENCY}", regex.VERBOSE)
_OTHER_PRICE_AFTER = regex.compile(
    rf"\s? (?: [-–/] | to | or | and | bis | oder | und | à | ou | et | a | o | y | e | tot | of | en ) \s?"
    rf" \d{{3,}} \s? {_CURRENCY}",
    regex.VERBOSE,
)
"""5<sup>50</sup> to 7<sup>50</sup> euros."""
_AMOUNT = regex.compile(
    rf"(?: \p{{Sc}} | \b[A-Z]{{3}} | \b (?:{_CODES}) \.? | \b (?i:euro|rupees?) ) \s? \d [\d.,\s]* $", regex.VERBOSE
)
_NUMBER = regex.compile(r"(?<! [\d.,] ) \d [\d.,]* $", regex.VERBOSE)
_NUMBER_AND_SIGN = regex.compile(r"\d \s? \p{Sc} $", regex.VERBOSE)
_CENTS = regex.compile(r"\d [.,] \d\d $", regex.VERBOSE)
_POWER_OF_TEN = regex.compile(r"(?<! [\d.,] ) 10 $", regex.VERBOSE)
_USUAL_CENTS = regex.compile(r"\d9|95|50|00")
_TWO_DIGITS = regex.compile(r"\d\d")
_DIGITS_AND_CURRENCY = regex.compile(rf"(\d\d) \s? {_CURRENCY}", regex.VERBOSE)
_NO_CENTS = regex.compile(r"[-–—−]{1,2}")


def cents(base: str, text: str, after: str) -> str | None:
    """Return what to write, right after an amount, for a superscript that belongs to it; `None` for any other.

    Args:
        base: the text before it, which ends with the amount.
        text: the text above the line.
        after: the text that follows.
    """
    base = base.rstrip()
    if _NUMBER_AND_SIGN.search(base):
        return text if _TWO_DIGITS.fullmatch(text) else None  # 19€99, as in France
    if not _NUMBER.search(base):
        return None
    if _DIGITS_AND_CURRENCY.fullmatch(text):
        return _after_point(base, text)
    if not (_AMOUNT.search(base) or _CURRENCY_AFTER.match(after) or _OTHER_PRICE_AFTER.match(after)):
        return None
    if _TWO_DIGITS.fullmatch(text):
        is_power = _POWER_OF_TEN.search(base) and not _USUAL_CENTS.fullmatch(text)
        return None if is_power else _after_point(base, text)
    if text == "9" and _CENTS.search(base):
        return text  # fuel: 1.79⁹ a litre
    return _after_point(base, text) if _NO_CENTS.fullmatch(text) else None


def is_amount(base: str, text: str, after: str) -> bool:
    """Return whether a superscript is an amount alone, and no part of the word before it: ⁵⁰ crowns."""
    return bool(_TWO_DIGITS.fullmatch(text) and not base[-1:].isalnum() and _CURRENCY_AFTER.match(after))


def _after_point(base: str, text: str) -> str:
    return text if base.endswith((".", ",")) else f".{text}"

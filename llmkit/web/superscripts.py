"""Superscripts and subscripts as plain text, so that no number or word comes about that the page does not have."""

from __future__ import annotations

import re

from llmkit.web.prices import is_amount

_SUPERSCRIPTS = str.maketrans("0123456789+-−–=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾")
_SUBSCRIPTS = str.maketrans("0123456789+-−–=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎")
_MATHEMATICAL = re.compile(r"(?=[=() ]*[0-9+\-−–])[0-9+\-−–=() ]+")
# fmt: off
_ABBREVIATIONS = frozenset((
    "st", "nd", "rd", "th", "er", "ère", "ere", "re", "nde", "ème", "eme", "ième", "os", "as", "ro", "do", "to", "mo",
    "me", "mme", "lle", "lles", "gr", "mgr", "tm", "sm", "mc", "md",
))
# fmt: on
_ORDINAL_LANGUAGES = ("ca", "es", "fr", "gl", "it", "nl", "pt")
"""Where 2ᵉ, 2ª and 2º are written with letters above the line."""
_ROMAN_NUMERAL = re.compile(r"\b[IVXLC]+$")
_VARIABLE = re.compile(r"(?:[\d)\]}|]|(?<!\w)\w|\b[A-Z]+)$")
_NAME = re.compile(r"(?<!\w)[^\W\d_]$")
"""A variable or symbol of one letter."""
_WORD, _LONG_WORD, _MAX_EXPONENT = re.compile(r"[^\W\d_]{2}$"), re.compile(r"[^\W\d_]{3}"), 20
_NOTES = re.compile(r"\d+(?:\s*[,;]\s*\d+)+|\*+|[a-z](?:\s*,\s*[a-z])*")
_SIMPLE = re.compile(r"\w+(?:[.,]\w+)?|[+−-]\w+")


def superscript(base: str, text: str, after: str = "", language: str = "") -> str:
    """Return what to write for a superscript: 10³⁰, x^n, 1st.

    Args:
        base: the text before it.
        text: the text above the line.
        after: the text that follows.
        language: the page's language, which decides whether 2ᵉ is an ordinal.
    """
    text = text.strip()
    if is_amount(base, text, after):
        return text
    if _MATHEMATICAL.fullmatch(text):
        return text.replace(" ", "").translate(_SUPERSCRIPTS)
    stands_alone = not base.strip() or base[-1].isspace()
    if stands_alone or not any(map(str.isalnum, text)) or not (text[0].isalnum() or text[0] in "+−-("):
        return text
    if text == "o" and base[-1].isdigit() and after[:1] in {"C", "F"}:
        return "°"
    if text.isalpha():
        return _letters(base, text, language)
    if _NOTES.fullmatch(text):
        return f"[{text}]"
    if len(text) > _MAX_EXPONENT or (_WORD.search(base) and _LONG_WORD.search(text)):
        return f" {text}"
    return f"^{text}" if _SIMPLE.fullmatch(text) else f"^({text})"


def _letters(base: str, text: str, language: str) -> str:
    if text.lower() in _ABBREVIATIONS or (text == "o" and base[-1:] in "0123456789nN"):
        return text
    if len(text) == 1 and (_ROMAN_NUMERAL.search(base) or (base[-1].isdigit() and language[:2] in _ORDINAL_LANGUAGES)):
        return text
    if _VARIABLE.search(base):
        return f"^{text}"
    if len(text) == 1 and _NOTES.fullmatch(text):
        return f"[{text}]"
    return f" {text}" if text.isupper() else text


def note_mark(text: str) -> str:
    """Return the mark of a footnote in brackets."""
    text = text.strip()
    return f"[{text}]" if text and text[0].isalnum() else text


def subscript(base: str, text: str, after: str = "") -> str:
    """Return what to write for a subscript: H2O and CO2, but log₂8 and a_n, for no number runs into another."""
    text = text.strip()
    is_name = text[:1].isalpha() or (text[:1].isdigit() and not text.isdecimal())
    if _NAME.search(base) and is_name and (len(text) == 1 or not text.isalnum()):
        return f"_{text}" if len(text) == 1 else f"_({text})"
    beside_digits = base[-1:].isdigit() or after[:1].isdigit()
    return text.translate(_SUBSCRIPTS) if beside_digits and _MATHEMATICAL.fullmatch(text) else text


def fraction(base: str, numerator: str, slash: str, denominator: str) -> str:
    """Return a fraction of a superscript and a subscript, apart from a number before it: 1 1/2."""
    return f"{' ' if base[-1:].isdigit() else ''}{numerator.strip()}{slash.strip()}{denominator.strip()}"

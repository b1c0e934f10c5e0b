"""Numbers, dates, times, phone numbers, and addresses on the internet: values, which name nobody and no place.

A small model takes them for entities all the same, of whatever label it is asked for. So they are no candidates for
labels that stand for names: people, organizations and places. Labels are free text: any other label, such as "date" or
"phone number", may ask for a value, and gets no such limit. The other way round, a name that ends with a number
("Boeing 747") is no price and no amount.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAME_LABELS = _words(
    """person people man men woman women name names human character author artist actor politician player employee
    customer per
    organization organizations organisation organisations org company companies corporation business firm brand team
    club band group party institution institute agency authority government university school newspaper museum
    location locations loc place places city cities town towns village country countries nation state region county
    district street river lake sea mountain island continent gpe
    personne personnes homme femme nom lieu lieux ville pays entreprise société organisation équipe
    mensch menschen personen ort orte stadt land unternehmen firma organisation mannschaft verein
    persona personas nombre lugar lugares ciudad país empresa organización equipo
    persone luogo luoghi città paese azienda organizzazione squadra
    pessoa pessoas cidade organização equipe
    persoon personen plaats plaatsen stad land bedrijf organisatie"""
)
"""Labels, and phrases in their descriptions, that stand for names."""
_AMOUNT_LABELS = _words(
    """price prices cost costs fee fees amount amounts number numbers quantity quantities percentage percentages
    preis preise betrag menge anzahl zahl prix montant quantité precio importe cantidad prezzo importo quantità"""
)
_ARTICLE = regex.compile(r"(?:an?|the)\s+", regex.IGNORECASE)

_DAYS = """
    (?:mon|tues|wednes|thurs|fri|satur|sun)day | (?:mon|diens|donners|frei|sams|sonn)tag | mittwoch | sonnabend
    | lundi | mardi | mercredi | jeudi | vendredi | samedi | dimanche
    | lunes | martes | miércoles | jueves | viernes | sábado | domingo
    | lunedì | martedì | mercoledì | giovedì | venerdì | sabato | domenica
    | (?:segunda|terça|quarta|quinta|sexta)-feira | (?:maan|dins|woens|donder|vrij|zater|zon)dag"""
_MONTHS = """
    jan | feb | mar | apr | may | jun | jul | aug | sept? | oct | nov | dec | okt | dez | mai | mei
    | (?:jan|febr)uary | march | april | june | july | august | (?:septem|octo|novem|decem)ber
    | jänner | (?:jan|febr)uar | märz | juni | juli | oktober | dezember
    | janvier | février | mars | avril | juin | juillet | août | (?:septem|octo|novem|décem)bre
    | enero | febrero | marzo | abril | mayo | junio | julio | agosto | septiembre | octubre | noviembre | diciembre
    | gennaio | febbraio | aprile | maggio | giugno | luglio | settembre | ottobre | novembre | dicembre
    | janeiro | fevereiro | março | maio | junho | julho | setembro | outubro | novembro | dezembro
    | januari | februari | maart | augustus"""
_NUMBER = (
    r"[^\p{L}\s]* \d [^\p{L}\s]* (?: st | nd | rd | th | s | er | e | h | am | pm | [ap]\.m\.? | [TZ] [\d:.]* Z? )*"
)
_CALENDAR_WORD = regex.compile(rf"(?! mars\b ) (?: {_DAYS} | {_MONTHS} ) s? [.,]?", regex.VERBOSE | regex.IGNORECASE)
_DAY = regex.compile(rf"(?: {_DAYS} ) s? [.,]?", regex.VERBOSE | regex.IGNORECASE)
_DATE_WORD = regex.compile(
    rf"""{_NUMBER} | (?: {_MONTHS} ) [.,]? | am | pm | [ap]\.m\.? | uhr | heures? | o['’]clock | hours?
    | of | on | de | du | del | di | den | der | le | la | el | at | um | à | a | to | and | bc | ad | \P{{L}}+""",
    regex.VERBOSE | regex.IGNORECASE,
)
_NUMBERED_NAME = regex.compile(
    r"""(?V1) (?: .*\s )? (?! (?i: euros? | dollars? | pounds? | franken | francs? | rupees? ) \b )
    \p{Lu}\w*\p{Ll}\w+ \s \d{1,5}""",
    regex.VERBOSE | regex.DOTALL,
)
_HAS_DIGIT = regex.compile(r"\p{N}")
_LETTER = regex.compile(r"\p{L}")
_BETWEEN_NUMBERS = regex.compile(r"\d+\s?[&+]\s?\d+")
"""The names of companies: 1&1."""
_INTERNET = regex.compile(r"\S@\S+\.\S | \b\w+:// | \bwww\.", regex.VERBOSE | regex.IGNORECASE)
_LAST_VALUE = regex.compile(
    r"(?: ^ | .*\s ) (?: \+\d+ | \d+ (?: [:.,/-] \d+ )+ | \d{5,} | [\p{Sc}%]\d\S* )", regex.VERBOSE
)


def stands_for_names(phrases: Iterable[str]) -> bool:
    """Return whether a label stands for people, organizations or places, by all of its phrases."""
    return _all_in(phrases, _NAME_LABELS)


def stands_for_amounts(phrases: Iterable[str]) -> bool:
    """Return whether a label stands for prices, amounts or numbers, by all of its phrases."""
    return _all_in(phrases, _AMOUNT_LABELS)


def _all_in(phrases: Iterable[str], labels: frozenset[str]) -> bool:
    return all(_ARTICLE.sub("", phrase.strip().lower(), count=1) in labels for phrase in phrases)


def is_value(text: str) -> bool:
    """Return whether a candidate is a number, a date, a time, a phone number or an address, or ends with one.

    Names may have plain numbers: "Apollo 11", "Route 66". "May" and "August" alone are names too.
    """
    if _INTERNET.search(text):
        return True
    if not _LETTER.search(text):
        return not _BETWEEN_NUMBERS.fullmatch(text)
    words = text.split()
    days = sum(bool(_DAY.fullmatch(word)) for word in words)
    others = [word for word in words if not _DAY.fullmatch(word)]
    if (days or _HAS_DIGIT.search(text)) and all(_DATE_WORD.fullmatch(word) for word in others):
        return True
    return bool(_LAST_VALUE.fullmatch(text))


def is_numbered_name(text: str) -> bool:
    """Return whether a candidate is a name that ends with a number, as "AirGlow 500" and "Boeing 747" do.

    A currency in capitals ("CHF 120", "Rs 500") is none, and nor is a month.
    """
    return bool(_NUMBERED_NAME.fullmatch(text)) and not is_value(text)


def is_calendar_word(text: str) -> bool:
    """Return whether a candidate is a day of the week or a month, which may be a person's name: "May", "June"."""
    return bool(_CALENDAR_WORD.fullmatch(text))

"""Abbreviations and titles: the points that end no sentence, and the words that name nobody by themselves."""

from __future__ import annotations

import regex


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    """Mr Mrs Ms Mx Messrs Dr Drs Prof Capt Cpt Rev Revd Fr Hon Gov Sen Rep Pres Gen Lt Col Maj Sgt Cpl Pvt Cmdr Cdr
    Adm Brig Msgr Supt Insp Det Amb Hr Hrn Frl Dipl Ing Mag M MM Mme Mmes Mlle Me Sr Sra Srta Sres Dn Dña Exmo
    Exma Sig Sigg Dott Avv Arch Dhr Mevr Mw Mgr Lic Doc Asst Assoc"""
)
"""Abbreviated titles, as they are written with a capital. A point after them is followed by a name."""
LOWER_CASE_TITLES = _words("mr mrs ms mx dr drs prof capt rev hr mme mlle dhr mevr mw sra srta")
"""Those that are as well known in small letters."""
FULL_TITLES = _words(
    """mister miss sir madam ma'am dame lord lady doctor professor captain reverend colonel lieutenant sergeant herr
    frau fräulein monsieur madame mademoiselle señor señora señorita signor signora signorina senhor senhora"""
)

_NEVER_LAST = _words(
    """e.g i.e eg ie viz cf vs v.s z.b d.h u.a i.d.r s.o s.u v.a bzw ca sog vgl ggf evtl inkl exkl zzgl p.ex p.ej
    c.-à-d f.eks bl.a d.w.z o.a bijv incl excl approx resp"""
)
"""Abbreviations that introduce what follows."""
_BEFORE_NUMBER = _words(
    """no nos nr nrs pp vol vols fig figs ch chap sec sect art para eq eqs op bd abb kap ziff abs al est tel ext apt pt
    pág págs núm Jan Feb Mar Apr Jun Jul Aug Sep Sept Okt Oct Nov Dez Dec Mon Tue Tues Wed Thu Thurs Fri Sat
    Sun"""
)
"""Abbreviations only where a number follows: "No. 5", but "No. He left."."""
_IN_NAMES = _words(
    """Inc Ltd Co Corp Bros Plc Llc LLC Dept Univ Assn Assoc Jr Sr Esq St Ste Mt Ft Ave Rd Blvd Sq Str Hwy Pkwy Jan
    Feb Mar Apr Jun Jul Aug Sep Sept Oct Okt Nov Dec Dez Intl Natl Govt Mfg"""
)
"""Abbreviations within or after names. They end a sentence if a word follows that begins many."""
SENTENCE_STARTERS = _words(
    """A An The This That These Those He She It They We You I His Her Its Their Our My Your There Here In On At By
    For From With To And But Or So If When While After Before As Since Then Now What Who Where Why How Is Are
    Was Were Do Does Did Not No Yes However Although Because Both Each Some Many Most All Such During Under
    Also Please Today Let Der Die Das Er Sie Es Wir Ich Ihr Ein Eine Im Am Und Aber Auch Le Les Il Elle Ils
    Elles Un Une On Nous Vous El Los Las"""
)
"""Frequent sentence starters (Kiss & Strunk 2006): a point before one of them ends a sentence after all."""

_BEFORE = regex.compile(r"(?r)(?<![\p{L}\p{M}\p{N}])[\p{L}\p{M}\p{N}.'-]{1,12}")
_AFTER = regex.compile(r"[\p{Pi}\p{Ps}\"']*([\p{L}\p{M}]++(?=[\s,'’]))?")
_NUMBERED = regex.compile(r"[#(§]?\d|[IVXLC]{1,6}\b|[A-Z]\b")
_MONTH = regex.compile(
    r"(?:Januar|Jänner|Februar|März|April|Mai|Ju[nl]i|August|(?:Sept|Nov|Dez)ember|Oktober|Jahrhundert|Weltkrieg)\b"
)  # after a German ordinal: "am 3. Mai"
_SPACED = regex.compile(r"(?r)\b[\p{Ll}ZDU]\.\s(?:\p{Ll}\.\s)*\p{L}\Z")  # "z. B", "e. g"
_AFTER_LETTER = regex.compile(r"\d|\p{Lu}\.|Chr\b|\p{Lu}\p{L}{0,2}\Z")
_ACRONYM = regex.compile(r"(?:\p{L}\.-?)+\p{L}|\p{Lu}\p{Ll}?\.(?:\p{L}\.)*\p{Lu}\p{Ll}{0,3}")


def is_title(word: str, *, abbreviated: bool = True) -> bool:
    """Return whether a word, without its point, is a title: "Dr", "Captain".

    `abbreviated` is whether "Gen" and others that are also names or words may be one: with a point or a name after it.
    """
    if word.lower() in FULL_TITLES or word in LOWER_CASE_TITLES:
        return True
    return word in TITLES and (abbreviated or word.lower() in LOWER_CASE_TITLES)


def is_within_sentence(text: str, point: int, following: int) -> bool:
    """Return whether a point belongs to an abbreviation, an initial or an ordinal, and ends no sentence.

    Args:
        text: the text.
        point: where the point is.
        following: where the next word begins; it has no small letter first.
    """
    before = _BEFORE.search(text, max(0, point - 13), point)
    if before is None or before.end() != point:
        return False
    word = before.group()
    next_word = _AFTER.match(text, following)
    starts = bool(next_word and next_word[1] in SENTENCE_STARTERS)
    if ".-" in word and word.rpartition(".-")[2] in TITLES:  # "Dipl.-Ing."
        return True
    if len(word) == 1 and word.isalpha():
        if _SPACED.search(text, max(0, point - 12), point):
            return True
        return not starts if word.isupper() else bool(_AFTER_LETTER.match(text, following))
    if word.isdigit():
        return len(word) <= 2 and bool(_MONTH.match(text, following, partial=True))  # of a text that is still to come
    small = word.lower()
    if small in _NEVER_LAST or (word in TITLES and word not in _IN_NAMES) or small in LOWER_CASE_TITLES:
        return True
    if (word in _BEFORE_NUMBER or small in _BEFORE_NUMBER) and _NUMBERED.match(text, following):
        return small != "no" or not text[following].isalpha()  # "No. I went."
    return not starts and (bool(_ACRONYM.fullmatch(word)) or word in _IN_NAMES)

"""Which language a text is in, by its script and its stop words: enough to tell that a model does not know it.

Stop words are about half of the words of running text, so few sentences suffice (Grefenstette 1995, "Comparing two
language identification schemes"). A text that is too short, or no running text, is in no language that is detected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import regex

from llmkit.text.word_forms import stop_word_counts, stop_words
from llmkit.text.words import terms

MAX_CHARACTERS = 2_000
"""At the beginning of a text, from which its language is detected."""
LEAST_TERMS = 6
"""In a script that several languages have, a text of fewer words tells too little."""
LEAST_LETTERS = 8
"""In a script of its own, a language is detected from so many letters."""
LEAST_STOP_WORDS = 0.15
"""The least share of a text's words that are stop words of its language."""
LEAST_EVIDENCE = 3
"""So many different stop words that English lacks show another language; one fewer if nothing speaks for English."""
LEAST_LEAD = 2
"""How many times as many of them a text has as of stop words that only English has."""
LEAST_SHARE_OF_FEW = 0.3
"""The least share of a text's words that are stop words of its language, where the evidence is one word short."""
LEAST_SPECIAL_WORDS = 1
"""A text of no language that has a list of stop words has so many words, besides names, with letters beyond a to z."""

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "en": "English",
        "de": "German",
        "fr": "French",
        "es": "Spanish",
        "it": "Italian",
        "pt": "Portuguese",
        "nl": "Dutch",
        "sv": "Swedish",
        "da": "Danish",
        "no": "Norwegian",
        "ru": "Russian",
        "tr": "Turkish",
    }
)
"""The names of languages that have a list of stop words, by their codes of ISO 639-1."""


@dataclass(frozen=True)
class DetectedLanguage:
    """What a text is written in.

    Attributes:
        name: of the language, or of what is known of it.
        codes: of the languages that it may be, as in ISO 639-1.
    """

    name: str
    codes: frozenset[str]


_SCRIPTS = {
    "Hiragana": DetectedLanguage("Japanese", frozenset({"ja"})),
    "Katakana": DetectedLanguage("Japanese", frozenset({"ja"})),
    "Han": DetectedLanguage("Chinese", frozenset({"zh", "ja"})),
    "Hangul": DetectedLanguage("Korean", frozenset({"ko"})),
    "Cyrillic": DetectedLanguage(
        "a language with Cyrillic letters", frozenset({"ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg"})
    ),
    "Greek": DetectedLanguage("Greek", frozenset({"el"})),
    "Arabic": DetectedLanguage("a language with Arabic letters", frozenset({"ar", "fa", "ur", "ps", "ug", "sd"})),
    "Hebrew": DetectedLanguage("a language with Hebrew letters", frozenset({"he", "yi"})),
    "Devanagari": DetectedLanguage("a language with Devanagari letters", frozenset({"hi", "mr", "ne", "sa"})),
    "Bengali": DetectedLanguage("a language with Bengali letters", frozenset({"bn", "as"})),
    "Thai": DetectedLanguage("Thai", frozenset({"th"})),
    "Tamil": DetectedLanguage("Tamil", frozenset({"ta"})),
    "Telugu": DetectedLanguage("Telugu", frozenset({"te"})),
    "Georgian": DetectedLanguage("Georgian", frozenset({"ka"})),
    "Armenian": DetectedLanguage("Armenian", frozenset({"hy"})),
}
_OTHER_SCRIPT = DetectedLanguage(
    "a language with other letters", frozenset({"am", "gu", "pa", "kn", "ml", "si", "or", "lo", "km", "my", "bo", "ti"})
)
_OTHER_LATIN = DetectedLanguage(
    "a language with Latin letters that is not recognized",
    frozenset({"pl", "cs", "sk", "hu", "ro", "fi", "et", "lv", "lt", "hr", "bs", "sl", "sq", "is", "vi", "az", "ca"}),
)
_LETTER = regex.compile(
    r"(?P<Latin>\p{Latin})|" + "|".join(rf"(?P<{script}>\p{{{script}}})" for script in _SCRIPTS) + r"|(?P<other>\p{L})"
)
_SPECIAL_WORD = regex.compile(r"(?<![\w/])(?=\w*[^\W\da-zA-Z])\p{Ll}\w*")  # names have a capital, addresses a slash
_NO_NAME = regex.compile(r"^\W*\w+|\b\p{Ll}\w*")  # the first word, and those without a capital
_CODES = {name.casefold(): code for code, name in NAMES.items()}


def detect_language(text: str) -> DetectedLanguage | None:
    """Return what a text is written in, or `None` if its words do not tell."""
    text = text[:MAX_CHARACTERS]
    letters = Counter(match.lastgroup for match in _LETTER.finditer(text))
    if not letters:
        return None
    if letters["Hiragana"] + letters["Katakana"] > letters["Han"] / 10:
        letters["Hiragana"] += letters.pop("Han", 0)  # Chinese has none of the other two
    script, count = letters.most_common(1)[0]
    if script not in ("Latin", "Cyrillic"):
        return _SCRIPTS.get(str(script), _OTHER_SCRIPT) if count >= LEAST_LETTERS else None
    return _by_stop_words(text, str(script), letters.total())


def _by_stop_words(text: str, script: str, letters: int) -> DetectedLanguage | None:
    words = terms(text)
    counts = stop_word_counts(words)
    best = max(counts, key=lambda language: counts[language])
    enough = counts[best] >= max(LEAST_STOP_WORDS * len(words), 3) and len(words) >= LEAST_TERMS
    if enough and (best == "english" or _is_not_english(text, words, best)):
        return DetectedLanguage(best.capitalize(), frozenset({_CODES[best]}))
    if script == "Cyrillic":
        return _SCRIPTS[script] if letters >= LEAST_LETTERS else None
    special = {match[0] for match in _SPECIAL_WORD.finditer(text)}
    is_english = counts["english"] >= LEAST_STOP_WORDS * len(words)
    if not is_english and len(words) >= LEAST_TERMS and len(special) >= LEAST_SPECIAL_WORDS:
        return _OTHER_LATIN
    return None


def _is_not_english(text: str, words: Sequence[str], language: str) -> bool:
    """Return whether stop words that English lacks show another language.

    Words that both have, such as "in" and "was", tell nothing; neither does a word that is often repeated, or one that
    has a capital and may be a name, such as "Ben" and "De".
    """
    own, english = stop_words()[language], stop_words()["english"]
    evidence = set(terms(" ".join(_NO_NAME.findall(text)))) & (own - english)
    against = set(words) & (english - own)
    if len(evidence) >= LEAST_EVIDENCE:
        return len(evidence) >= LEAST_LEAD * len(against)
    share = sum(word in own for word in words) / len(words)
    return len(evidence) == LEAST_EVIDENCE - 1 and not against and share >= LEAST_SHARE_OF_FEW

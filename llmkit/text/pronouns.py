"""Sentences that begin with a pronoun: what they are about is named in a sentence before them."""

from __future__ import annotations

from collections.abc import Sequence

from llmkit.text.words import terms

_PRONOUNS = {
    "english": "it he she they this these those his her its their both",
    "german": "er sie es dieser diese dieses sein seine ihr ihre beide",
    "french": "il elle ils elles ce celui celle ceux celles son sa ses leur leurs",
    "spanish": "él ella ellos ellas este esta estos estas ese esa su sus ambos ambas",
    "italian": "egli lui lei loro esso essa essi esse questo questa questi queste suo sua entrambi entrambe",
    "portuguese": "ele ela eles elas este esta estes estas esse essa seu sua seus suas ambos ambas",
    "dutch": "het hij zij ze deze dit zijn haar hun beide",
}
"""The pronouns and possessives at the beginning of a sentence, of the languages whose questions are recognized."""
_FIRST = {language: frozenset(found.split()) for language, found in _PRONOUNS.items()}


def find_topics(texts: Sequence[str], language: str) -> list[int | None]:
    """Return for each sentence of a text that begins with a pronoun the index of the sentence that it is about.

    That is the last one before it that begins with another word; `None` for the other sentences. "It opens at ten."
    behind "The inn is in the park." is about the inn.
    """
    pronouns = _FIRST.get(language, frozenset())
    found: list[int | None] = []
    for place, text in enumerate(texts):
        if place and pronouns.intersection(terms(text)[:1]):
            before = found[place - 1]
            found.append(place - 1 if before is None else before)
        else:
            found.append(None)
    return found

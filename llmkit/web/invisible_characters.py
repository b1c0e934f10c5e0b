"""Characters without a shape, in which a page may hide words from a reader."""

from __future__ import annotations

import regex

_JOINED = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Mandaic}\p{Adlam}\p{Hanifi_Rohingya}\p{Indic_Syllabic_Category=Virama}"
)
_PICTURE = r"\p{Extended_Pictographic}\p{Emoji_Modifier}"
_SHAPELESS = regex.compile(
    rf"""
      (?<= [{_JOINED}] \p{{M}}{{0,4}} ) [\u200C\u200D] (?= [\u200C\u200D]{{0,9}} [\p{{L}}\p{{M}}] ) (*SKIP)(*FAIL)
    | (?<= \p{{Indic_Syllabic_Category=Virama}} | [\u0647] ) \u200D (*SKIP)(*FAIL)
    | (?<= [{_PICTURE}] \uFE0F? ) \u200D (?= [{_PICTURE}] ) (*SKIP)(*FAIL)  # a family
    | (?<= \U0001F3F4 [\U000E0020-\U000E007E]{{0,6}} ) [\U000E0020-\U000E007F] (*SKIP)(*FAIL)  # the flag of Scotland
    | (?<= [^\uFE00-\uFE0F\s\p{{Cf}}] ) [\uFE0E\uFE0F] (*SKIP)(*FAIL)
    | (?<= \p{{Han}} ) [\U000E0100-\U000E01EF] (*SKIP)(*FAIL)
    | [\p{{Cc}}--[\n\t]]
    | \p{{Cf}} | \p{{Cs}} | \p{{Co}} | \p{{Variation_Selector}}
    | [\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0]
    """,
    regex.VERBOSE | regex.VERSION1,
)


_SUSPECT = regex.compile(
    r"(?V1)[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Variation_Selector}\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0--[\n\t]]"
)


def clean(text: str) -> str:
    """Give a text without the characters that have no shape: zero-width, bidirectional, control, tags.

    Those that a script or an emoji needs to be what it is stay where they stand between its letters.
    """
    return _SHAPELESS.sub("", text) if _SUSPECT.search(text) else text

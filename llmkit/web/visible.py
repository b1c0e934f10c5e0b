"""What a person sees of a page: the rest is taken out before anything is read.

What nobody sees is where a page may hide orders to a model: in elements that are not displayed, in comments, and in
characters without a shape. Hiding by style sheets and scripts is not followed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_NEVER_SHOWN = (
    "script, style, noscript, template, iframe, noframes, object, embed, applet, canvas, audio, video, datalist, "
    "dialog:not([open]), [hidden]:not([hidden='until-found' i]), input, textarea, select, annotation, annotation-xml"
)
_NOTHING = r"[+-]?0*\.?0*(?:[a-z]+|%)?\s*(?:$|;|!)"
_UNSEEN = re.compile(
    rf"""(?:^|;)\s*(?:
        display \s*:\s* none
      | visibility \s*:\s* (?:hidden|collapse)
      | content-visibility \s*:\s* hidden
      | (?:opacity|font-size) \s*:\s* (?=[\d.+-]) {_NOTHING}
      | (?:font|font-size) \s*:\s* (?:[^;]*\s)? 0 (?:px|pt|em|rem|%)? (?:\s|/|$|;|!)
      | color \s*:\s* transparent
      | (?:text-indent|left|top|right|bottom|margin-left|margin-top) \s*:\s* -\d{{4,}}
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_CSS_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})\s?|\\(.)", re.DOTALL)


def strip(soup: BeautifulSoup) -> None:
    """Take out of a page what is not displayed."""
    from bs4.element import PreformattedString

    for text in soup.find_all(string=lambda text: isinstance(text, PreformattedString)):
        text.extract()
    for element in soup.select(_NEVER_SHOWN):
        element.decompose()
    for element in soup.find_all(style=True):
        # A whole page that is hidden waits for its scripts to show it.
        if not element.decomposed and element.name not in {"html", "body"} and _is_unseen(element):
            element.decompose()


def _is_unseen(element: Tag) -> bool:
    style = _CSS_ESCAPE.sub(_escaped, _CSS_COMMENT.sub("", str(element["style"])))
    return _UNSEEN.search(style) is not None


def _escaped(match: re.Match[str]) -> str:
    number = int(match[1], 16) if match[1] else ord(match[2])
    return chr(number) if 0 < number < 0x110000 else ""


_JOINED = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Mandaic}\p{Adlam}\p{Hanifi_Rohingya}\p{Indic_Syllabic_Category=Virama}"
)
_PICTURE = r"\p{Extended_Pictographic}\p{Emoji_Modifier}"
_SHAPELESS = regex.compile(
    rf"""
      (?<= [{_JOINED}] \p{{M}}* ) [\u200C\u200D] (?= [\u200C\u200D]* [\p{{L}}\p{{M}}] ) (*SKIP)(*FAIL)  # shape letters
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


def clean(text: str) -> str:
    """Give a text without the characters that have no shape: zero-width, bidirectional, control, tags.

    Those that a script or an emoji needs to be what it is stay where they stand between its letters.
    """
    return _SHAPELESS.sub("", text)

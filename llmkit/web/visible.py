"""What a person sees of a page: which elements are displayed, and characters that have a shape.

A page may hide instructions to a model in what nobody sees: in elements that are not displayed, in comments, and in
invisible characters. Hiding by style sheets and scripts is not detected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import regex

# fmt: off
_NEVER_SHOWN = frozenset((
    "script", "style", "noscript", "template", "iframe", "noframes", "object", "embed", "applet", "canvas", "svg",
    "audio", "video", "datalist", "textarea", "select", "annotation", "annotation-xml", "meter", "progress",
))
# fmt: on
_STRUCK = frozenset(("s", "strike", "del"))
"""What the page takes back: a price that was, a word that was replaced."""
ZERO = r"\+?(?=[\d.])0*+(?:\.0*+)?(?:[a-z]+|%)?\s*(?:;|!|$)"
"""A length or number of 0 in a style, and its end."""
_HIDING_STYLE = re.compile(
    rf"""(?:^|;)\s*(?:
        display\s*:\s*none
      | visibility\s*:\s*(?:hidden|collapse)
      | content-visibility\s*:\s*hidden
      | font-size\s*:\s*{ZERO}
      | font\s*:(?:[^;]*\s)?0(?:px|pt|em|rem|%)?[\s/]
      | color\s*:\s*transparent
      | (?:text-indent|left|top|right|bottom|margin-left|margin-top)\s*:\s*-\d{{4}}
      | text-decoration(?:-line)?\s*:[^;]*line-through
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_CSS_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?|\\(.)", re.DOTALL | re.IGNORECASE)
_MAX_STYLE_LENGTH = 10_000
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

_MAY_BE_SHAPELESS = regex.compile(
    r"(?V1)[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Variation_Selector}\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0--[\n\t]]"
)


def is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    """Return whether an element is not displayed, or struck, by its tag, its attributes or its inline style."""
    if (
        tag in _NEVER_SHOWN
        or tag in _STRUCK
        or attributes.get("role") == "deletion"
        or (tag == "dialog" and "open" not in attributes)
    ):
        return True
    if tag in {"html", "body"}:  # a whole page that is hidden waits for its scripts to show it
        return False
    if "hidden" in attributes and attributes["hidden"].strip().lower() != "until-found":
        return True
    style = read_style(attributes)
    return len(style) > _MAX_STYLE_LENGTH or _HIDING_STYLE.search(style) is not None


def read_style(attributes: Mapping[str, str]) -> str:
    """Return the inline style, without comments and escapes."""
    style = attributes.get("style") or ""
    return style if len(style) > _MAX_STYLE_LENGTH else _CSS_ESCAPE.sub(_unescape, _CSS_COMMENT.sub("", style))


def _unescape(match: re.Match[str]) -> str:
    number = int(match[1], 16) if match[1] else ord(match[2])
    return chr(number) if 0 < number < 0x110000 else ""


def remove_invisible_characters(text: str) -> str:
    """Remove characters without a shape, in which a page may hide words: zero-width, bidirectional, control, tags.

    Those that a script or an emoji needs, such as joiners between its letters, stay.
    """
    return _SHAPELESS.sub("", text) if _MAY_BE_SHAPELESS.search(text) else text

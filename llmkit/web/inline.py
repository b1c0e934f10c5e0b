"""The text of a line as a browser shows it: superscripts, quotation marks, fractions, line breaks."""

from __future__ import annotations

import re
from itertools import islice

from bs4 import Tag
from bs4.element import PageElement

from llmkit.web.elements import attribute, is_block, is_within
from llmkit.web.prices import cents
from llmkit.web.superscripts import fraction, note_mark, subscript, superscript
from llmkit.web.visible import remove_invisible_characters

_RAISED = re.compile(r"vertical-align\s*:\s*(?:super|text-top)|mso-text-raise\s*:\s*[1-9.]", re.IGNORECASE)
_LOWERED = re.compile(r"vertical-align\s*:\s*(?:sub|text-bottom)\b|mso-text-raise\s*:\s*-", re.IGNORECASE)
_NOTE = re.compile(r"noteref|footnote|endnote|fnref|cite_ref|\breference\b|\bfn\b", re.IGNORECASE)
_NOTE_ATTRIBUTES = ("role", "class", "id", "rel", "epub:type")
_MAX_MARK = 3
"""Characters of a link that is the mark of a footnote without standing above the line."""
_AFTER, _NODES_AFTER = 24, 6
"""Characters after a superscript that say what it is, and the elements and texts in which they are looked for."""
BASE = 40
"""Characters before a superscript that say what it is."""
# fmt: off
_QUOTES = {  # of the Unicode CLDR, which browsers take them from
    "": "“”‘’", "bg": "„“„“", "cs": "„“‚‘", "da": "”””“", "de": "„“‚‘", "el": "«»“”", "es": "«»“”", "fi": "””’’",
    "fr": "«»«»", "hu": "„”»«", "it": "«»“”", "ja": "「」『』", "nb": "«»‘’", "no": "«»‘’", "pl": "„”«»", "pt": "“”‘’",
    "ro": "„”«»", "ru": "«»„“", "sk": "„“‚‘", "sl": "„“‚‘", "sv": "””’’", "uk": "«»„“",
}
# fmt: on
_QUOTATION_MARK = re.compile(r"[\"'“”„«»‘’‚‹›「」『』]")
_SLASHES = frozenset(("/", "⁄"))
_FORMULA = re.compile(r"\A\{\\(?:display|text)style ([+-]?\d[^\\]{0,80})\}\Z")
"""What Wikipedia writes of a formula that is a picture, in TeX, where it is a plain number: `10^{30}`."""
_CALLED_CENTS = re.compile(r"(?:^|[\s_-])(?:cents?|fraction|decimals?)(?:$|[\s_-])", re.IGNORECASE)
_CODE = frozenset(("code", "kbd", "samp", "tt"))
_INDENTATION = re.compile(r"[ \t]*(\xa0[ \xa0]*)")
_NAMED_ROLES = {"msqrt": "root", "img": "picture"}
_SCRIPTS_OF_MATH = {"msup": ("", "sup"), "msub": ("", "sub"), "msubsup": ("", "sub", "sup")}


class InlineText:
    """Collects the text of a block from its elements and texts."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._pieces: list[str] = []
        self._open: dict[int, int] = {}  # the piece at which a superscript or subscript begins
        self._quotes = 0
        self._numerator = -1  # the piece that a superscript of digits is
        self._digits = ""
        self._has_code = False

    def add(self, text: str) -> bool:
        """Add a text; false if it is only white space."""
        self._pieces.append(text)
        return not text.isspace()

    def begin(self, tag: Tag) -> None:
        """Begin an element within the line."""
        self._has_code = self._has_code or tag.name in _CODE
        match _role(tag):
            case "sup" | "sub" | "note" | "cents":
                self._open[id(tag)] = len(self._pieces)
            case "q":
                self._pieces.append(self._quotation_mark(tag, 0))
                self._quotes += 1
            case "rt":
                self._pieces.append("(")
            case "br":
                self._pieces.append("\n")
            case "denominator":
                self._pieces.append("/")
            case "root":
                self._pieces.append("√")
            case "picture":
                self._pieces += _FORMULA.findall(attribute(tag, "alt"))
        if _is_grouped(tag):
            self._pieces.append("(")

    def end(self, tag: Tag) -> None:
        """End an element within the line."""
        role = _role(tag)
        if _is_grouped(tag):
            self._pieces.append(")")
        if role == "q":
            self._quotes = max(0, self._quotes - 1)
            self._pieces.append(self._quotation_mark(tag, 1))
        elif role == "rt":
            self._pieces.append(")")
        elif (start := self._open.pop(id(tag), None)) is not None:
            text = "".join(self._pieces[start:])
            del self._pieces[start:]
            if text.strip():
                self._add_script(role, text, tag)

    def take(self) -> str:
        """Return the text so far, and begin anew."""
        text = remove_invisible_characters("".join(self._pieces))
        text = "\n".join(filter(None, map(self._line, text.split("\n"))))
        self._pieces.clear()
        self._open = dict.fromkeys(self._open, 0)
        self._numerator, self._has_code = -1, False
        return text

    def _line(self, line: str) -> str:
        """Return a line with single spaces; one of code keeps the no-break spaces that it begins with."""
        text = " ".join(line.split())
        indentation = _INDENTATION.match(line) if self._has_code and text else None
        return " " * len(indentation[1]) + text if indentation else text

    def _add_script(self, role: str, text: str, tag: Tag) -> None:
        base, after = "".join(self._pieces[-BASE:])[-BASE:], text_after(tag)
        part = cents(base, text.strip(), after) if role in {"cents", "sup"} else None
        if role == "note":
            self._pieces.append(note_mark(text))
        elif role == "cents":
            self._pieces.append(text if part is None else part)
        elif role == "sup":
            if part is not None:
                self._strip_end()
            self._numerator, self._digits = (len(self._pieces), text) if text.strip().isdigit() else (-1, "")
            self._pieces.append(superscript(base, text, after, self._language) if part is None else part)
        elif self._numerator >= 0 and (slash := "".join(self._pieces[self._numerator + 1 :][:3]).strip()) in _SLASHES:
            del self._pieces[self._numerator + 1 :]
            self._pieces.pop()
            before = "".join(self._pieces[-BASE:])[-1:]
            self._pieces.append(fraction(before, self._digits, slash, text))
            self._numerator = -1
        else:
            self._pieces.append(subscript(base, text, after))

    def _strip_end(self) -> None:
        """Remove white space at the end, as between an amount and cents that stand on another line of the source."""
        while self._pieces:
            last = self._pieces.pop().rstrip()
            if last:
                self._pieces.append(last)
                return

    def _quotation_mark(self, tag: Tag, at: int) -> str:
        """Return the mark that a browser prints, unless the page has one itself.

        References:
            https://html.spec.whatwg.org/multipage/rendering.html#quotes
        """
        text = tag.get_text(strip=True)
        if not text or _QUOTATION_MARK.match(text):
            return ""
        marks = _QUOTES.get(self._language[:2].lower(), _QUOTES[""])
        return marks[at + 2 * (self._quotes % 2)]


def _role(tag: Tag) -> str:
    """Return what an element does to the text in it."""
    if tag.name in {"q", "rt", "br"}:
        return tag.name
    if tag.name in {"a", "sup"} and _marks_note(tag):
        return "note"
    if tag.name in {"sup", "sub"}:
        return tag.name
    if tag.name == "small" or _CALLED_CENTS.search(attribute(tag, "class")):
        return "cents"
    if tag.name in _NAMED_ROLES:
        return _NAMED_ROLES[tag.name]
    parent = tag.parent
    if parent is not None and parent.name in {*_SCRIPTS_OF_MATH, "mfrac"}:
        position = sum(1 for _ in islice((node for node in tag.previous_siblings if isinstance(node, Tag)), 4))
        if parent.name == "mfrac":
            return "denominator" if position == 1 else ""
        return _SCRIPTS_OF_MATH[parent.name][position] if position < len(_SCRIPTS_OF_MATH[parent.name]) else ""
    style = attribute(tag, "style")
    return "sup" if _RAISED.search(style) else "sub" if _LOWERED.search(style) else ""


def _is_grouped(tag: Tag) -> bool:
    """Return whether a part of a formula needs parentheses on one line: (a+b)/2, √(a+b)."""
    is_part = tag.name == "msqrt" or (tag.parent is not None and tag.parent.name == "mfrac")
    return is_part and len(tag.find_all("mo", limit=1)) > 0 and len(tag.find_all(["mi", "mn"], limit=2)) > 1


def is_drawn_formula(tag: Tag) -> bool:
    """Return whether an element draws a formula that stands beside it as MathML: KaTeX and MathJax write both."""
    if attribute(tag, "aria-hidden") != "true" or tag.parent is None or tag.find("math"):
        return False
    beside = (node for node in islice(tag.parent.children, 5) if isinstance(node, Tag) and node is not tag)
    return any(node.name == "math" or node.find("math") for node in beside)


def _marks_note(tag: Tag) -> bool:
    """Return whether a link or superscript is the mark of a footnote: only a link within a page, or called so."""
    is_link = tag.name == "a"
    if is_link and (is_within(tag, {"sup"}) or tag.find("sup") or len(tag.get_text(strip=True)) > _MAX_MARK):
        return False
    elements = [tag] if is_link else [tag, *tag.find_all("a")]
    if any(_NOTE.search(" ".join(attribute(element, name) for name in _NOTE_ATTRIBUTES)) for element in elements):
        return True
    if not is_link and tag.parent is not None:
        elements.append(tag.parent)
    return not is_link and any(element.name == "a" and "#" in attribute(element, "href") for element in elements)


def text_after(tag: Tag) -> str:
    """Return the beginning of what follows an element in its line."""
    node: PageElement = tag
    text = ""
    for _ in range(_NODES_AFTER):
        for _ in range(_NODES_AFTER):
            if node.next_sibling is not None or node.parent is None or is_block(node.parent):
                break
            node = node.parent
        following = node.next_sibling
        if following is None or (isinstance(following, Tag) and (is_block(following) or following.name == "br")):
            break
        text += "".join(islice(following.strings, _NODES_AFTER)) if isinstance(following, Tag) else str(following)
        if len(text) >= _AFTER:
            break
        node = following
    return text[:_AFTER]

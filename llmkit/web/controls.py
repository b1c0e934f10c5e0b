"""Buttons, labels and forms: controls go, but headings of accordions and tabs are text, though they are buttons."""

from __future__ import annotations

import re
from itertools import islice

from bs4 import BeautifulSoup, Tag

from llmkit.web.elements import HEADINGS, attribute, is_block, is_within
from llmkit.web.panels import DISCLOSURE_CLASS, ENDS_AS_QUESTION, PANEL_SWITCHES

_NO_TEXT = frozenset(("optgroup", "option", "rp", "rtc"))
_LINE_NUMBERS = re.compile(
    r"(?:^|\s)(?:line-?nos?|linenodiv|line-?numbers?-rows|ln|gutter|hljs-ln-numbers|blob-num|rouge-gutter)(?:\s|$)"
)
_NOT_TYPED = frozenset(("button", "checkbox", "hidden", "image", "radio", "reset", "submit"))
"""Types of inputs that nothing is typed into."""
_HEADING_PLACES = HEADINGS | {"dt", "legend", "caption"}


def resolve_controls(soup: BeautifulSoup) -> None:
    """Remove the head and the controls of a page; make headings of those that are, and a block of a form around all."""
    for head in soup.find_all(["head", "title"]):
        head.decompose()
    total = len(soup.get_text())
    for form in soup.find_all("form"):
        # Frameworks such as ASP.NET put the page, or a part of it, into a form.
        if len(form.get_text()) > total / 2 or not form.find(_is_entry_field):
            form.name = "div"
    controls = soup.find_all(["button", "label"])
    headings = [control for control in controls if is_disclosure(control)]
    headings += [tag for tag in soup.find_all(["a", "div", "span"]) if _switches_panel(tag) and is_disclosure(tag)]
    removed = soup.find_all(_has_no_text)
    for label in filter(_is_choice, controls):
        label.name = "p"
    for heading in headings:
        heading.name = "span" if is_within(heading, _HEADING_PLACES) else "h4"
    kept = set(map(id, headings))  # to compare elements themselves would compare all that is in them
    for control in removed:
        if control.name != "h4" and not control.decomposed and id(control) not in kept:
            control.decompose()


def _is_entry_field(tag: Tag) -> bool:
    return tag.name == "input" and attribute(tag, "type").lower() not in _NOT_TYPED


def _has_no_text(tag: Tag) -> bool:
    """Return whether an element is a control, or the numbers of the lines of code."""
    if tag.name in _NO_TEXT or "data-line-number" in tag.attrs:
        return True
    if tag.name == "button":
        return not is_disclosure(tag)
    if tag.name == "label":
        return not _is_choice(tag) and _labels_control(tag) and not is_disclosure(tag)
    return _LINE_NUMBERS.search(attribute(tag, "class")) is not None


def is_disclosure(tag: Tag) -> bool:
    """Return whether a button or label is a heading: of an accordion's panel, or of a tab.

    References:
        https://www.w3.org/WAI/ARIA/apg/patterns/accordion/, /disclosure/ and /tabs/; Bootstrap's collapse.
    """
    if attribute(tag, "aria-haspopup") not in {"", "false"}:
        return False
    if is_within(tag, _HEADING_PLACES):
        return True
    if is_within(tag, {"form", "nav"}):
        return False
    toggle = attribute(tag, "data-bs-toggle") or attribute(tag, "data-toggle")
    if (
        tag.get("role") == "tab"
        or toggle in PANEL_SWITCHES
        or "aria-expanded" in tag.attrs
        or "aria-controls" in tag.attrs
    ):
        return True
    return _heads_panel(tag)


def _switches_panel(tag: Tag) -> bool:
    """Tell whether another element is made a button, or a switch of Bootstrap's, for a block that follows."""
    if "aria-expanded" not in tag.attrs and "aria-controls" not in tag.attrs:
        return False
    toggle = attribute(tag, "data-bs-toggle") or attribute(tag, "data-toggle")
    if (tag.get("role") != "button" and toggle not in PANEL_SWITCHES) or tag.find(is_block):
        return False
    panel = _next_element(tag)
    return panel is not None and is_block(panel) and bool(panel.get_text(strip=True))


def _heads_panel(tag: Tag) -> bool:
    """Return whether a block follows that the element is the heading of, by its words, its class or its repetition."""
    panel = _next_element(tag)
    if panel is None or panel.name in HEADINGS or not is_block(panel) or not panel.get_text(strip=True):
        return False
    before = _previous_element(tag)
    if ENDS_AS_QUESTION.search(tag.get_text()) or DISCLOSURE_CLASS.search(attribute(tag, "class")):
        return True
    if tag.name == "label" and before is not None and before.name == "input":
        return before.get("type") in {"checkbox", "radio"}
    beyond = (_next_element(panel), before and _previous_element(before))
    alike = any(other and other.name == tag.name and other.get("class") == tag.get("class") for other in beyond)
    return panel.name != "p" and (alike or _is_repeated(tag))


def _is_repeated(tag: Tag) -> bool:
    """Return whether the elements beside the one that holds the tag begin in the same way."""
    item = tag.parent
    if item is None or item.name == "body":
        return False
    for beside in filter(None, (_next_element(item), _previous_element(item))):
        if beside.name == item.name and (first := beside.find(True, recursive=False)) and first.name == tag.name:
            return True
    return False


def _is_choice(label: Tag) -> bool:
    """Return whether a label is one of the answers to the question that a group of fields asks."""
    field = label.find("input") or _previous_element(label)
    return isinstance(field, Tag) and attribute(field, "type").lower() == "radio" and is_within(label, {"fieldset"})


def _labels_control(tag: Tag) -> bool:
    return "for" in tag.attrs or tag.find("input") is not None or is_within(tag, {"form"})


def _next_element(tag: Tag) -> Tag | None:
    return next((node for node in islice(tag.next_siblings, 5) if isinstance(node, Tag)), None)


def _previous_element(tag: Tag) -> Tag | None:
    return next((node for node in islice(tag.previous_siblings, 5) if isinstance(node, Tag)), None)

"""Panels of accordions and tabs: they are hidden until a click shows them, and are text of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bs4 import Tag

from llmkit.web.elements import attribute
from llmkit.web.visible import ZERO, read_style

_COLLAPSED_STYLE = re.compile(
    rf"(?:^|;)\s*(?:display\s*:\s*none|(?:content-)?visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*{ZERO})",
    re.IGNORECASE,
)
PANEL_SWITCHES = frozenset(("collapse", "tab", "pill"))
"""What `data-toggle` says of a button that shows a panel (Bootstrap)."""
_TABS = re.compile(r"(?<![a-z])tabs?(?![a-z])", re.IGNORECASE)
DISCLOSURE_CLASS = re.compile(r"accordion|collaps|toggle|faq|question|disclosure|expand", re.IGNORECASE)
ENDS_AS_QUESTION = re.compile(r"[?？؟]\s*$")
"""What a button for a panel is called, or says."""
_SWITCH_PLACES = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "dt"))


def panels_of(attributes: Mapping[str, str]) -> list[str]:
    """Return the ids of the panels that an element shows when it is clicked (WAI-ARIA, Bootstrap)."""
    toggle = attributes.get("data-bs-toggle") or attributes.get("data-toggle")
    shows_panel = "aria-expanded" in attributes or attributes.get("role") == "tab" or toggle in PANEL_SWITCHES
    if not shows_panel or attributes.get("aria-haspopup", "false") != "false":
        return []
    targets = (attributes.get(name, "") for name in ("data-bs-target", "data-target", "href"))
    return [*attributes.get("aria-controls", "").split(), *(target[1:] for target in targets if target[:1] == "#")]


def tab_panels_of(link: Mapping[str, str], around: Iterable[Tag]) -> list[str]:
    """Return the id of the panel that a link of a list of tabs shows (jQuery UI and others, by their classes)."""
    classes = (link.get("class", ""), *(attribute(tag, "class") for tag in around))
    target = link.get("href", "")
    return [target[1:]] if target[:1] == "#" and any(map(_TABS.search, classes)) else []


def opened(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a panel as they are once it was opened."""
    shown = {name: value for name, value in attributes.items() if name not in {"hidden", "aria-hidden"}}
    if style := read_style(attributes):
        shown["style"] = _COLLAPSED_STYLE.sub("", style)
    if "class" in shown:  # trafilatura drops what is called hidden
        shown["class"] = " ".join(name for name in shown["class"].split() if "hid" not in name.lower())
    return shown


def is_switch(tag: Tag | None) -> bool:
    """Return whether an element is a button for what follows it: one that is expanded or not, or one in a heading."""
    if tag is None:
        return False
    in_heading = tag.name in _SWITCH_PLACES
    button = tag.find("button") if in_heading else tag if tag.name == "button" else None
    if not isinstance(button, Tag) or str(button.get("aria-haspopup", "false")) != "false":
        return False
    if in_heading or "aria-expanded" in button.attrs:
        return True
    return (
        DISCLOSURE_CLASS.search(attribute(button, "class")) is not None
        or ENDS_AS_QUESTION.search(button.get_text()) is not None
    )

"""Redirects that a page makes itself: a refresh, frames, scripts.

A refresh is followed as a browser that runs no scripts does it; what only a script would do is named in an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from llmkit.errors import PageError
from llmkit.web.redirects import decode_header, resolve
from llmkit.web.urls import printable
from llmkit.web.visible import is_hidden

AT_ONCE, MAX_DELAY = 1.0, 10.0
"""Seconds: a refresh within the first is always followed; up to the second, from a page that is only a notice."""
_MAX_SHOWN = 5
_MAX_SCRIPT_LENGTH = 20_000
_NO_SIZE = {"0", "1", "0px", "1px"}
_REFRESH = re.compile(r"[\t\n\f\r ]*([0-9]+|(?=\.))[0-9.]*(?:[\t\n\f\r ]*[;,]|[\t\n\f\r ]|$)[\t\n\f\r ]*")
_URL_PREFIX = re.compile(r"url[\t\n\f\r ]*=[\t\n\f\r ]*", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_SCRIPT_TYPES = re.compile(r"|module|(?:text|application)/(?:x-)?(?:java|ecma)script", re.IGNORECASE)
_SCRIPT_TOKENS = re.compile(
    r"""
      (?<![\w$.]) (?:(?:window|document|self|top|parent|globalThis)\s*\.\s*){0,4} location\s*
      (?: (?:\.\s*href\s*)? =(?!=) | \.\s*(?:replace|assign)\s*\( ) \s*
      (?P<quote>["'`]) (?P<target>[^"'`\s$]+) (?P=quote)
    | (?<!\\) (?: "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*` ) | //[^\n]* | /\*.*?(?:\*/|\Z)
    | (?P<brace>[{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_CONDITION = re.compile(r"\b(?:if|else|for|while|function)\b|&&|\|\||\?|=>")
_SAYS_REDIRECT = re.compile(r"redire|redirig|weitergeleitet|weiterleitung", re.IGNORECASE)


@dataclass(frozen=True)
class Refresh:
    """A refresh to another page.

    Attributes:
        delay: in seconds.
        target: as the page writes it.
        without_scripts: whether it stands in a `<noscript>`.
    """

    delay: float
    target: str
    without_scripts: bool = False


@dataclass
class Links:
    """What may lead from a page to another without a click."""

    base: str = ""
    refreshes: list[Refresh] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    inline_frames: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)


def parse_refresh(value: str) -> tuple[float, str] | None:
    """Return the delay and the URL of a refresh; `None` where it is invalid or reloads the page.

    See https://html.spec.whatwg.org/#shared-declarative-refresh-steps.
    """
    head = _REFRESH.match(value)
    if head is None:
        return None
    target = value[head.end() :]
    if prefix := _URL_PREFIX.match(target):
        target = target[prefix.end() :]
    if target[:1] in {"'", '"'}:
        target = target[1:].partition(target[0])[0]
    target = target.strip()
    return (float(head[1] or 0), target) if target else None


def find_links(html: str, refresh_header: str) -> Links:
    """Find what may lead from a page to another: its `Refresh` header comes first, as in browsers."""
    from lxml import etree  # type: ignore[import-untyped]

    links = Links()
    if found := parse_refresh(decode_header(refresh_header)):
        links.refreshes.append(Refresh(*found))
    parser = etree.HTMLParser(target=_LinkCollector(links), huge_tree=True)
    with suppress(etree.LxmlError):  # as far as it can be parsed
        parser.feed(html)
        parser.close()
    return links


def redirect_target(links: Links, url: str, text: str, title: str, *, is_notice: bool) -> str | None:
    """Return the URL that a page leads a browser to, or `None` if it is read itself.

    Args:
        links: what was found in the page.
        url: the page's URL.
        text: its readable text.
        title: its title.
        is_notice: whether the text is so short that it may only say that the page is elsewhere.

    Raises:
        PageError: it has no text itself, but frames, or a script that leads to another page.
    """
    base = _base(links, url)
    certain_only = bool(text) and not _SAYS_REDIRECT.search(text + title)
    by_script = _script_target(links.scripts, base, certain_only=certain_only) if is_notice else ""
    if target := _refresh_target(links.refreshes, url, base, by_script, text, is_notice=is_notice):
        return target
    if not is_notice:
        return None
    if by_script and by_script != url:
        raise PageError(f"only leads to {printable(by_script)}, by a script: give that URL")
    frames = links.frames or ([] if text else links.inline_frames)
    urls = list(dict.fromkeys(filter(None, (_web_url(base, frame) for frame in frames))))
    if len(urls) == 1 and (links.frames or not links.scripts):
        return urls[0]
    if urls:
        shown = ", ".join(map(printable, urls[:_MAX_SHOWN])) + (", …" if len(urls) > _MAX_SHOWN else "")
        raise PageError(f"has no readable text itself, but shows other pages in frames: give the URL of one: {shown}")
    return None


def _refresh_target(
    refreshes: list[Refresh], url: str, base: str, by_script: str, text: str, *, is_notice: bool
) -> str | None:
    for refresh in refreshes:
        target = _web_url(base, refresh.target)
        if not target or (target == url and "#" in refresh.target):
            continue
        if refresh.without_scripts:  # many ask to switch scripts on, beside a text that can be read
            if is_notice and (by_script or not text):
                return target
        elif refresh.delay <= AT_ONCE or (is_notice and refresh.delay <= MAX_DELAY and target != url):
            return target
        else:
            return None  # browsers take the first one
    return None


def empty_page(links: Links, url: str) -> PageError:
    """Return the error of a page without readable text; it says why, as far as that is known."""
    base = _base(links, url)
    later = next((_web_url(base, refresh.target) or refresh.target for refresh in links.refreshes), "")
    if later and later != url:
        return PageError(f"has no readable text, and leads to {printable(later)} after a while: give that URL")
    if links.scripts:
        return PageError("has no readable text: if a browser shows some, scripts made it; save it from there")
    return PageError("has no readable text: check in a browser whether it is empty, or has its text in pictures")


def _base(links: Links, url: str) -> str:
    return _web_url(url, links.base) or url


def _web_url(base: str, reference: str) -> str:
    """Return the URL that a reference means; empty if it is not that of a web page.

    In a page of unknown URL, such as a saved one, a relative reference stays as it is, for an error to name.
    """
    reference = reference.strip()
    if not _WEB.match(base) and not re.match(r"[a-z][a-z0-9+.-]*:|#", reference, re.IGNORECASE):
        return reference
    try:
        target = resolve(base, reference) if reference else ""
    except ValueError:
        return ""
    return target if _WEB.match(target) else ""


def _script_target(scripts: list[str], base: str, *, certain_only: bool) -> str:
    """Return the page that a script leads to; with `certain_only`, one that leads there in any case."""
    for script in scripts:
        if len(script) > _MAX_SCRIPT_LENGTH:
            continue
        depth = 0
        for token in _SCRIPT_TOKENS.finditer(script):
            depth += {"{": 1, "}": -1}.get(token["brace"] or "", 0)
            if token["target"] is None:
                continue
            before = re.split(r"[;{}]", script[max(token.start() - 200, 0) : token.start()])[-1]
            if not certain_only or (depth <= 0 and not _CONDITION.search(before)):
                target = _web_url(base, token["target"].replace("\\/", "/"))
                if target:
                    return target
    return ""


class _LinkCollector:
    """A target of lxml's parser that notes what leads elsewhere, outside of comments and templates."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._open: list[str] = []
        """Of each open element what it is in: of `template`, `noscript` and `hidden`, the first that holds."""
        self._script: list[str] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        inside = self._open[-1] if self._open else ""
        if not inside:
            inside = tag if tag in {"template", "noscript"} else "hidden" if is_hidden("", attributes) else ""
        self._open.append(inside)
        if inside != "template":
            self._note(tag, attributes, inside)

    def _note(self, tag: str, attributes: Mapping[str, str], inside: str) -> None:
        links, source = self._links, attributes.get("src", "").strip()
        if tag == "meta" and attributes.get("http-equiv", "").strip().lower() == "refresh":
            if found := parse_refresh(attributes.get("content", "")):
                links.refreshes.append(Refresh(*found, without_scripts=inside == "noscript"))
        elif tag == "base":
            links.base = links.base or attributes.get("href", "").strip()
        elif tag == "frame":
            links.frames.append(source)
        elif tag == "iframe" and not inside and not {attributes.get("width"), attributes.get("height")} & _NO_SIZE:
            links.inline_frames.append(source)
        elif tag == "script" and _SCRIPT_TYPES.fullmatch(attributes.get("type", "").strip()):
            self._script = []
        elif tag == "body" and "onload" in attributes:
            links.scripts.append(attributes["onload"])

    def end(self, tag: str) -> None:
        if self._open:
            self._open.pop()
        if tag == "script" and self._script is not None:
            self._links.scripts.append("".join(self._script))
            self._script = None

    def data(self, data: str) -> None:
        if self._script is not None:
            self._script.append(data)

    def close(self) -> Any:
        """Return nothing: the links were noted."""

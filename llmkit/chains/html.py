"""Results as HTML fragments for notebooks; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

_COLORS = ("#cfe8ff", "#ffe3b3", "#d5f2d0", "#f6d3e6", "#e2dcff", "#ffd9d2", "#d2f1f1", "#ececc4")


def highlight(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """Return a text with marked spans, `(start, end, caption)`, in one color for each caption.

    An empty caption is left out. Of spans that overlap, the first is marked.
    """
    colors: dict[str, str] = {}
    parts, place = [], 0
    for start, end, caption in sorted(spans, key=lambda span: span[:2]):
        if start < place:
            continue
        color = colors.setdefault(caption, _COLORS[len(colors) % len(_COLORS)])
        note = f' <small style="opacity: .7">{escape(caption)}</small>' if caption else ""
        style = f"background: {color}; color: #000; padding: .1em .25em; border-radius: .25em"
        parts += [escape(text[place:start]), f'<mark style="{style}">{escape(text[start:end])}{note}</mark>']
        place = end
    return f'<div style="white-space: pre-wrap">{"".join(parts)}{escape(text[place:])}</div>'


def bars(probabilities: Mapping[str, float], marked: Iterable[str] = ()) -> str:
    """Return a table with a bar for each probability, the highest first; `marked` names are in bold."""
    bold = set(marked)
    rows = []
    for name, value in sorted(probabilities.items(), key=lambda pair: -pair[1]):
        shown = f"<b>{escape(name)}</b>" if name in bold else escape(name)
        bar = f'<div style="background: {_COLORS[0]}; width: {200 * value:.0f}px; height: 1em"></div>'
        rows.append(f"<tr><td>{shown}</td><td>{value:.1%}</td><td>{bar}</td></tr>")
    return f"<table>{''.join(rows)}</table>"

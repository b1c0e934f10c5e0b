"""A plot of differences from the baseline with their intervals, as SVG."""

from __future__ import annotations

import math
from html import escape
from typing import NamedTuple

from llmkit.evaluation.comparison import Comparison
from llmkit.evaluation.metrics import Metric

_ROW, _NAME, _WIDTH, _VERDICT, _TOP = 30, 250, 400, 250, 44
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2024}.small{font-size:11px;fill:#60646c}.grid{stroke:#d9d9e0}"
    ".zero{stroke:#60646c}.mark{stroke-width:3;stroke:#6f6f77;fill:#6f6f77}.mark.better{stroke:#18794e;fill:#18794e}"
    ".mark.worse{stroke:#c62a2f;fill:#c62a2f}@media(prefers-color-scheme:dark){text{fill:#edeef0}.small{fill:#b0b4ba}"
    ".grid{stroke:#363a3f}.zero{stroke:#b0b4ba}.mark{stroke:#b0b4ba;fill:#b0b4ba}"
    ".mark.better{stroke:#3dd68c;fill:#3dd68c}.mark.worse{stroke:#ff9592;fill:#ff9592}}"
)


class _Line(NamedTuple):
    name: str
    value: float
    low: float
    high: float
    verdict: str


def draw_differences(comparison: Comparison, metric: Metric) -> str:
    """Return an SVG with a line for each cell but the baseline: the difference, its 95 % interval and the verdict."""
    lines = [
        _Line(
            report.cell.name,
            one.value,
            one.interval.low if one.interval else one.value,
            one.interval.high if one.interval else one.value,
            one.verdict,
        )
        for report in comparison.cells
        if (one := report.differences.get(metric.name))
    ]
    largest = max((abs(end) for line in lines for end in (line.low, line.high)), default=0) or 1
    step = _round_step(largest)
    reach = step * max(2, -(-largest // step))

    def x(value: float) -> float:
        return _NAME + _WIDTH * (value + reach) / (2 * reach)

    height = _TOP + _ROW * len(lines) + 24
    title = f"{metric.name}: difference from {comparison.baseline!r}, {len(comparison.items)} items, 95 % intervals"
    parts = [f'<text x="0" y="16">{escape(title)}</text>']
    for tick in range(-round(reach / step), round(reach / step) + 1):
        place, kind = x(tick * step), "zero" if tick == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP - 12}" y2="{height - 22}"/>')
        label = f"{tick * step:+.3g}" if tick else "0"
        parts.append(f'<text class="small" x="{place:.1f}" y="{height - 6}" text-anchor="middle">{label}</text>')
    parts += [
        _draw(line, _TOP + _ROW * index, x(line.low), x(line.value), x(line.high)) for index, line in enumerate(lines)
    ]
    width = _NAME + _WIDTH + _VERDICT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(title)}"><style>{_STYLE}</style>{"".join(parts)}</svg>'
    )


def _draw(line: _Line, y: float, low: float, value: float, high: float) -> str:
    mark = f"mark {line.verdict}" if line.verdict in ("better", "worse") else "mark"
    return (
        f'<text x="0" y="{y + 4}">{escape(_short(line.name))}<title>{escape(line.name)}</title></text>'
        f'<line class="{mark}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
        f'<circle class="{mark}" cx="{value:.1f}" cy="{y}" r="4"/>'
        f'<text class="small" x="{_NAME + _WIDTH + 14}" y="{y + 4}">{line.value:+.3f}  {escape(line.verdict)}</text>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:35]}…"


def _round_step(largest: float) -> float:
    """Return a step of 1, 2 or 5 times a power of ten, of which two to five reach the largest value."""
    power = 10.0 ** (math.floor(math.log10(largest)) - 1)
    return next(step * power for step in (1, 2, 5, 10, 20, 50) if largest / (step * power) <= 4)

"""One self-contained page: the matrix, the plots, and the items side by side with the words that differ marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from html import escape

from llmkit.evaluation.comparison import CellReport, Comparison
from llmkit.evaluation.difference_plot import draw_differences
from llmkit.evaluation.items import Item
from llmkit.evaluation.tables import cost_cells, figure_text, head_of, headline, notes_of

MAX_ITEMS = 100
"""That are shown side by side: those whose results differ most from each other."""
_STYLE = """
:root { color-scheme: light dark; --line: #d9d9e0; --muted: #60646c;
  --better: #18794e; --worse: #c62a2f; --mark: #fff0b8 }
@media (prefers-color-scheme: dark) {
  :root { --line: #363a3f; --muted: #b0b4ba; --better: #3dd68c; --worse: #ff9592; --mark: #4d3f05 }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
.answer { font-size: 1.1rem; border-left: 4px solid var(--better); padding-left: .8rem }
.unsure { border-color: var(--muted) }
.scroll { overflow-x: auto } svg { max-width: 100%; height: auto }
table { border-collapse: collapse } th, td { text-align: left; vertical-align: top; padding: .35rem .7rem;
  border-bottom: 1px solid var(--line) } td.number { font-variant-numeric: tabular-nums; white-space: nowrap }
small, .muted { color: var(--muted) } .better { color: var(--better) } .worse { color: var(--worse) }
mark { background: var(--mark); color: inherit } details { margin: .4rem 0 } summary { cursor: pointer }
.text { white-space: pre-wrap }
"""
_WORD = re.compile(r"\s+|\w+|[^\w\s]")


def write_html(comparison: Comparison) -> str:
    """Return the report as one page, which loads nothing from elsewhere."""
    proved = "" if comparison.is_proved else " unsure"
    plots = "".join(
        f'<div class="scroll">{draw_differences(comparison, metric)}</div>'
        for metric in comparison.metrics
        if len(comparison.cells) > 1
    )
    name = escape(comparison.plan.data.name)
    parts = [
        f"<h1>{name}: {len(comparison.plan.cells)} ways to {escape(comparison.plan.task)}</h1>",
        f'<p class="answer{proved}">{escape(headline(comparison))}</p>',
        *(f'<p class="muted">{escape(note)}</p>' for note in notes_of(comparison)),
        f'<div class="scroll">{_matrix(comparison)}</div>',
        f"<h2>Differences</h2>{plots}" if plots else "",
        _rounds(comparison),
        "<h2>Items</h2>",
        *_items(comparison),
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _matrix(comparison: Comparison) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in head_of(comparison))
    rows = "".join(_row(comparison, report) for report in comparison.cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _rounds(comparison: Comparison) -> str:
    """Return how the best cell was found: the figure of each cell on the items of each round."""
    if not comparison.rounds:
        return ""
    best_first = sorted(
        comparison.rounds[0].scores, key=lambda name: -sum(name in one.kept for one in comparison.rounds)
    )
    head = "".join(f"<th>{one.items} items</th>" for one in comparison.rounds)
    sign = -1 if comparison.metrics[0].better == "less" else 1
    rows = []
    for name in best_first:
        cells = [
            f'<td class="number">{sign * one.scores[name]:.3f}</td>' if name in one.scores else "<td></td>"
            for one in comparison.rounds
        ]
        rows.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
    title = f"<h2>How the best was found: {escape(comparison.metrics[0].name)} of each round</h2>"
    return f'{title}<div class="scroll"><table><tr><th>cell</th>{head}</tr>{"".join(rows)}</table></div>'


def _row(comparison: Comparison, report: CellReport) -> str:
    first = report.differences.get(comparison.metrics[0].name)
    verdict = "baseline" if first is None else first.verdict
    cells = [f"<th>{escape(report.cell.name)}</th>", f'<td class="{_class(verdict)}">{escape(verdict)}</td>']
    for metric in comparison.metrics:
        difference = report.differences.get(metric.name)
        shown = (
            ""
            if difference is None
            else f'<br><small class="{_class(difference.verdict)}">{difference.value:+.3f}</small>'
        )
        cells.append(f'<td class="number">{escape(figure_text(report.figures[metric.name]))}{shown}</td>')
    cells += [f'<td class="number">{escape(cell)}</td>' for cell in cost_cells(report)]
    return f"<tr>{''.join(cells)}</tr>"


def _class(verdict: str) -> str:
    return verdict if verdict in ("better", "worse") else "muted"


def _items(comparison: Comparison) -> Iterator[str]:
    """Yield the items whose results differ most, each with the results of all cells."""
    order = sorted(range(len(comparison.items)), key=lambda index: -_spread(comparison, index))[:MAX_ITEMS]
    yield f"<p class='muted'>{len(order)} of {len(comparison.items)} items, those first whose results differ most.</p>"
    for index in order:
        item = comparison.items[index]
        baseline = next(one for one in comparison.cells if one.cell.name == comparison.baseline).results[0][index].text
        rows = [_item_row("right result", _reference(item), None)]
        rows += [
            _item_row(
                one.cell.name, one.results[0][index].text, None if one.cell.name == comparison.baseline else baseline
            )
            for one in comparison.cells
        ]
        source = f'<details><summary>input</summary><div class="text" dir="auto">{escape(_shown(item))}</div></details>'
        yield f"<h3>Item {escape(item.id)}</h3>{source}<div class='scroll'><table>{''.join(rows)}</table></div>"


def _spread(comparison: Comparison, index: int) -> int:
    return len({one.results[0][index].text for one in comparison.cells})


def _item_row(name: str, text: str, baseline: str | None) -> str:
    shown = escape(text) if baseline is None else mark_changes(text, baseline)
    return f'<tr><th>{escape(name)}</th><td class="text" dir="auto">{shown}</td></tr>'


def mark_changes(text: str, other: str) -> str:
    """Return a text as HTML, in which words that another text does not have in their place are marked."""
    words, others = _WORD.findall(text), _WORD.findall(other)
    matcher = difflib.SequenceMatcher(a=others, b=words, autojunk=False)
    parts = []
    for tag, _, _, start, end in matcher.get_opcodes():
        piece = escape("".join(words[start:end]))
        parts.append(piece if tag == "equal" or not piece.strip() else f"<mark>{piece}</mark>")
    return "".join(parts)


def _reference(item: Item) -> str:
    value = item.reference
    if isinstance(value, str):
        return value
    if not value:
        return "nothing"
    if isinstance(value[0], str):
        return "\n".join(value)
    return "; ".join(f"{item.text[span['start'] : span['end']]} ({span['label']})" for span in value)


def _shown(item: Item) -> str:
    texts: Sequence[str] = [item.text] if item.question is None else [item.question, item.text]
    return "\n\n".join(texts)

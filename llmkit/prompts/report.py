"""How a context window is used: a table for a terminal, a notebook or a program."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

from llmkit.prompts.selectors import Candidate

Reason = Literal["does not fit", "equals the input", "is beyond the k best"]
Row = tuple[str, str, str]
_CHANGED = "changed for the model's chat template"
MAX_LEFT_OUT = 10  # rows of left-out examples that are shown; the report itself has all


@dataclass(frozen=True)
class Part:
    """Tokens of the window, and what they are used for."""

    name: str
    tokens: int


@dataclass(frozen=True)
class LeftOut:
    """An example that is not in the prompt, the tokens that it would take, and why."""

    candidate: Candidate
    tokens: int
    reason: Reason


@dataclass(frozen=True)
class Report:
    """How a context window is used; shown as a table by `print` and in notebooks.

    Attributes:
        parts: together they are the whole window. `markup` is what the whole prompt has more than its parts
            counted alone: chat markup and white space between, less what is saved where tokens join.
        left_out: examples that are not in the prompt, in the order of their rank.
        context_window: in tokens.
        changes: how the messages differ from these, because the chat template does not take them, a sentence each.
    """

    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    context_window: int
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        tables = "\n\n".join("\n".join(_text_table(rows)) for rows in self._tables()) + self._more("\n{}")
        return "\n".join(
            [tables, *(["", f"{_CHANGED}:"] if self.changes else []), *(f"- {one}" for one in self.changes)]
        )

    def _repr_html_(self) -> str:
        tables = "".join(map(_html_table, self._tables())) + self._more("<p>{}</p>")
        changes = "".join(f"<li>{escape(change)}</li>" for change in self.changes)
        return tables + (f"<p>{_CHANGED}:</p><ul>{changes}</ul>" if changes else "")

    def _tables(self) -> list[list[Row]]:
        window = max(1, self.context_window)
        spent = [(part.name, f"{part.tokens:,}", f"{part.tokens / window:.1%}") for part in self.parts]
        tables: list[list[Row]] = [
            [("part", "tokens", "share"), *spent, ("context window", f"{self.context_window:,}", "")]
        ]
        if self.left_out:
            shown = [(str(out.candidate), f"{out.tokens:,}", str(out.reason)) for out in self.left_out[:MAX_LEFT_OUT]]
            tables.append([("left out", "tokens", "because it"), *shown])
        return tables

    def _more(self, form: str) -> str:
        more = len(self.left_out) - MAX_LEFT_OUT
        return form.format(f"and {more} more") if more > 0 else ""


def _text_table(rows: list[Row]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{name:<{widths[0]}}  {tokens:>{widths[1]}}  {last}".rstrip() for name, tokens, last in rows]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _html_table(rows: list[Row]) -> str:
    def line(row: Row, tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

    return f"<table>{line(rows[0], 'th')}{''.join(line(row, 'td') for row in rows[1:])}</table>"

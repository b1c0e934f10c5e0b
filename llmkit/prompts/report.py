"""What goes to the model and how its window is spent: a table that a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmkit.prompts.examples import Candidate

Reason = Literal["does not fit", "equals the input", "is beyond the k best"]
SHOWN = 10  # rows of left-out examples; the report itself has all


@dataclass(frozen=True)
class Part:
    """Some tokens of the window, and what they are spent on."""

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
    """How a context window is spent; `print` shows it as a table.

    Attributes:
        parts: together they are the whole window. `markup` is what the whole prompt has more than its parts
            counted alone: chat markup and white space between, less what is won where tokens join.
        left_out: examples that are not in the prompt, in the order of their rank.
    """

    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    context_window: int

    def __str__(self) -> str:
        rows = [
            (part.name, f"{part.tokens:,}", f"{part.tokens / max(1, self.context_window):.1%}") for part in self.parts
        ]
        lines = _table([("part", "tokens", "share"), *rows, ("context window", f"{self.context_window:,}", "")])
        if self.left_out:
            shown = [(str(each.candidate), f"{each.tokens:,}", each.reason) for each in self.left_out[:SHOWN]]
            lines += ["", *_table([("left out", "tokens", "because it"), *shown])]
        if (more := len(self.left_out) - SHOWN) > 0:
            lines.append(f"and {more} more")
        return "\n".join(lines)


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{name:<{wide[0]}}  {tokens:>{wide[1]}}  {last}".rstrip() for name, tokens, last in rows]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]

"""Compare prompts, examples, settings and models on the same items, with statistics: `llmkit compare`.

plan, cells       what is compared: a TOML file
data_files        rows of JSON Lines, CSV and Parquet
items             the rows that all cells get, and the examples, which are none of them
cell_chain        a cell as a chain, built from plain data
cell_runs         results item by item, kept and resumed
metrics           what is measured of each item
statistics        intervals and tests for paired items
verdicts          better, worse, or cannot tell
comparison        cells in, figures and verdicts out
run               compare: all of it, with the report
tables, html_report, difference_plot    what a person sees

The names below are loaded when first used.

Example:
    >>> from llmkit.evaluation import Plan, compare
    >>> found = compare(Plan.load("plan.toml"), "runs/first")
    >>> found.best, found.is_proved
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy

if TYPE_CHECKING:
    from llmkit.evaluation.cells import Cell
    from llmkit.evaluation.comparison import CellReport, Comparison, Cost
    from llmkit.evaluation.plan import Plan
    from llmkit.evaluation.run import compare
    from llmkit.evaluation.verdicts import Difference, Figure

__all__ = ["Cell", "CellReport", "Comparison", "Cost", "Difference", "Figure", "Plan", "compare"]

__getattr__, __dir__ = _lazy(
    "llmkit.evaluation",
    {
        "cells": ["Cell"],
        "comparison": ["CellReport", "Comparison", "Cost"],
        "plan": ["Plan"],
        "run": ["compare"],
        "verdicts": ["Difference", "Figure"],
    },
)

"""Measurements that are printed and saved one by one, so that a run that is cut off loses nothing."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Variant = Callable[[], float]
"""Does the work once, and returns its value in the row's unit."""


@dataclass
class Records:
    """Measures variants within a time limit; each record is a line of JSON.

    Attributes:
        device: the name of the card or processor, in each record.
        path: the file that lines are added to; `None` only prints.
        seconds: after so many seconds, nothing more is begun.
        rounds: how often a variant is measured after its first run.
    """

    device: str
    path: Path | None
    seconds: float
    rounds: int
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds_left(self) -> float:
        """What is left of the time limit."""
        return self.seconds - (time.perf_counter() - self.started)

    def measure(self, row: str, variant: str, unit: str, prepare: Callable[[], Variant]) -> None:
        """Prepare a variant, measure it, and record its first value and the median of the rounds after it.

        Whatever it raises is recorded, so that the others are still measured.
        """
        if self.seconds_left <= 0:
            self.write(row, variant, unit, skipped="the time limit was reached")
            return
        began = time.perf_counter()
        values: list[float] = []
        try:
            run = prepare()
            for _ in range(1 + self.rounds):
                values.append(run())
                if self.seconds_left <= 0:
                    break
        except Exception as error:  # of a library, a driver or a model
            self.write(row, variant, unit, values, error=f"{type(error).__name__}: {error}"[:300])
            return
        self.write(row, variant, unit, values, seconds=round(time.perf_counter() - began, 1))

    def write(self, row: str, variant: str, unit: str, values: Sequence[float] = (), **more: Any) -> None:
        """Print a record and add it to the file: the first value apart, the median of the others."""
        rounded = [float(f"{value:.4g}") for value in values]
        median = float(f"{statistics.median(rounded[1:] or rounded):.4g}") if rounded else None
        first = rounded[0] if rounded else None
        record = {"row": row, "variant": variant, "unit": unit, "median": median, "first": first}
        line = json.dumps({**record, "rounds": rounded[1:], "device": self.device, **more}, ensure_ascii=False)
        print(line, flush=True)
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")

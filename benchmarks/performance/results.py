"""Results of a comparison, and its timing: all variants alternate, in rounds, in one run."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunOptions:
    """The arguments of a run."""

    model: str
    data: Path | None
    rounds: int


@dataclass(frozen=True)
class Comparison:
    """Variants of the same work.

    Attributes:
        unit: of the values, such as "tokens/s".
        values: of each variant, one a round.
        baseline: the variant that the others are compared with.
        more_is_better: whether a ratio above 1 is a gain.
        about: what was done, in Markdown.
        notes: other observations, and what was not measured.
        machine: the processor and the versions that it was measured with.
    """

    title: str
    unit: str
    values: Mapping[str, Sequence[float]]
    baseline: str
    about: str
    more_is_better: bool = True
    notes: Sequence[str] = ()
    machine: str = ""

    def ratio(self, name: str) -> float:
        """Return how many times better a variant is than the baseline: the median over the rounds."""
        pairs = zip(self.values[name], self.values[self.baseline], strict=True)
        return statistics.median(value / base if self.more_is_better else base / value for value, base in pairs)


@dataclass(frozen=True)
class Growth:
    """How a cost grows: for each variant, the values at each size."""

    title: str
    unit: str
    size: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    about: str
    notes: Sequence[str] = ()
    machine: str = ""


Result = Comparison | Growth
Variant = Callable[[], float]


@dataclass
class Variants:
    """Variants of the same work, each a function that does it once and returns the value.

    Attributes:
        missing: what could not be compared, and why.
    """

    runs: dict[str, Variant] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def add(self, name: str, make: Callable[[], Variant]) -> None:
        """Prepare a variant, or note why it is left out."""
        try:
            self.runs[name] = make()
        except ImportError as error:
            self.missing.append(f"{name} was not measured: {error.name} is not installed.")

    def measure(self, rounds: int, *, warm: bool = True) -> dict[str, list[float]]:
        """Run all variants in turn, after a round that is not counted."""
        values: dict[str, list[float]] = {name: [] for name in self.runs}
        for number in range(rounds + warm):
            for name, run in self.runs.items():
                value = run()
                print(f"  {'warm-up' if number < warm else number + 1 - warm}  {name}: {value:.3g}", file=sys.stderr)
                if number >= warm:
                    values[name].append(value)
        return values


def as_json(result: Result) -> dict[str, Any]:
    """Return a result as JSON data."""
    return {"kind": type(result).__name__, **asdict(result)}


def from_json(found: dict[str, Any]) -> Result:
    """Return the result of `as_json`."""
    classes: dict[str, type[Comparison] | type[Growth]] = {"Comparison": Comparison, "Growth": Growth}
    return classes[found.pop("kind")](**found)

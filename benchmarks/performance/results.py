"""What a comparison found, and how it is timed: all ways in turn, several times, in one run."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Given:
    """What the person who measures chose."""

    model: str
    data: Path | None
    rounds: int


@dataclass(frozen=True)
class Comparison:
    """Ways to do the same work.

    Attributes:
        unit: of the values, such as "tokens/s".
        values: of each way, one a round.
        baseline: the way that the others are a ratio to.
        more_is_better: whether a ratio above 1 is a gain.
        about: what was done, in Markdown.
        notes: what else was seen, and what was not measured.
    """

    title: str
    unit: str
    values: Mapping[str, Sequence[float]]
    baseline: str
    about: str
    more_is_better: bool = True
    notes: Sequence[str] = ()

    def ratio(self, name: str) -> float:
        """Give how many times better a way is than the baseline: the median over the rounds."""
        pairs = zip(self.values[name], self.values[self.baseline], strict=True)
        return statistics.median(own / other if self.more_is_better else other / own for own, other in pairs)


@dataclass(frozen=True)
class Growth:
    """How a cost grows: for each way, the values at each size."""

    title: str
    unit: str
    size: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    about: str
    notes: Sequence[str] = ()


Result = Comparison | Growth
Way = Callable[[], float]


@dataclass
class Ways:
    """Ways to do the same work, each a function that does it once and gives the value.

    Attributes:
        missing: what could not be compared, and why.
    """

    ways: dict[str, Way] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def add(self, name: str, make: Callable[[], Way]) -> None:
        """Make a way ready, or say why it is left out."""
        try:
            self.ways[name] = make()
        except ImportError as error:
            self.missing.append(f"{name} was not measured: {error.name} is not installed.")

    def measure(self, rounds: int, *, warm: bool = True) -> dict[str, list[float]]:
        """Run all ways in turn, after a round that is not counted."""
        values: dict[str, list[float]] = {name: [] for name in self.ways}
        for number in range(rounds + warm):
            for name, way in self.ways.items():
                value = way()
                print(f"  {'warm-up' if number < warm else number + 1 - warm}  {name}: {value:.3g}", file=sys.stderr)
                if number >= warm:
                    values[name].append(value)
        return values


def as_json(result: Result) -> dict[str, Any]:
    """Give what a result is made of, for a file."""
    return {"kind": type(result).__name__, **asdict(result)}


def from_json(found: dict[str, Any]) -> Result:
    """Read back what `as_json` gave."""
    kinds: dict[str, type[Comparison] | type[Growth]] = {"Comparison": Comparison, "Growth": Growth}
    return kinds[found.pop("kind")](**found)

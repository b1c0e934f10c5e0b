"""A search over the fields of a tuning, and cross-validation of what it chooses.

Each field is chosen among its neutral value, the one that was fitted on the default model, and values between and
beyond both. Every tuning that is tried gives a row of figures for each labelled row, so that cross-validation costs
nothing more: for each fold the tuning that is best on the other folds is measured on this one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.tuning import Tuning

FOLDS = 5
BLENDS = (0.0, 0.5, 1.0, 1.5)
"""Shares of the way from the neutral value to the one of the default model."""

_NOTHING = object()
T = TypeVar("T", bound=Tuning)
Figures = NDArray[np.float64]
"""Of each labelled row, a row of figures; they may be added up."""


@dataclass(frozen=True)
class Objective(Generic[T]):
    """What a tuning is chosen for.

    Attributes:
        figures: of the labelled rows that are given by their numbers, with a tuning.
        quality: what is maximized, from the figures of some rows.
        rows: how many labelled rows there are.
    """

    figures: Callable[[T, Sequence[int]], Figures]
    quality: Callable[[Figures], float]
    rows: int


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A tuning, and what it reaches.

    Attributes:
        tuning: the chosen one; the neutral one if nothing is better by cross-validation.
        tried: how many tunings were tried.
        neutral: the quality of the neutral one on the rows of the choice.
        cross_validated: the quality of the choice on rows that each was not made on.
    """

    tuning: T
    tried: int
    neutral: float
    cross_validated: float


def values_of(neutral: Any, fitted: Any, more: Sequence[Any] = ()) -> list[Any]:
    """Return the values to be tried for a field, the neutral one first."""
    found = [neutral, *more]
    for share in BLENDS:
        value = _blend(neutral, fitted, share)
        if value is not _NOTHING and value not in found:
            found.append(value)
    return found


def search(
    objective: Objective[T],
    neutral: T,
    fitted: T,
    names: Sequence[str],
    more: Mapping[str, Sequence[Any]] | None = None,
) -> Choice[T]:
    """Return the best tuning: field by field from the better of the neutral and the fitted one, then cross-validated.

    Args:
        objective: what it is chosen for.
        neutral: the tuning that claims nothing.
        fitted: that of the default model.
        names: the fields to be chosen, in this order; all others keep their neutral values.
        more: more values for a field.
    """
    rows = range(objective.rows)
    tried: dict[str, tuple[T, Figures]] = {}

    def quality(tuning: T) -> float:
        if repr(tuning) not in tried:
            tried[repr(tuning)] = tuning, objective.figures(tuning, rows)
        return objective.quality(tried[repr(tuning)][1])

    start = replace(neutral, **{name: getattr(fitted, name) for name in names})
    best = max(neutral, start, key=quality)
    for name in names:
        values = values_of(getattr(neutral, name), getattr(fitted, name), (more or {}).get(name, ()))
        best = max([best, *(replace(best, **{name: value}) for value in values)], key=quality)
    found = list(tried.values())
    reached = cross_validate([figures for _, figures in found], objective.quality)
    plain = quality(neutral)
    return Choice(best if reached > plain else neutral, len(found), plain, reached)


def cross_validate(tried: Sequence[Figures], quality: Callable[[Figures], float]) -> float:
    """Return the quality on rows on which the choice among what was tried was not made."""
    folds = _folds(len(tried[0]))
    chosen = []
    for fold in range(FOLDS):
        best = max(tried, key=lambda figures: quality(figures[folds != fold]))
        chosen.append(best[folds == fold])
    return quality(np.concatenate(chosen))


def difference(one: Figures, other: Figures, quality: Callable[[Figures], float]) -> tuple[float, float, float]:
    """Return how much better `other` is on the same rows, with a 95 % interval (paired bootstrap, 2,000 draws)."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(one), len(one)) for _ in range(2_000)]
    values = [quality(other[draw]) - quality(one[draw]) for draw in draws]
    low, high = np.quantile(values, [0.025, 0.975])
    return quality(other) - quality(one), float(low), float(high)


def _folds(rows: int) -> NDArray[np.int64]:
    places = [number % FOLDS for number in range(rows)]
    random.Random(0).shuffle(places)
    return np.array(places)


def _blend(neutral: Any, fitted: Any, share: float) -> Any:
    """Return a value so far from the neutral to the fitted one; `_NOTHING` if there is nothing between the two."""
    if share in (0.0, 1.0) or neutral == fitted:
        return fitted if share == 1.0 else neutral
    if isinstance(neutral, bool):
        return _NOTHING
    if isinstance(neutral, int | float) and isinstance(fitted, int | float):
        return _number(neutral, fitted, share)
    if isinstance(neutral, tuple) and isinstance(fitted, tuple) and len(neutral) == len(fitted):
        parts = [_blend(one, other, share) for one, other in zip(neutral, fitted, strict=True)]
        return _NOTHING if any(part is _NOTHING for part in parts) else tuple(parts)
    if isinstance(neutral, Mapping) and isinstance(fitted, Mapping):
        names = dict.fromkeys([*neutral, *fitted])
        found = {name: _blend(*_pair(neutral.get(name), fitted.get(name)), share) for name in names}
        return _NOTHING if _NOTHING in found.values() else found
    if is_dataclass(neutral) and not isinstance(neutral, type) and type(neutral) is type(fitted):
        values = {name: _blend(value, getattr(fitted, name), share) for name, value in vars(neutral).items()}
        return _NOTHING if _NOTHING in values.values() else replace(neutral, **values)
    return _NOTHING


def _pair(neutral: Any, fitted: Any) -> tuple[Any, Any]:
    """Return the weights of two mappings for a name that one of them may not have: it has no weight there."""
    nothing: Any = {} if isinstance(neutral, Mapping) or isinstance(fitted, Mapping) else 0.0
    return (nothing if neutral is None else neutral), (nothing if fitted is None else fitted)


def _number(neutral: float, fitted: float, share: float) -> Any:
    """Return the number so far from one to the other; what is beyond both has no other sign than they have."""
    if not np.isfinite([neutral, fitted]).all():
        return _NOTHING
    value = neutral + share * (fitted - neutral)
    if (min(neutral, fitted) >= 0 > value) or (max(neutral, fitted) <= 0 < value):
        return _NOTHING
    return round(value) if isinstance(neutral, int) and isinstance(fitted, int) else round(value, 6)

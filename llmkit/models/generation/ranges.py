"""The values that generation settings may have; the settings check them, and commands and their help show them."""

from __future__ import annotations

from typing import NamedTuple

LEAST_DIVISOR = 1e-4  # logits are divided by it; by less they would overflow


class Range(NamedTuple):
    """Bounds of a number: at least `ge` or more than `gt`, and at most `le`."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None

    def __str__(self) -> str:
        """The range in words: `0 or more`, `0 to 100`, `above 0, to 1`."""
        least = f"above {self.gt:g}" if self.ge is None else f"{self.ge:g}"
        if self.le is None:
            return f"{least} or more"
        return f"{least}{' to ' if self.gt is None else ', to '}{self.le:g}"


_COUNT, _POSITIVE, _SHARE, _PENALTY = Range(ge=0), Range(ge=1), Range(gt=0, le=1), Range(ge=-2, le=2)

RANGES = {
    "max_new_tokens": _POSITIVE,
    "min_new_tokens": _COUNT,
    "temperature": Range(ge=0, le=100),
    "top_k": _COUNT,
    "top_p": _SHARE,
    "min_p": Range(ge=0, le=1),
    "typical_p": _SHARE,
    "repetition_penalty": Range(ge=LEAST_DIVISOR, le=1 / LEAST_DIVISOR),
    "no_repeat_ngram_size": _COUNT,
    "num_beams": _POSITIVE,
    "length_penalty": Range(ge=-100, le=100),
    "seed": _COUNT,
    "n": _POSITIVE,
    "forced_bos_token_id": _COUNT,
    "presence_penalty": _PENALTY,
    "frequency_penalty": _PENALTY,
}
"""The range of each setting that is a number."""

"""A guarantee: what it says, or why nothing can be guaranteed and what would be needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from llmkit.errors import InputError

Unit = Literal["answers", "labels", "entities"]

DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Guarantee:
    """Of what a chain answers at most the share `error` is wrong, if `holds`; otherwise nothing is guaranteed.

    It holds for inputs drawn like the rows, and for the chain as it was calibrated.

    Attributes:
        error: the largest share of what is answered that may be wrong. Of entities, and of labels where a text may
            have several: the mean share in texts in which any is found.
        confidence: the probability, over the draw of the rows, that this is so. `None`: the error is the expected one,
            over the draw of the rows and of the text (conformal risk control).
        rows: how many labelled rows it stands on.
        threshold: the least probability of an answer; `None` if nothing is guaranteed.
        answered: how many of the rows are answered with this threshold; without one, of the rows that can be.
        wrong: how many of these are wrong; of entities the sum of the shares of false ones.
        unit: what is answered.
        reason: why nothing is guaranteed.
        rows_needed: about how many rows like these would be enough; `None` if that is unknown.
        must_abstain: the share of the rows that can be answered which any rule must leave unanswered for this error:
            (share of wrong answers to all of them - error) / (1 - error), if that is above 0.
    """

    error: float
    confidence: float | None
    rows: int
    threshold: float | None
    answered: int
    wrong: float
    unit: Unit = "answers"
    reason: str | None = None
    rows_needed: int | None = None
    must_abstain: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether anything is guaranteed."""
        return self.threshold is not None

    @property
    def statement(self) -> str:
        """The guarantee in a sentence, or why there is none and what would be needed."""
        if not self.holds:
            return "; ".join(["nothing is guaranteed", *self._shortfall()])
        how = "on average" if self.confidence is None else f"with a confidence of {_percent(self.confidence)}"
        return (
            f"of the {self.unit} at most {_percent(self.error)} are wrong, {how}: with the threshold "
            f"{self.threshold:.4g}, {self.answered} of {self.rows} rows are answered"
        )

    def _shortfall(self) -> list[str]:
        parts = [self.reason or ""]
        if self.rows_needed is not None:
            parts.append(f"about {self.rows_needed:,} rows would be needed")
        if self.must_abstain > 0:
            parts.append(f"at least {_percent(self.must_abstain)} of the rows must stay unanswered, whatever the rule")
        return parts


class GuaranteedResult(BaseModel):
    """A result that carries what its chain guarantees.

    Attributes:
        guarantee: what `calibrate` guaranteed for an error; `None`, and not dumped, if it did not.
    """

    guarantee: Guarantee | None = None

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:  # pydantic 2.10 looks for Any elsewhere
        fields: dict[str, Any] = dump(self)
        return {name: value for name, value in fields.items() if name != "guarantee" or value is not None}


def validate_guarantee(error: Any, confidence: Any, precision: float | None, *, allows_none: bool = False) -> None:
    """Raise `InputError` for an error or a confidence out of range, with a precision, or a confidence alone.

    With `allows_none` a confidence of `None` stands for an expected error.
    """
    if error is None and confidence is not DEFAULT_CONFIDENCE:  # by identity: 0.95 that is given is one that is given
        raise InputError("confidence is that of a guarantee: give error, too, or leave confidence out")
    if error is not None and precision is not None:
        raise InputError("precision and error are both given: give error for a guarantee, precision for the rows alone")
    for name, value in (("error", error), ("confidence", confidence)):
        if value is None and (allows_none or name == "error"):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise InputError(f"{name} is {value!r}, but must be above 0 and below 1")


def must_abstain(wrong_share: float, error: float) -> float:
    """Return the least share that any rule must leave unanswered: its answers could all have been right otherwise.

    A rule that answers the share a with at most the error α leaves at least μ - αa of all rows wrong and unanswered, so
    that 1 - a >= μ - αa (arXiv 2606.29054).
    """
    return max(0.0, (wrong_share - error) / (1 - error))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

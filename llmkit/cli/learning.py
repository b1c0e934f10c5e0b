"""What the commands learn from labelled texts: examples, rows to calibrate with, and what was done with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, files
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.chains import CalibrationReport, ExamplesReport, Guarantee


@dataclass(frozen=True)
class CalibrationOptions:
    """Labelled texts to calibrate with, and what they shall show."""

    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Fit the probabilities to labelled texts, at least 30, in a file of the form of --examples.",
        ),
    ] = None
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            max=1,
            help="Set the lowest --threshold with which at least this share of the --calibrate texts was right.",
        ),
    ] = None
    error: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Guarantee, by the --calibrate texts, that at most this share of the answers to other texts is wrong: "
            "set the --threshold for it, if there is one. Nothing is fitted then.",
        ),
    ] = None
    confidence: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="The probability with which the guarantee of --error holds.",
            show_default="0.95",
        ),
    ] = None
    save: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Save what was learned from --examples and --calibrate, for --load."),
    ] = None
    load: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Use a chain that was saved, with its options and all that it learned."),
    ] = None

    @property
    def saved(self) -> str | None:
        """The folder of the chain that is loaded, as plain data."""
        return None if self.load is None else str(self.load)

    def refuse_saved(self, **given: Any) -> None:
        """Raise `InputError` for an option that is given and is part of the chain that is loaded."""
        for name, value in given.items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                raise InputError(
                    f"{option} is part of what was saved in {self.load}: leave it out, or leave --load out"
                )

    def targets(self) -> dict[str, float]:
        """Return the arguments of the chain's `calibrate`, besides the rows."""
        if self.error is not None:
            return {"error": self.error} | ({} if self.confidence is None else {"confidence": self.confidence})
        return {} if self.precision is None else {"precision": self.precision}

    def check(self, rows: Sequence[Any]) -> None:
        """Check that what is asked for is possible, and that there are rows to calibrate with."""
        for name in ("precision", "error"):
            if getattr(self, name) is not None and self.calibrate is None:
                raise InputError(f"--{name} needs labelled texts: give --calibrate FILE")
        if self.precision is not None and not 0 < self.precision <= 1:
            raise InputError(f"--precision is {self.precision:g}, but must be above 0 and at most 1")
        for name in ("error", "confidence"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise InputError(f"--{name} is {value:g}, but must be above 0 and below 1")
        if self.error is not None and self.precision is not None:
            raise InputError("--error and --precision are both given: leave one out")
        if self.confidence is not None and self.error is None:
            raise InputError("--confidence is that of a guarantee: give --error, too")
        if self.calibrate is not None and not rows:
            raise InputError(f"{self.calibrate} has no labelled texts")


@dataclass(frozen=True)
class LearningOptions(CalibrationOptions):
    """What labels mean, and labelled texts to calibrate with."""

    descriptions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=WORDS",
            help="What a label means, such as HUM='a person'; may be repeated. Or a JSON file: {label: words}.",
        ),
    ] = None

    def read_descriptions(self, labels: Sequence[str]) -> dict[str, str]:
        """Return the description of each label, from `label=words` and from JSON files."""
        found: dict[str, str] = {}
        for text in self.descriptions or ():
            label, equals, words = text.partition("=")
            is_pair = equals and (label.strip() in labels or not Path(text).exists())
            _add(found, {label.strip(): words.strip()} if is_pair else _read_descriptions(text))
        return found


def _read_descriptions(file: str) -> dict[str, str]:
    try:
        content = json.loads(files.read_text(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            advice = "or give a label and words, such as HUM='a person'"
            raise InputError(f"--descriptions {file!r}: {error}; {advice}") from error
        raise InputError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} must be a JSON object, such as {{'HUM': 'a person'}}")
    return content


def _add(found: dict[str, str], more: Mapping[str, str]) -> None:
    if twice := sorted(found.keys() & more.keys()):
        raise InputError(f"--descriptions has {twice[0]!r} twice: describe each label once")
    found |= more


def learn(chain: Any, rows: Sequence[Mapping[str, Any]], targets: Mapping[str, float]) -> dict[str, Any]:
    """Let a chain learn from its examples and calibrate it with rows; return what that did, as fields of `--json`.

    Args:
        chain: a chain that has `calibrate`.
        rows: labelled texts.
        targets: the other arguments of `calibrate`.
    """
    facts: dict[str, Any] = {}
    with console.progress("learning from labelled texts"):
        if rows:
            report = chain.calibrate(rows, **targets)
            facts["calibration"] = guarantee_facts(report.guarantee) or _calibration_facts(report)
        if (examples := chain.examples_report()) is not None:
            facts["examples"] = {name: value for name, value in asdict(examples).items() if value not in (None, ())}
            facts["examples"] |= {"note": describe_examples(examples)}
    return facts


def notes(facts: Mapping[str, Any]) -> list[str]:
    """Return what was learned in words."""
    return [fact["note"] for fact in facts.values()]


def guarantee_facts(guarantee: Guarantee | None) -> dict[str, Any]:
    """Return what is guaranteed, or why nothing is, as fields of `--json`; none where it was not asked for."""
    if guarantee is None:
        return {}
    return {"holds": guarantee.holds, **vars(guarantee), "note": guarantee.statement}


def _calibration_facts(report: CalibrationReport) -> dict[str, Any]:
    facts = {
        "rows": report.rows,
        "log_loss_before": report.log_loss_before,
        "log_loss_after": report.log_loss_after,
        "threshold": report.threshold,
    }
    losses = f"log-loss {report.log_loss_before:.2f}, then {report.log_loss_after:.2f}"
    threshold = "" if report.threshold is None else f"; threshold {report.threshold:.2f}"
    return facts | {"note": f"calibrated with {report.rows} texts: {losses}{threshold}"}


def describe_examples(report: ExamplesReport) -> str:
    """Return in words what a chain did with its examples."""
    from llmkit.chains.classification.few_shot import MIN_MEASURED

    count = f"{report.examples} example{'s' * (report.examples != 1)}"
    uses = {
        "prompt": "are in the prompt",
        "prior": "are not in the prompt; the prior of the labels is measured on them",
        "calibration": "set the probabilities",
        "head": "teach a head that is added to the zero-shot scores",
        "length": "are not in the prompt; only the length is taken",
        "none": "are not used",
    }
    parts = [f"{count} {uses[report.use] if report.examples != 1 else uses[report.use].replace('are ', 'is ')}"]
    if report.measure and report.without_examples is not None and report.with_examples is not None:
        without, with_them = f"{report.without_examples:.2f}", f"{report.with_examples:.2f}"
        parts.append(f"cross-validated {report.measure} {without} without them, {with_them} with them")
        if others := [one for one in report.tried if one.log_loss != report.with_examples]:
            losses = (f"{one.use} {one.log_loss:.2f} instead of {one.zero_shot_log_loss:.2f}" for one in others)
            parts.append(f"also tried: {', '.join(losses)}")
    elif report.examples < MIN_MEASURED:
        parts.append("too few to compare what comes with and without them")
    if report.prior_weight is not None:
        parts.append(f"their weight in the prior is {report.prior_weight:.0%}")
    if report.temperature is not None and report.bias is not None:
        biases = ", ".join(f"{label} {bias:+.1f}" for label, bias in report.bias.items())
        parts.append(f"temperature {report.temperature:.2f}, bias {biases or 'none'}")
    return "; ".join(parts)

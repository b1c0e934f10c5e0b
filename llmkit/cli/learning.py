"""What the commands learn from labelled texts: examples, rows to calibrate with, and what was done with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import console, files
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.chains import CalibrationReport, ExamplesReport

Descriptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABEL=WORDS",
        help="What a label means, such as HUM='a person'; may be repeated. Or a JSON file: {label: words}.",
    ),
]
Calibrate = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Fit the probabilities to labelled texts, at least 30, in a file of the form of --examples.",
    ),
]
Precision = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER",
        max=1,
        help="Set the lowest --threshold with which at least this share of the --calibrate texts was right.",
    ),
]


def read_descriptions(given: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Return the description of each label, from `label=words` and from JSON files."""
    found: dict[str, str] = {}
    for text in given:
        label, equals, words = text.partition("=")
        if equals and (label.strip() in labels or not Path(text).exists()):
            _add(found, {label.strip(): words.strip()})
            continue
        try:
            content = json.loads(files.read_text(text))
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise InputError(
                    f"--descriptions {text!r}: {error}; or give a label and words, such as HUM='a person'"
                ) from error
            raise InputError(f"{text} is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise InputError(f"{text} must be a JSON object, such as {{'HUM': 'a person'}}")
        _add(found, content)
    return found


def _add(found: dict[str, str], more: Mapping[str, str]) -> None:
    if twice := sorted(found.keys() & more.keys()):
        raise InputError(f"--descriptions has {twice[0]!r} twice: describe each label once")
    found |= more


def check_precision(precision: float | None, rows: Sequence[Any], calibrate: Path | None) -> None:
    """Check that there are rows to calibrate with where a precision is asked for."""
    if precision is not None and calibrate is None:
        raise InputError("--precision needs labelled texts: give --calibrate FILE")
    if precision is not None and not 0 < precision <= 1:
        raise InputError(f"--precision is {precision:g}, but must be above 0 and at most 1")
    if calibrate is not None and not rows:
        raise InputError(f"{calibrate} has no labelled texts")


def learn(chain: Any, rows: Sequence[Mapping[str, Any]], precision: float | None) -> dict[str, Any]:
    """Let a chain learn from its examples and calibrate it with rows; return what that did, as fields of `--json`."""
    facts: dict[str, Any] = {}
    with console.progress("learning from labelled texts"):
        if rows:
            report = chain.calibrate(rows, precision=precision)
            facts["calibration"] = _calibration_facts(report)
        if (examples := chain.examples_report()) is not None:
            facts["examples"] = {name: value for name, value in vars(examples).items() if value is not None}
            facts["examples"] |= {"note": _describe_examples(examples)}
    return facts


def notes(facts: Mapping[str, Any]) -> list[str]:
    """Return what was learned in words."""
    return [fact["note"] for fact in facts.values()]


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


def _describe_examples(report: ExamplesReport) -> str:
    from llmkit.chains.classification.few_shot import MIN_MEASURED

    count = f"{report.examples} example{'s' * (report.examples != 1)}"
    uses = {
        "prompt": "are in the prompt",
        "prior": "are not in the prompt; the prior of the labels is measured on them",
        "calibration": "set the probabilities",
        "none": "are not used",
    }
    parts = [f"{count} {uses[report.use] if report.examples != 1 else uses[report.use].replace('are ', 'is ')}"]
    if report.measure and report.without_examples is not None and report.with_examples is not None:
        without, with_them = f"{report.without_examples:.2f}", f"{report.with_examples:.2f}"
        parts.append(f"cross-validated {report.measure} {without} without them, {with_them} with them")
    elif report.examples < MIN_MEASURED:
        parts.append("too few to compare what comes with and without them")
    if report.prior_weight is not None:
        parts.append(f"their weight in the prior is {report.prior_weight:.0%}")
    if report.temperature is not None and report.bias is not None:
        biases = ", ".join(f"{label} {bias:+.1f}" for label, bias in report.bias.items())
        parts.append(f"temperature {report.temperature:.2f}, bias {biases or 'none'}")
    return "; ".join(parts)

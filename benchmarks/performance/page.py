"""Results as a page with a table and a plot for each."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.performance.results import Comparison, Growth, Result, as_json, from_json

PACKAGES = ("torch", "transformers", "langchain-huggingface", "openvino-genai", "llama-cpp-python", "torchao")


def update(folder: Path, found: Mapping[str, Result]) -> None:
    """Write results and this machine into `results.json`, keeping earlier results, and draw their plots beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    results = read(folder) | {key: replace(result, machine=machine()) for key, result in found.items()}
    text = json.dumps({key: as_json(result) for key, result in results.items()}, indent=1)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    for key, result in found.items():
        draw(result, folder / f"{key}.svg")


def read(folder: Path) -> dict[str, Result]:
    """Return the results of all runs."""
    file = folder / "results.json"
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {key: from_json(result) for key, result in results.items()}


def write(page: Path, folder: Path, order: list[str], introduction: str) -> None:
    """Write the page: an introduction, every result, and the machine: once if all results are from the same."""
    results = read(folder)
    machines = {results[key].machine for key in order if key in results}
    parts = [introduction.strip(), *(f"Measured on {name}." for name in machines if len(machines) == 1)]
    for key in order:
        if key in results:
            parts.append(section(results[key], f"{folder.name}/{key}.svg"))
            parts += [f"Measured on {results[key].machine}."] if len(machines) > 1 else []
        else:
            parts.append(f"## {key}\n\nNot measured here.")
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def section(result: Result, plot: str) -> str:
    """Return a result in Markdown."""
    rows = _comparison(result) if isinstance(result, Comparison) else _growth(result)
    notes = "\n".join(f"- {note}" for note in result.notes)
    parts = (f"## {result.title}", result.about.strip(), "\n".join(rows), f"![{result.title}]({plot})", notes)
    return "\n\n".join(part for part in parts if part)


def _comparison(result: Comparison) -> list[str]:
    rows = [f"| | {result.unit} | range | relative to {result.baseline} |", "| --- | --- | --- | --- |"]
    for name, values in result.values.items():
        ratio = "" if name == result.baseline else f"{result.ratio(name):.2f}"
        spread = f"{number(min(values))} … {number(max(values))}"
        rows.append(f"| {name} | {number(statistics.median(values))} | {spread} | {ratio} |")
    return rows


def _growth(result: Growth) -> list[str]:
    sizes = sorted({size for points in result.lines.values() for size, _ in points})
    rows = [f"| {result.size} | {' | '.join(f'{size:g}' for size in sizes)} |", f"| --- |{' --- |' * len(sizes)}"]
    for name, points in result.lines.items():
        found = dict(points)
        cells = (number(found[size]) if size in found else "" for size in sizes)
        rows.append(f"| {name}, {result.unit} | {' | '.join(cells)} |")
    return rows


def number(value: float) -> str:
    """Format a value with three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # no 1e+03


def machine() -> str:
    """Return the processor and the versions of the packages that are compared."""
    import torch

    model = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    units = [name for name, has in torch.cpu.get_capabilities().items() if has is True and "bf16" in name]
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    threads = f"{torch.get_num_threads()} threads"
    return f"{model} ({', '.join(units) or 'no bfloat16 units'}), {threads}, Python {platform.python_version()}, " + (
        ", ".join(found)
    )


def draw(result: Result, file: Path) -> None:
    """Draw bars for a comparison, lines for a growth."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "llmkit", "svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False}
    )
    from matplotlib import pyplot

    height = 0.6 + 0.42 * len(result.values) if isinstance(result, Comparison) else 3.4
    figure, axes = pyplot.subplots(figsize=(7, height), layout="constrained")
    if isinstance(result, Comparison):
        _bars(axes, result)
    else:
        _lines(axes, result)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _bars(axes: Any, result: Comparison) -> None:
    names = list(result.values)[::-1]
    medians = [statistics.median(result.values[name]) for name in names]
    colours = ["#1f6f8b" if name.startswith("llmkit") else "#b5b9bd" for name in names]
    spread = [
        [value - min(result.values[name]) for name, value in zip(names, medians, strict=True)],
        [max(result.values[name]) - value for name, value in zip(names, medians, strict=True)],
    ]
    bars = axes.barh(names, medians, xerr=spread, color=colours, error_kw={"ecolor": "#555555", "elinewidth": 1})
    axes.bar_label(bars, [number(value) for value in medians], padding=12)
    axes.margins(x=0.15)
    axes.set_xlabel(result.unit)


def _lines(axes: Any, result: Growth) -> None:
    for name, points in result.lines.items():
        sizes, values = zip(*points, strict=True)
        style = {"color": "#1f6f8b", "linewidth": 2} if name.startswith("llmkit") else {}
        axes.plot(sizes, values, marker="o", markersize=4, label=name, **style)
    axes.set_xlabel(result.size)
    axes.set_ylabel(result.unit)
    axes.set_ylim(bottom=0)
    if len(result.lines) > 1:
        axes.legend(frameon=False)

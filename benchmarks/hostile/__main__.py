"""What comes of hostile inputs: counts, and the longest time and largest memory of each section.

    python -m benchmarks.hostile [--which pages --which labels] [--limit 60] [--verbose]

Each attempt is a process of its own, which is ended after `--limit` seconds of computing, and has 4 GiB more than
before. It is `answered`, `refused` with an error of llmkit, or anything `else`: that must not be, and the exit code is
1 then. Memory is what an attempt takes beyond what was loaded before. The whole takes about ten minutes.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.hostile import conversations, folders, inputs, pages, servers, terminal
from benchmarks.hostile.attempts import ANSWERED, ELSE, REFUSED, Outcome, Section, run

SECTIONS: dict[str, Section] = {
    "pages": pages.attempts,
    "servers": servers.attempts,
    "inputs": inputs.attempts,
    "conversations": conversations.attempts,
    "terminal": terminal.attempts,
    "folders": folders.attempts,
}


def main(
    which: Annotated[list[str] | None, typer.Option(help=f"Sections: {', '.join(SECTIONS)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Seconds of computing of each attempt.")] = 60,
    name: Annotated[str, typer.Option(help="Only attempts whose names have this text.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", help="Print each attempt.")] = False,
) -> None:
    """Make the attempts, and print a table."""
    if unknown := set(which or ()) - set(SECTIONS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: must be of {', '.join(SECTIONS)}")
    table = Table("section", "attempts", ANSWERED, REFUSED, ELSE, "longest", "most computing", "most memory")
    failed = 0
    for section in which or SECTIONS:
        outcomes = dict[str, Outcome]()
        for attempt in SECTIONS[section]():
            if name in attempt.name:
                outcome = outcomes[attempt.name] = run(attempt, limit)
                if verbose or outcome.result == ELSE:
                    typer.echo(f"{outcome.result:8} {outcome.seconds:5.1f} s {outcome.megabytes:5.0f} MB  ", nl=False)
                    typer.echo(f"{section}: {attempt.name!r:.80}: {outcome.text!r:.200}")
        table.add_row(section, *summary(outcomes))
        failed += sum(outcome.result == ELSE for outcome in outcomes.values())
    Console(width=140).print(table)
    raise typer.Exit(1 if failed else 0)


def summary(outcomes: dict[str, Outcome]) -> list[str]:
    """Return how many attempts there were, what came of them, and which took most."""
    if not outcomes:
        return ["0"] * 7
    counts = Counter(outcome.result for outcome in outcomes.values())
    longest, slowest, largest = (
        max(outcomes, key=lambda name: getattr(outcomes[name], figure))
        for figure in ("seconds", "computing", "megabytes")
    )
    return [
        str(len(outcomes)),
        *(str(counts[result]) for result in (ANSWERED, REFUSED, ELSE)),
        f"{outcomes[longest].seconds:.1f} s ({longest!r:.40})",
        f"{outcomes[slowest].computing:.1f} s ({slowest!r:.40})",
        f"{outcomes[largest].megabytes:.0f} MB ({largest!r:.40})",
    ]


if __name__ == "__main__":
    typer.run(main)

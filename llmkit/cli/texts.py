"""What the commands that score a text share: a chain is loaded, learns from labelled texts, and reads the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmkit.cli import console, files, learning
from llmkit.cli.option_groups import ModelOptions
from llmkit.cli.output import Destination


@dataclass(frozen=True)
class TextTask:
    """A chain over a text, or over each line of a file.

    Attributes:
        command, chain: the names of the command and of its chain in `llmkit.chains`.
        doing: what progress says.
        arguments: of the chain, which it is built with.
        rows, precision: of its method `calibrate`, if there are rows.
        save: the folder in which the chain is saved when it has learned.
        digest: of a chain that is loaded.
    """

    command: str
    chain: str
    doing: str
    model: ModelOptions
    arguments: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    precision: float | None = None
    save: Path | None = None
    digest: str | None = None

    def run(self, file: str, *, as_json: bool) -> tuple[Any, Any, dict[str, Any]]:
        """Return the chain, its result for a text, and the fields of `--json`, in which is what the chain learned."""
        from llmkit.chains.inputs import validate_length

        text = files.read_text(file)
        validate_length(text)  # before the model is loaded
        chain, learned = self._load()
        with console.progress(self.doing):
            result = chain.invoke(text)
        if not as_json:
            self._note(learned)
        return chain, result, {**result.model_dump(mode="json"), **learned}

    def run_lines(self, file: str, destination: Destination) -> None:
        """Write the results of all lines of a file."""

        def load() -> Any:
            chain, learned = self._load()
            self._note(learned)
            return chain

        model = {"model": self.model.model, "context_window": self.model.context_window}
        learned = {"rows": self.rows, "precision": self.precision, "digest": self.digest}
        settings = {**model, **learned, **self.arguments}
        destination.run_lines(self.command, file, load, settings=settings)

    def _load(self) -> tuple[Any, dict[str, Any]]:
        chain = self.model.load_chain(self.chain, self.arguments)
        learned = learning.learn(chain, self.rows, self.precision)
        if self.save is not None:
            chain.save(self.save)
        return chain, learned

    @staticmethod
    def _note(learned: Mapping[str, Any]) -> None:
        for text in learning.notes(learned):
            console.note(text)

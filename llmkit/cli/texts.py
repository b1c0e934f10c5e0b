"""What the commands that score a text share: a chain is loaded, learns from labelled texts, and reads the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmkit.batch.spec import ChainSpec
from llmkit.batch.worker import ChainWorker
from llmkit.cli import console, files, learning
from llmkit.cli.option_groups import ModelOptions
from llmkit.cli.output import Destination


class CommandWorker(ChainWorker):
    """A worker in this process whose chain a command loads, with its progress and notes."""

    def __init__(self, spec: ChainSpec, load: Callable[[], Any]) -> None:
        super().__init__(spec)
        self._load_chain = load

    @property
    def fingerprint(self) -> str:
        """Stands for everything that changes results; a model that is not here is fetched for it."""
        with console.progress(f"preparing {self.spec.model}"):
            return super().fingerprint

    def load(self) -> Any:
        """Return the chain."""
        return self._load_chain()


@dataclass(frozen=True)
class TextTask:
    """A chain over a text, or over each line of a file.

    Attributes:
        command: its name.
        doing: what progress says.
        arguments: of the chain, which it is built with.
        rows, targets: the arguments of its method `calibrate`, if there are rows.
        save: the folder in which the chain is saved when it has learned.
        saved: the folder of a chain that is loaded.
    """

    command: str
    doing: str
    model: ModelOptions
    arguments: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    targets: Mapping[str, float] = field(default_factory=dict)
    save: Path | None = None
    saved: Path | None = None

    @property
    def spec(self) -> ChainSpec:
        """The chain as plain data."""
        calibration = {"rows": self.rows, **self.targets} if self.rows else {}
        saved = None if self.saved is None else str(self.saved)
        return self.model.spec(self.command, self.arguments, calibration=calibration, saved=saved)

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

        destination.run_lines(self.command, file, CommandWorker(self.spec, load))

    def _load(self) -> tuple[Any, dict[str, Any]]:
        llm = self.model.load_any()
        with console.progress("loading"):
            chain = self.spec.build(llm)
        learned = learning.learn(chain, self.rows, self.targets)
        if self.save is not None:
            chain.save(self.save)
        return chain, learned

    @staticmethod
    def _note(learned: Mapping[str, Any]) -> None:
        for text in learning.notes(learned):
            console.note(text)

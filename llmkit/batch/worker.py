"""One picklable callable that builds its chain once a worker, takes rows and gives rows: what all engines run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, NamedTuple

from llmkit.batch import tables
from llmkit.batch.fingerprint import Identity, differences, fingerprint, identify
from llmkit.batch.spec import ChainSpec
from llmkit.errors import InputError
from llmkit.models.peak_memory import peak_memory, reset_peak_memory

RESULT, ERROR, META = OUTPUT_COLUMNS = ("result", "error", "meta")
"""The columns that are added to a row."""
CHAIN_ROWS = 8
CHAIN_CHARACTERS = 50_000
"""A chain is given so many texts or characters at once, so that one long text among many does not fill memory."""

_loaded: dict[str, tuple[Any, Identity]] = {}
"""The last chain that was built in this process: Spark unpickles a worker for each of its tasks."""
_loading = Lock()


class Outcome(NamedTuple):
    """What is added to a row: a result or an error, and how it was made; each is JSON, or `None`."""

    result: str | None
    error: str | None
    meta: str


class ChainWorker:
    """Rows in, rows out, by the chain of a specification; the chain is built when the first row comes.

    A batch is a list of rows or a table: a dictionary of columns, pandas or Arrow. The same form is returned, with
    three more columns that hold JSON. No row is dropped:

    - `result`: the fields of the chain's result, or null.
    - `error`: null, or the `kind` of the error, which is the name of its class, and the `message`.
    - `meta`: `tokens` of the text (null if the model cannot count them), `seconds` (those of the rows that were
      computed together, divided by their number, without those of loading), `memory` (the peak in bytes since the
      chain was built: resident memory of this process, or memory of the GPU; null for a served model), `model` and
      `fingerprint`.

    With `dtype="float32"` each row is computed by itself, so that no bit of a result depends on the rows beside it.

    Example:
        >>> worker = ChainWorker(ChainSpec("classify", {"labels": ["good", "bad"]}))
        >>> dataset.map_batches(worker)                           # Ray Data; `map_batches(ChainWorker, …)` for actors
        >>> frame.mapInPandas(worker.map_frames, schema)          # Spark
        >>> dataset.map(worker, batched=True)                     # Hugging Face datasets

    Args:
        spec: what is computed.
        identity: of the run that the worker belongs to. A worker that would compute something else, because it has
            another version of llmkit, other weights or another processor, raises `InputError` and computes nothing.
    """

    def __init__(self, spec: ChainSpec, identity: Identity | None = None) -> None:
        self.spec, self.identity = spec, identity
        self._chain: Any = None
        self._fingerprint = ""

    def __getstate__(self) -> dict[str, Any]:
        return {"spec": self.spec, "identity": self.identity, "_chain": None, "_fingerprint": ""}

    @property
    def fingerprint(self) -> str:
        """Stands for everything that changes results; it is known before the model is loaded."""
        if not self._fingerprint:
            self._fingerprint = self._check(identify(self.spec))
        return self._fingerprint

    def _check(self, found: Identity) -> str:
        if self.identity is not None and (other := differences(self.identity, found)):
            raise InputError(f"this worker computes something else than the run that it belongs to: {other[0]}")
        return fingerprint(found)

    def load(self) -> Any:
        """Return the chain; workers with one specification in a process share it."""
        key = self.spec.to_json()
        with _loading:
            if key not in _loaded:
                found = identify(self.spec)
                self._check(found)  # a worker that does not belong to the run loads no model
                _loaded.clear()
                reset_peak_memory()
                _loaded[key] = self.spec.load(), found
            chain, found = _loaded[key]
            self._fingerprint = self._check(found)
            return chain

    def __call__(self, batch: Any) -> Any:
        """Return a batch with three more columns, in the same form."""
        return tables.with_columns(batch, self._columns)

    def map_frames(self, frames: Iterator[Any]) -> Iterator[Any]:
        """Yield each pandas frame with three more columns; Spark's `mapInPandas` takes this."""
        return (self(frame) for frame in frames)

    def _columns(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[str | None]]:
        if missing := [name for name in self.spec.columns if name not in columns]:
            raise InputError(f"the rows have no column {missing[0]!r}: they have {', '.join(columns)}")
        if taken := [name for name in OUTPUT_COLUMNS if name in columns]:
            raise InputError(f"the rows have a column {taken[0]!r} already: rename it, or leave it out")
        found = self.outcomes(*(columns[name] for name in self.spec.columns))
        return {name: [getattr(row, name) for row in found] for name in OUTPUT_COLUMNS}

    def outcomes(self, texts: Sequence[Any], questions: Sequence[Any] | None = None) -> list[Outcome]:
        """Return what is added to rows with these texts, in their order."""
        if len(texts) and self._chain is None:
            self._chain = self.load()  # whose time is that of no row
        inputs = [self.spec.chain_input(*cells) for cells in zip(texts, *filter(None, [questions]), strict=True)]
        made: list[Outcome] = []
        most = 1 if self.spec.dtype == "float32" else CHAIN_ROWS
        for part in _parts(texts, most):
            start = time.perf_counter()
            results = self.results(inputs[part])
            seconds = (time.perf_counter() - start) / len(results)
            memory = peak_memory() if self.spec.base_url is None else None
            counts = self._count_tokens(texts[part])
            made += [self._outcome(*row, seconds, memory) for row in zip(results, counts, strict=True)]
        return made

    def results(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the result of each input of the chain, or its error."""
        if self._chain is None:
            self._chain = self.load()
        found = self._chain.batch(list(inputs), return_exceptions=True)
        if len(found) > 1 and isinstance(found[0], Exception) and all(result is found[0] for result in found):
            return [self._chain.batch([input], return_exceptions=True)[0] for input in inputs]  # one of them is bad
        return list(found)

    def _outcome(self, result: Any, tokens: int | None, seconds: float, memory: int | None) -> Outcome:
        facts = {"tokens": tokens, "seconds": round(seconds, 6), "memory": memory, "model": self.spec.model}
        meta = json.dumps({**facts, "fingerprint": self.fingerprint}, ensure_ascii=False)
        if isinstance(result, Exception):
            error = {"kind": type(result).__name__, "message": str(result)}
            return Outcome(None, json.dumps(error, ensure_ascii=False), meta)
        fields = result.model_dump(mode="json") if hasattr(result, "model_dump") else result
        return Outcome(json.dumps(fields, ensure_ascii=False), None, meta)

    def _count_tokens(self, texts: Sequence[Any]) -> list[int | None]:
        count = getattr(getattr(self._chain, "llm", None), "get_token_ids", None)
        return [_count(count, text) for text in texts]


def _count(count: Any, text: Any) -> int | None:
    texts = text.values() if isinstance(text, Mapping) else [text]  # of a question and its context
    with suppress(Exception):  # what is wrong with a text is its error already
        return sum(len(count(one)) for one in texts) if count and all(isinstance(one, str) for one in texts) else None
    return None


def _parts(texts: Sequence[Any], most: int) -> Iterator[slice]:
    """Yield slices of texts that are given to a chain together."""
    start = characters = 0
    for index, text in enumerate(texts):
        characters += len(text) if isinstance(text, str) else 0
        if index + 1 - start == most or characters >= CHAIN_CHARACTERS or index + 1 == len(texts):
            yield slice(start, index + 1)
            start, characters = index + 1, 0

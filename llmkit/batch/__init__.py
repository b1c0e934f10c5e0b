"""Documents by the million: one worker that runs a chain on rows, on this machine, Ray, Spark or `datasets`.

    spec          ChainSpec: what is computed, as plain data
    fingerprint   everything that changes results
    worker        ChainWorker: rows in, rows out; what all engines and `--lines` run

The names below are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy

if TYPE_CHECKING:
    from llmkit.batch.spec import ChainSpec
    from llmkit.batch.worker import ChainWorker

__all__ = ["ChainSpec", "ChainWorker"]

__getattr__, __dir__ = _lazy("llmkit.batch", {"spec": ["ChainSpec"], "worker": ["ChainWorker"]})

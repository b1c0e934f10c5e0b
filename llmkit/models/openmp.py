"""How the threads of torch wait for work on a CPU that other programs use too.

GNU OpenMP, which torch uses on Linux, lets a thread wait actively for some milliseconds. Beside one other busy program
the threads then take the processor from each other, and an answer can take ten times as long. Threads that sleep at
once are slow on an idle machine as well; waiting briefly is good on both (docs/performance.md has the figures).
"""

from __future__ import annotations

import logging
import os
import sys

WAITING_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""The environment variables of OpenMP libraries that choose how threads wait: where one is set, the user has chosen."""
SPIN_COUNT = "1000"

logger = logging.getLogger(__name__)
_state = {"too_late": False}


def limit_busy_waiting() -> None:
    """Let OpenMP's threads wait only briefly, unless the environment says how; works only before torch is imported.

    The library reads the variable once, when it is loaded:
    https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
    """
    if any(name in os.environ for name in WAITING_VARIABLES):
        return
    if "torch" in sys.modules:
        _state["too_late"] = True
    else:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT


def warn_of_busy_waiting(device: str) -> None:
    """Log once that threads wait actively, if a model computes on the CPU and torch was imported before llmkit."""
    if not _state["too_late"] or not device.startswith("cpu") or not sys.platform.startswith("linux"):
        return
    import torch

    if torch.get_num_threads() > 1:
        _state["too_late"] = False
        logger.warning(
            "torch was imported before llmkit, so its threads wait actively: beside other busy programs answers take "
            "several times as long. Import llmkit.models first, or set GOMP_SPINCOUNT=%s before Python starts",
            SPIN_COUNT,
        )

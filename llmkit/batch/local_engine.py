"""The local engine: the rows of an input, batch by batch, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from llmkit.batch.job import Job
from llmkit.batch.row_format import Block
from llmkit.batch.worker import ChainWorker, Outcome
from llmkit.errors import RunError

_worker: ChainWorker | None = None


def run(job: Job, progress: Callable[[int], None]) -> None:
    """Compute the rows of a job that are left, and write them."""
    done = job.index.count_done()

    def write(block: Block, outcomes: list[Outcome]) -> None:
        nonlocal done
        job.folder.append(block, outcomes)
        done += len(block.ids)
        progress(done)

    compute(job.blocks(), job.worker, job.workers, write)


def compute(
    blocks: Iterator[Block], worker: ChainWorker, workers: int, write: Callable[[Block, list[Outcome]], None]
) -> None:
    """Compute blocks of rows, and write each as soon as it is done.

    With one worker the chain is in this process, and blocks are written in their order. Each process has one block at
    a time, so that no more than that is lost with it or with this process; the next one is read meanwhile.

    Raises:
        RunError: a process was killed.
    """
    if workers == 1:
        for block in blocks:
            write(block, worker.outcomes(*block.columns))
        return
    running: dict[Future[list[Outcome]], Block] = {}
    with _pool(worker, workers) as pool:
        try:
            for block in blocks:
                if len(running) == workers:
                    _write_done(running, write)
                running[pool.submit(_compute, block.columns)] = block
            while running:
                _write_done(running, write)
        except BrokenProcessPool as error:
            raise RunError(
                "a worker process was killed, as the system does when memory runs out; what is done is kept, and the "
                "same command goes on: with fewer --workers or a smaller --batch-size it needs less memory"
            ) from error


def _write_done(running: dict[Future[list[Outcome]], Block], write: Callable[[Block, list[Outcome]], None]) -> None:
    """Wait for a block, and write all that are done; then raise the error of one that is not."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=lambda each: each.exception() is not None):
        write(running[future], future.result())
        del running[future]


@contextmanager
def _pool(worker: ChainWorker, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes, which share the processors."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // workers) if hasattr(os, "sched_getaffinity") else 1)
    given = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = given or threads  # read when a process imports torch
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the state of torch's threads
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start, initargs=(worker,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if given is None:
            del os.environ["OMP_NUM_THREADS"]


def _start(worker: ChainWorker) -> None:
    """Prepare a process: it leaves an interrupt to its parent, and ends with it, also if that is killed."""
    global _worker
    _worker = worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _compute(columns: list[list[Any]]) -> list[Outcome]:
    if _worker is None:
        raise RuntimeError("the process was not started as a worker")
    return _worker.outcomes(*columns)

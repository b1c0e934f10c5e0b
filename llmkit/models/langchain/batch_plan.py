"""Many calls at once: LangChain runs each as a call of its own, and the first that needs an answer computes a batch.

So every call keeps its own callbacks, configuration, cache and errors, and the computation is one padded batch.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmkit.models.generation.completion import Completion, GenerationRequest
    from llmkit.models.generation.engine import Engine

_current: ContextVar[Plan | None] = ContextVar("llmkit_plan", default=None)


class Plan:
    """Requests that are known to come, and how they group into batches."""

    def __init__(self, engine: Engine, requests: Sequence[GenerationRequest]) -> None:
        self._engine = engine
        self._requests = list(requests)
        self._batches = list(engine.split_batches(self._requests))
        self._batch_of = {index: number for number, batch in enumerate(self._batches) for index in batch}
        self._waiting: dict[GenerationRequest, list[int]] = {}
        for index, request in enumerate(self._requests):
            self._waiting.setdefault(request, []).append(index)
        self._answers: dict[int, list[Completion] | Exception] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # one batch after the other: side by side, each waits and all take memory

    def take(self, request: GenerationRequest) -> list[Completion] | None:
        """Give the answers to a request, computed with its batch; `None` if it is not in the plan."""
        with self._lock:
            indices = self._waiting.get(request)
            if not indices:
                return None
            index = indices.pop(0)
        number = self._batch_of[index]
        with self._turn:
            if index not in self._answers:
                self._compute(self._batches[number])
        answers = self._answers.pop(index)
        if isinstance(answers, Exception):
            raise answers
        return answers

    def cancel(self) -> None:
        """Stop all that is being computed, and all that would be."""
        for request in self._requests:
            request.cancel.set()

    def _compute(self, batch: Sequence[int]) -> None:
        """Compute a batch; one that fails, for want of memory or for one of its requests, is halved and tried again."""
        try:
            self._answers.update(zip(batch, self._engine.generate([self._requests[i] for i in batch]), strict=True))
            return
        except Exception as error:  # the call whose request this is will raise it
            if len(batch) == 1:
                self._answers[batch[0]] = error
                return
        # Not within the handler: the error holds on to the memory of the attempt.
        half = len(batch) // 2
        self._compute(batch[:half])
        self._compute(batch[half:])


@contextmanager
def planned(plan: Plan) -> Iterator[Plan]:
    """Announce requests that the calls within are going to make."""
    token = _current.set(plan)
    try:
        yield plan
    except BaseException:  # a cancelled task, above all: what is being computed is wanted no more
        plan.cancel()
        raise
    finally:
        _current.reset(token)


def answer(engine: Engine, request: GenerationRequest) -> list[Completion]:
    """Answer a request: with its batch where one was announced, else alone."""
    plan = _current.get()
    return (plan.take(request) if plan else None) or engine.generate([request])[0]

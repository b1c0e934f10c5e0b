"""Many runs of a chain in lockstep: the next model calls of all of them are one batch.

A strategy is written as a generator of `Steps`: it yields the model calls of its next step, is sent their answers, and
returns its result. So it reads like plain sequential code, although many inputs advance together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs

from llmkit.prompts import FittedPrompt

Result = TypeVar("Result")


@dataclass(frozen=True)
class ModelCall:
    """A prompt, the most tokens that its completion may have, and more settings of the call."""

    prompt: FittedPrompt
    max_tokens: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the call."""
        stop = {"stop": list(self.prompt.stop)} if self.prompt.stop else {}
        return {"max_tokens": self.max_tokens, **stop, **self.settings}


Steps = Generator[list[ModelCall], list[AIMessage], Result]
"""Yields the model calls of each step, is sent their answers, and returns a result."""


@dataclass(frozen=True)
class Progress:
    """How far a chain is: finished model calls, and all that are known so far; the total may grow."""

    done: int
    total: int


class Run(Generic[Result]):
    """One execution of `Steps`: the `pending` calls of the current step, and in the end a `result` or an `error`."""

    def __init__(self, steps: Steps[Result]) -> None:
        self.pending: list[ModelCall] = []
        self.call_count = 0
        self.result: Result | None = None
        self.error: Exception | None = None
        self._steps = steps
        self._advance(None)

    @property
    def is_active(self) -> bool:
        """Whether there are steps left."""
        return self.result is None and self.error is None

    def unwrap(self) -> Result:
        """Return what the steps returned, or raise what they failed with."""
        if self.error:
            raise self.error
        if self.result is None:
            raise RuntimeError("the run is not finished")
        return self.result

    def send(self, answers: Sequence[AIMessage | Exception]) -> None:
        """Advance to the next step with the answers of this one; an error among them ends the run."""
        self.call_count += len(answers)
        self.error = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if not self.error:
            self._advance([answer for answer in answers if not isinstance(answer, Exception)])

    def _advance(self, answers: list[AIMessage] | None) -> None:
        try:
            self.pending = self._steps.send(answers)  # type: ignore[arg-type]
        except StopIteration as end:
            self.result, self.pending = end.value, []
        except Exception as error:
            self.error = error


class BatchCaller(BaseCallbackHandler):
    """Calls a chat model in true batches; as a callback, counts the calls and reports progress, in any thread."""

    calls_per_answer: int = 1
    raise_error = True  # an error in the caller's `report` must not be lost in a log

    def __init__(self, llm: Runnable[Any, AIMessage], report: Callable[[Progress], None] | None = None) -> None:
        self.llm, self._report = llm, report
        self._lock = threading.Lock()
        self._done = self._total = 0

    def expect(self, calls: int) -> None:
        """Raise the total of the progress to at least this many further calls."""
        self._total = max(self._total, self._done + calls)

    def batch(self, calls: Sequence[ModelCall], configs: Sequence[RunnableConfig]) -> list[AIMessage | Exception]:
        """Return the answer of each call, or the error it failed with; calls with equal arguments are one batch."""
        groups: dict[str, list[int]] = {}
        for index, call in enumerate(calls):
            groups.setdefault(repr(call.arguments), []).append(index)
        answers: dict[int, Any] = {}
        for indices in groups.values():
            messages = [calls[index].prompt.messages for index in indices]
            counted = [self._counted(configs[index]) for index in indices]
            arguments = calls[indices[0]].arguments
            batch = self.llm.batch(messages, counted, return_exceptions=True, **arguments)
            answers |= zip(indices, batch, strict=True)
        return [answers[index] for index in range(len(calls))]

    def stream(self, call: ModelCall, config: RunnableConfig) -> Generator[AIMessage, None, None]:
        """Yield the chunks of one answer."""
        yield from self.llm.stream(call.prompt.messages, self._counted(config), **call.arguments)

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        """Count a finished call."""
        with self._lock:
            self._done += 1
            self._total = max(self._total, self._done)
            if self._report:
                self._report(Progress(self._done, self._total))

    on_llm_error = on_llm_end

    def _counted(self, config: RunnableConfig) -> RunnableConfig:
        return merge_configs(config, {"callbacks": [self]}) if self._report else config


def run_in_lockstep(
    runs: Sequence[Run[Result]],
    configs: Sequence[RunnableConfig],
    caller: BatchCaller,
    remaining_calls: Callable[[Run[Result]], int],
) -> None:
    """Run all steps of all runs, until each has its result or its error.

    `remaining_calls` returns how many calls a run will still need after its steps, as far as is known.
    """
    while active := [(run, config) for run, config in zip(runs, configs, strict=True) if run.is_active]:
        pairs = [(call, config) for run, config in active for call in run.pending]
        caller.expect(len(pairs) + sum(map(remaining_calls, runs)))
        answers = iter(caller.batch([call for call, _ in pairs], [config for _, config in pairs]))
        for run, _ in active:
            run.send([next(answers) for _ in run.pending])

"""Several jobs in step: each says what it has to ask, and all of it is asked in one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs

from llmkit.prompts import FittedPrompt

Last = TypeVar("Last")


@dataclass(frozen=True)
class Question:
    """A prompt, the most tokens that its answer may have, and what else the model's call is to have."""

    prompt: FittedPrompt
    max_tokens: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the model's call."""
        stop = {"stop": list(self.prompt.stop)} if self.prompt.stop else {}
        return {"max_tokens": self.max_tokens, **stop, **self.settings}


Rounds = Generator[list[Question], list[AIMessage], Last]
"""Asks several questions at a time, is sent their answers, and returns what is to be asked last."""


@dataclass(frozen=True)
class Progress:
    """How far a chain is: calls of the model that are answered, of those known so far; the total may grow."""

    done: int
    total: int


class Job(Generic[Last]):
    """One run of rounds: what it asks now, and how often it has asked.

    Attributes:
        last: what the rounds returned, when they are over.
        error: what the job failed with.
    """

    def __init__(self, rounds: Rounds[Last], config: RunnableConfig) -> None:
        self.config = config
        self.calls = 0
        self.questions: list[Question] = []
        self.last: Last | None = None
        self.error: Exception | None = None
        self._rounds = rounds
        self._take(None)

    @property
    def open(self) -> bool:
        """Whether it still has rounds to go."""
        return self.last is None and self.error is None

    def result(self) -> Last:
        """Give what the rounds returned, or raise what they failed with."""
        if self.error:
            raise self.error
        if self.last is None:
            raise RuntimeError("the rounds are not over")
        return self.last

    def answer(self, answers: Sequence[AIMessage | Exception]) -> None:
        """Go on with the answers; an error among them ends the job."""
        self.calls += len(answers)
        self.error = next((each for each in answers if isinstance(each, Exception)), None)
        if not self.error:
            self._take([each for each in answers if not isinstance(each, Exception)])

    def _take(self, answers: list[AIMessage] | None) -> None:
        try:
            self.questions = self._rounds.send(answers)  # type: ignore[arg-type]
        except StopIteration as end:
            self.last, self.questions = end.value, []
        except Exception as error:
            self.error = error


class Asker:
    """Asks a model, in true batches, and says how far it is."""

    def __init__(self, llm: Runnable[Any, AIMessage], progress: Callable[[Progress], None] | None = None) -> None:
        self.llm = llm
        self._report = progress
        self._counter = _Counter(self._count)
        self._lock = threading.Lock()
        self.done = self.total = 0

    def watched(self, config: RunnableConfig) -> RunnableConfig:
        """Give the configuration under which calls are counted."""
        return merge_configs(config, {"callbacks": [self._counter]}) if self._report else config

    def expect(self, calls: int) -> None:
        """Say how many calls are known to come."""
        self.total = max(self.total, self.done + calls)

    def ask(self, questions: Sequence[Question], configs: Sequence[RunnableConfig]) -> list[AIMessage | Exception]:
        """Give each question's answer, or the error it failed with."""
        answers: list[Any] = [None] * len(questions)
        kinds: dict[str, list[int]] = {}
        for index, question in enumerate(questions):
            kinds.setdefault(repr(question.options), []).append(index)
        for indices in kinds.values():
            found = self.llm.batch(
                [questions[index].prompt.messages for index in indices],
                [self.watched(configs[index]) for index in indices],
                return_exceptions=True,
                **questions[indices[0]].options,
            )
            for index, answer in zip(indices, found, strict=True):
                answers[index] = answer
        return answers

    def stream(self, question: Question, config: RunnableConfig) -> Generator[AIMessage, None, None]:
        """Give one question's answer as it is written."""
        messages = question.prompt.messages
        stream = self.llm.stream(messages, self.watched(config), **question.options)
        with closing(cast("Generator[AIMessage, None, None]", stream)) as chunks:
            yield from chunks

    def _count(self) -> None:
        with self._lock:
            self.done += 1
            self.total = max(self.total, self.done)
            if self._report:
                self._report(Progress(self.done, self.total))


def run_rounds(jobs: Sequence[Job[Last]], asker: Asker, to_come: Callable[[Job[Last]], int]) -> None:
    """Run all rounds but what is to be asked last.

    `to_come` says how many calls a job will still need after them.
    """
    while going := [job for job in jobs if job.open]:
        pairs = [(question, job.config) for job in going for question in job.questions]
        asker.expect(len(pairs) + sum(map(to_come, jobs)))
        answers = asker.ask([question for question, _ in pairs], [config for _, config in pairs])
        at = 0
        for job in going:
            count = len(job.questions)
            job.answer(answers[at : at + count])
            at += count


class _Counter(BaseCallbackHandler):
    """Hears of every call of the model that is over."""

    raise_error = True  # what goes wrong in the caller's own function is not to be lost in a log

    def __init__(self, count: Callable[[], None]) -> None:
        self._count = count

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        """Count an answer."""
        self._count()

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Count a call that failed."""
        self._count()

"""Of several answers to a prompt the one that the others agree with most: minimum Bayes risk.

The candidates are the model's usual answer, that of a beam search if the model is in this process, and samples. Each is
compared with every other by ROUGE-1, and the one with the greatest sum is taken, the usual one among equals (Kumar &
Byrne 2004, https://aclanthology.org/N04-1022; with samples, Eikema & Aziz 2020,
https://aclanthology.org/2020.coling-main.398). What only one candidate says is often invented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from llmkit.chains.inputs import validate_positive
from llmkit.chains.lockstep import BatchCaller, ModelCall, Progress
from llmkit.chains.postprocess import clean_completion, is_complete
from llmkit.chains.summarization.few_shot import rouge_1
from llmkit.errors import InputError
from llmkit.prompts.context_budget import unbind

TEMPERATURE = 0.5
"""Of the samples, unless the model samples anyway; chosen on dialogues, see docs/summarization.md."""
SEED = 0
"""Of the samples, unless the model has one: so the same call gives the same summary."""
BEAMS = 4
"""Of the beam search; greedy decoding takes its place for a model that searches anyway."""


def validate_candidates(value: Any) -> int:
    """Return the value, or raise `InputError` if it is not 1 or at least 3."""
    if validate_positive(value, "candidates") == 2:
        raise InputError("candidates is 2, but must be 1, or at least 3: of two, none agrees more with the other")
    return int(value)


class ConsensusCaller(BatchCaller):
    """Calls a model for several candidates of each answer, and returns the one that the others agree with most."""

    def __init__(self, llm: Any, candidates: int, report: Callable[[Progress], None] | None = None) -> None:
        super().__init__(llm, report)
        self.candidates = candidates
        self._further = _further_settings(llm, candidates)
        self.calls_per_answer = 1 + len(self._further)

    def expect(self, calls: int) -> None:
        """Raise the total of the progress to the calls of the model for at least this many further answers."""
        super().expect(self.calls_per_answer * calls)

    def batch(self, calls: Sequence[ModelCall], configs: Sequence[RunnableConfig]) -> list[AIMessage | Exception]:
        """Return the answer to each call that the other candidates agree with most, or the error it failed with."""
        answers = [[answer] for answer in super().batch(calls, configs)]
        for settings in self._further:
            kept = [_Completions() for _ in calls]
            first = super().batch(
                [replace(call, settings={**call.settings, **settings}) for call in calls],
                [merge_configs(config, {"callbacks": [one]}) for config, one in zip(configs, kept, strict=True)],
            )
            for found, answer, one in zip(answers, first, kept, strict=True):
                found.extend([answer] if isinstance(answer, Exception) else one.answers)
        return [self._choose(found) for found in answers]

    def _choose(self, answers: Sequence[AIMessage | Exception]) -> AIMessage | Exception:
        for answer in answers:
            if isinstance(answer, Exception):
                return answer
        if len(answers) < self.candidates:
            name = type(unbind(self.llm)[0]).__name__
            return InputError(
                f"candidates is {self.candidates}, but {name} gives only {len(answers)}: leave candidates out, or take "
                "a model that returns n answers"
            )
        good = [answer for answer in answers if isinstance(answer, AIMessage)]
        return good[most_agreed([clean_completion(answer.text, is_complete(answer))[0] for answer in good])]


def most_agreed(texts: Sequence[str]) -> int:
    """Return the index of the text that has the greatest sum of ROUGE-1 with all others, the first among equals."""
    places = range(len(texts))
    sums = [sum(rouge_1(texts[one], texts[other]) for other in places if other != one) for one in places]
    return max(places, key=lambda place: round(sums[place], 9))


@dataclass
class _Completions(BaseCallbackHandler):
    """Keeps all answers of a call: LangChain's `invoke` returns the first."""

    answers: tuple[AIMessage, ...] = ()

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Keep the answers."""
        messages = (getattr(generation, "message", None) for group in response.generations for generation in group)
        self.answers = tuple(message for message in messages if isinstance(message, AIMessage))


def _further_settings(llm: Any, candidates: int) -> list[dict[str, Any]]:
    """Return the settings of the calls besides the usual one; the temperature and the seed are the model's, if any."""
    model, bound = unbind(llm)
    own = getattr(model, "settings", model)
    temperature, seed, beams = (
        bound.get(name, getattr(own, name, None)) for name in ("temperature", "seed", "num_beams")
    )
    samples = {"temperature": temperature or TEMPERATURE, "seed": SEED if seed is None else seed}
    if getattr(model, "engine", None) is None:  # beams are no common option of chat models
        return [samples | {"n": candidates - 1}]
    search = {"temperature": 0.0, "num_beams": 1 if (beams or 1) > 1 else BEAMS}
    return [search, samples | {"n": candidates - 2, "num_beams": 1}]

"""Of several answers to a prompt the one that the others agree with most: minimum Bayes risk over samples.

The model's usual answer and samples are candidates. Each is compared with every other by ROUGE-1, and the one with the
greatest sum is taken, the usual one among equals (Kumar & Byrne 2004, https://aclanthology.org/N04-1022; with samples,
Eikema & Aziz 2020, https://aclanthology.org/2020.coling-main.398). What only one candidate says is often invented.
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
CALLS = 2
"""Of the model for each prompt: one for the usual answer, and one for all samples."""


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

    def expect(self, calls: int) -> None:
        """Raise the total of the progress to the calls of the model for at least this many further answers."""
        super().expect(CALLS * calls)

    def batch(self, calls: Sequence[ModelCall], configs: Sequence[RunnableConfig]) -> list[AIMessage | Exception]:
        """Return the answer to each call that the other candidates agree with most, or the error it failed with."""
        usual = super().batch(calls, configs)
        drawn = _sampling_settings(self.llm) | {"n": self.candidates - 1}
        kept = [_Completions() for _ in calls]
        samples = super().batch(
            [replace(call, settings={**call.settings, **drawn}) for call in calls],
            [merge_configs(config, {"callbacks": [one]}) for config, one in zip(configs, kept, strict=True)],
        )
        found = zip(usual, samples, kept, strict=True)
        return [self._choose(answer, sample, one.answers) for answer, sample, one in found]

    def _choose(
        self, usual: AIMessage | Exception, sample: AIMessage | Exception, samples: Sequence[AIMessage]
    ) -> AIMessage | Exception:
        if isinstance(usual, Exception):
            return usual
        if isinstance(sample, Exception):
            return sample
        if len(samples) < self.candidates - 1:
            name = type(unbind(self.llm)[0]).__name__
            return InputError(
                f"candidates is {self.candidates}, but {name} gives {len(samples)} answers where {self.candidates - 1} "
                "are asked for (n): leave candidates out, or take a model that has n"
            )
        answers = [usual, *samples]
        return answers[most_agreed([clean_completion(answer.text, is_complete(answer))[0] for answer in answers])]


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


def _sampling_settings(llm: Any) -> dict[str, Any]:
    """Return the temperature and the seed of samples: those of the model, if it has them."""
    model, bound = unbind(llm)
    settings = getattr(model, "settings", model)
    temperature, seed = (bound.get(name, getattr(settings, name, None)) for name in ("temperature", "seed"))
    return {"temperature": temperature or TEMPERATURE, "seed": SEED if seed is None else seed}

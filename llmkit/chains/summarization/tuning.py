"""The numbers of summarization that depend on the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmkit.chains.tuning import Tuning, select_tuning
from llmkit.prompts.context_budget import unbind

REPETITION_SETTINGS = {"presence_penalty", "frequency_penalty", "repetition_penalty", "no_repeat_ngram_size"}


@dataclass(frozen=True)
class SupportWeights:
    """A logistic regression: from signs that a source supports a sentence to the probability that it does.

    Attributes:
        source_words: the weight of the share of content words that the source has.
        log_ratio: that of how much likelier the source makes the sentence, in nats a token; 0 does not compute it.
    """

    intercept: float
    source_words: float
    log_ratio: float = 0.0


BY_WORDS = SupportWeights(intercept=-6.1, source_words=11.5)
"""Depends on no model: fitted on the sentences of 125 reference summaries of DialogSum, see docs/summarization.md."""


@dataclass(frozen=True, kw_only=True)
class SummarizationTuning(Tuning):
    """How much a model reads at once, and who puts summaries of parts together. The defaults are neutral.

    Attributes:
        max_passage_tokens: the longest passage that the model reads well; `None` if it reads its whole window well.
        selects_sentences: whether map-reduce selects sentences of the summaries of parts instead of asking the model
            to combine them.
        relevance: how much the selection values what is central, against what is new (MMR), from 0 to 1.
        presence_penalty: against repetition, unless the model already has a setting against it.
        shows_examples: whether examples go into the prompt where it cannot be measured whether they help.
        support: how the support of a summary's sentences is computed.
        support_by_words: the same where there are no log-likelihoods.
        min_support: sentences with less support are left out.
    """

    max_passage_tokens: int | None = None
    selects_sentences: bool = False
    relevance: float = 0.7
    presence_penalty: float = 0.0
    shows_examples: bool = True
    support: SupportWeights = BY_WORDS
    support_by_words: SupportWeights = BY_WORDS
    min_support: float = 0.0


NEUTRAL = SummarizationTuning()
SMOLLM2_135M = SummarizationTuning(
    model="smollm2-135m",
    max_passage_tokens=512,
    selects_sentences=True,
    presence_penalty=0.8,
    shows_examples=False,
    support=SupportWeights(intercept=-7.4, source_words=9.4, log_ratio=1.7),
    min_support=0.1,
)
"""Measured on the default model; try it with other models below a billion parameters, `tuning=SMOLLM2_135M`.

Ten meetings of 2,000 to 20,000 words have summaries of ROUGE-1 0.16 from one full window, and 0.32 from parts. With the
penalty ROUGE-1 rises from 0.34 to 0.37 on 100 dialogues, and of 315 parts of meetings 13 have a summary that repeats
itself, not 44. Frequency penalties do no better, and grow with the length. Of the sentences of 125 reference summaries
1 % has less support than `min_support`; beside the source of another summary, 73 % have less.
"""


def tuning_for(llm: Any, tuning: SummarizationTuning | None) -> SummarizationTuning:
    """Return the tuning that is given, or the one of this model; raise `InputError` for another object."""
    return select_tuning(unbind(llm)[0], tuning, SMOLLM2_135M, NEUTRAL)


def repetition_settings(llm: Any, tuning: SummarizationTuning) -> Mapping[str, float]:
    """Return the settings against repetition for each call of a local or served decoder-only model that has none."""
    model, bound = unbind(llm)
    loaded = getattr(getattr(model, "engine", None), "loaded", None)
    sources: tuple[Any, ...] = (model,) if hasattr(type(model), "exactness") else ()  # a served model
    if loaded is not None and not loaded.is_encoder_decoder:
        sources = (getattr(model, "settings", None), loaded.model.generation_config)
    if not tuning.presence_penalty or not sources or bound.keys() & REPETITION_SETTINGS:
        return {}
    values = [getattr(source, name, None) for source in sources for name in REPETITION_SETTINGS]
    return {} if any(value not in (None, 0, 1) for value in values) else {"presence_penalty": tuning.presence_penalty}

"""The logits processors of transformers for one call, without its `generate`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.generation import logits_process as of_transformers

_OF_SCORES_ALONE = (
    of_transformers.EpsilonLogitsWarper,
    of_transformers.EtaLogitsWarper,
    of_transformers.InfNanRemoveLogitsProcessor,
    of_transformers.LogitNormalization,
    of_transformers.MinPLogitsWarper,
    of_transformers.SuppressTokensLogitsProcessor,
    of_transformers.TemperatureLogitsWarper,
    of_transformers.TopHLogitsWarper,
    of_transformers.TopKLogitsWarper,
    of_transformers.TopPLogitsWarper,
    of_transformers.TypicalLogitsWarper,
)
"""Logits processors that read no tokens and treat each row alone, so that rows of any lengths share them."""


def merge_config(model: Any, config: GenerationConfig) -> GenerationConfig:
    """Return a call's configuration with what it leaves open: from the model's own, and from transformers."""
    own = {name: value for name, value in model.generation_config.to_dict().items() if value is not None}
    return merge_entries(model, config, own)


def merge_entries(model: Any, config: GenerationConfig, entries: dict[str, Any]) -> GenerationConfig:
    """Return a call's configuration with what it leaves open: from these entries, and from transformers."""
    merged = copy.deepcopy(config)
    merged.update(**entries, defaults_only=True, allow_custom_entries=True)
    merged.update(**merged._get_default_generation_params(), defaults_only=True)
    model._prepare_special_tokens(merged, True, device=model.device)
    return merged


def logits_processors(
    model: Any,
    merged: GenerationConfig,
    prompt: Sequence[int],
    max_new_tokens: int = 1,
    added: Sequence[LogitsProcessor] = (),
) -> LogitsProcessorList:
    """Create the logits processors for a completion of one prompt.

    Args:
        model: a decoder-only model of transformers.
        merged: the configuration, by `merge_config`.
        prompt: its tokens.
        max_new_tokens: the most tokens of the completion.
        added: further processors, applied after penalties and before what only sampling has.
    """
    config = copy.copy(merged)
    config.max_length = len(prompt) + max_new_tokens
    processors: LogitsProcessorList = model._get_logits_processor(
        generation_config=config,
        input_ids_seq_length=len(prompt),
        encoder_input_ids=torch.tensor([list(prompt)], device=model.device) if _reads_encoder_input(config) else None,
        logits_processor=LogitsProcessorList(added),
        device=model.device,
        model_kwargs={},
    )
    return processors


def split_processors(processors: LogitsProcessorList) -> tuple[LogitsProcessorList, LogitsProcessorList]:
    """Split processors into those that must be applied to each row with its tokens, and the last ones, for any rows."""
    end = len(processors)
    while end and isinstance(processors[end - 1], _OF_SCORES_ALONE):
        end -= 1
    return LogitsProcessorList(processors[:end]), LogitsProcessorList(processors[end:])


def _reads_encoder_input(config: GenerationConfig) -> bool:
    penalty = config.encoder_repetition_penalty
    return penalty not in (None, 1.0) or bool(config.encoder_no_repeat_ngram_size)

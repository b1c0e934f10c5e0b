"""The next tokens of rows, each with its own settings, from the logits of one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import GenerationConfig, LogitsProcessorList
from transformers.generation.logits_process import (
    ForcedEOSTokenLogitsProcessor,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from llmkit.errors import GenerationError
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.logits_processors import logits_processors, merge_config, split_processors
from llmkit.models.generation.row import Row
from llmkit.models.generation.sampling import NOT_NUMBERS, choose_valid_tokens, restore_allowed, token_penalties
from llmkit.models.generation.settings import GenerationSettings

_OF_EACH_COMPLETION: dict[str, Any] = {"seed": None, "stop": (), "max_new_tokens": None}
"""Settings that need not be equal for rows to share a choice."""

_OF_LENGTHS = (MinLengthLogitsProcessor, MinNewTokensLengthLogitsProcessor)
"""Logits processors that read only how many tokens a row has."""

_MAX_SHARED = 256  # of settings that are remembered


@dataclass(frozen=True, eq=False)
class SharedChoice:
    """What completions with the same settings share.

    Attributes:
        config: the merged configuration.
        processors: logits processors for any rows.
        reads_tokens: whether there are others, for each row with its tokens.
        is_supported: whether rows of different lengths can be decoded with it.
    """

    config: GenerationConfig
    processors: Any  # a LogitsProcessorList
    reads_tokens: bool
    is_supported: bool

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn."""
        return bool(self.config.do_sample)


class RowChooser:
    """Chooses the next tokens of completions of one model.

    Args:
        model: a decoder-only model of transformers.
        config_of: returns the configuration of settings.
    """

    def __init__(self, model: Any, config_of: Callable[[GenerationSettings], GenerationConfig]) -> None:
        self._model, self._config_of = model, config_of
        self._shared: dict[tuple[GenerationSettings, str], SharedChoice] = {}

    def shared(self, settings: GenerationSettings) -> SharedChoice:
        """Return what completions with these settings share."""
        settings = settings.model_copy(update=_OF_EACH_COMPLETION)
        key = (settings, str(vars(self._model.generation_config)))
        if key not in self._shared:
            if len(self._shared) >= _MAX_SHARED:
                self._shared.clear()
            config = merge_config(self._model, self._config_of(settings))
            is_supported = config.num_beams == 1 and config.guidance_scale in (None, 1)
            found = logits_processors(self._model, config, [0], 1, token_penalties(settings)) if is_supported else []
            each, common = split_processors(LogitsProcessorList(found))
            self._shared[key] = SharedChoice(config, common, bool(each), is_supported)
        return self._shared[key]

    def processors_of(self, completion: Completion) -> LogitsProcessorList:
        """Create the logits processors for one completion alone, which read its tokens."""
        settings, prompt = completion.request.settings, completion.request.prompt
        shared = self.shared(settings)
        if not shared.reads_tokens:
            return LogitsProcessorList()
        limit, penalties = completion.max_new_tokens, token_penalties(settings)
        each, _ = split_processors(logits_processors(self._model, shared.config, prompt, limit, penalties))
        if completion.matcher:  # a constraint ends the completion in time by itself
            each = LogitsProcessorList(one for one in each if not isinstance(one, ForcedEOSTokenLogitsProcessor))
        return each

    def choose(self, rows: Sequence[Row], logits: torch.Tensor) -> list[int | Exception]:
        """Choose a token for each row from logits `[rows, vocabulary]`; a row that has none gets the error."""
        errors: dict[int, Exception] = {}
        allowed = _apply_constraints(rows, logits, errors)
        scores = _apply_processors(rows, allowed)
        groups: dict[SharedChoice, list[int]] = {}
        for index, row in enumerate(rows):
            groups.setdefault(row.shared, []).append(index)
        tokens: list[int | Exception] = [GenerationError(NOT_NUMBERS)] * len(rows)
        for shared, indices in groups.items():
            chosen_from, restored = scores, allowed
            if len(groups) > 1:
                selected = torch.tensor(indices, device=scores.device)
                chosen_from = scores[selected]
                restored = chosen_from if scores is allowed else allowed[selected]
            chosen_from = restore_allowed(shared.processors(None, chosen_from), restored)
            rngs = [rows[index].completion.rng for index in indices] if shared.samples else None
            for index, token in zip(indices, choose_valid_tokens(chosen_from, rngs), strict=True):
                tokens[index] = GenerationError(NOT_NUMBERS) if token is None else token
        return [errors.get(index, token) for index, token in enumerate(tokens)]


def _apply_constraints(rows: Sequence[Row], logits: torch.Tensor, errors: dict[int, Exception]) -> torch.Tensor:
    """Return logits with -inf where a row's constraint forbids the token."""
    if not any(row.completion.matcher or row.completion.request.logprobs is not None for row in rows):
        return logits  # not a copy, as nobody reads them afterwards
    constrained, masks = [], []
    for index, row in enumerate(rows):
        if row.completion.matcher:
            try:
                masks.append(row.completion.matcher.allowed_tokens(logits.shape[1]))
                constrained.append(index)
            except Exception as error:  # of this row alone
                errors[index] = error
    allowed = logits.clone()
    if constrained:
        forbidden = ~torch.from_numpy(np.stack(masks)).to(logits.device)
        allowed[constrained] = allowed[constrained].masked_fill(forbidden, -torch.inf)
    return allowed


def _apply_processors(rows: Sequence[Row], allowed: torch.Tensor) -> torch.Tensor:
    """Return the scores that the logits processors make which read the tokens of each row."""
    alike: dict[tuple[SharedChoice, int], list[int]] = {}  # rows with the same processors
    for index, row in enumerate(rows):
        if row.processors:
            alike.setdefault((row.shared, len(row.processors)), []).append(index)
    if not alike:
        return allowed
    scores = allowed.clone()
    for indices in alike.values():
        for at in range(len(rows[indices[0]].processors)):
            _apply_processor(at, rows, indices, scores)
    return scores


def _apply_processor(at: int, rows: Sequence[Row], indices: Sequence[int], scores: torch.Tensor) -> None:
    """Change the scores of these rows by the processor number `at` of each, all of one class with the same settings."""
    processor = rows[indices[0]].processors[at]
    if isinstance(processor, RepetitionPenaltyLogitsProcessor):  # a token counts once, so rows can be padded
        width = max(rows[index].total for index in indices)
        tokens = np.stack([rows[index].token_array(width) for index in indices])
        scores[indices] = processor(_on_device(tokens, scores), scores[indices])
    elif isinstance(processor, _OF_LENGTHS):
        short = [index for index in indices if _is_too_short(rows[index], processor)]
        if short:  # all are changed alike
            first, selected = rows[short[0]], slice(None) if len(short) == len(scores) else short
            scores[selected] = first.processors[at](torch.empty(1, first.total), scores[selected])
    else:
        for index in indices:
            one = slice(index, index + 1)
            tokens = rows[index].token_array()[None]
            scores[one] = rows[index].processors[at](_on_device(tokens, scores), scores[one])


def _is_too_short(row: Row, processor: Any) -> bool:
    if isinstance(processor, MinNewTokensLengthLogitsProcessor):
        return len(row.completion.token_ids) < int(processor.min_new_tokens)
    return row.total < int(processor.min_length)


def _on_device(tokens: npt.NDArray[np.int64], scores: torch.Tensor) -> Any:
    return torch.from_numpy(tokens).to(scores.device)

"""The loop that chooses tokens: one forward pass a step, for all rows of a batch that are not finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria
from transformers.generation.logits_process import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from llmkit.models.generation.completion import Completion
from llmkit.models.generation.drafts import DraftedSteps
from llmkit.models.generation.sampling import choose_tokens, restore_allowed
from llmkit.models.generation.shared_steps import SharedSteps
from llmkit.models.kv_cache.layers import key_values_of
from llmkit.models.loaded_model import LoadedModel

_STATE_PER_ROW = (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)
"""Logits processors that keep state for each row: with one of them, finished rows must stay in the batch."""

_CACHE_NAMES = ("cache", "state")  # in a model's output: attention and Mamba, RWKV


class DecodeLoop:
    """Decoding for a batch; `transformers.generate(custom_generate=…)` calls `run`."""

    def __init__(
        self, loaded: LoadedModel, completions: Sequence[Completion], shared_steps: SharedSteps | None = None
    ) -> None:
        self.cache: Any = None  # after the latest forward pass
        self._loaded = loaded
        self._rows = list(completions)
        self._drafted_steps = DraftedSteps(shared_steps) if shared_steps and len(self._rows) == 1 else None

    def run(
        self,
        model: Any,
        input_ids: Any,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: GenerationConfig,
        **inputs: Any,
    ) -> Iterator[list[tuple[Completion, str]]]:
        """Yield, at each step, the completions that grew and their new text, until all are finished.

        `stopping_criteria` is not used: a completion knows when it is finished.
        """
        if any(row.matcher for row in self._rows):  # a constraint ends the completion in time by itself
            logits_processor = LogitsProcessorList(
                one for one in logits_processor if not isinstance(one, ForcedEOSTokenLogitsProcessor)
            )
        prefix = key_values_of(inputs.get("cache"))  # `None` for the empty cache that transformers makes
        new_tokens = input_ids.shape[1] - prefix[0][0].shape[2] if prefix else None  # `None`: all tokens are new
        is_first, eos_token_ids = True, self._loaded.eos_token_ids
        pad = generation_config.pad_token_id or 0
        while True:
            with torch.inference_mode():
                out = self._forward(model, input_ids, new_tokens, is_first, inputs)
                self.cache = next((out[name] for name in _CACHE_NAMES if out.get(name) is not None), None)
                is_first = False
                logits = out.logits[:, -1].float()
                allowed = self._apply_constraints(logits)
                chosen_from = restore_allowed(logits_processor(input_ids, allowed), allowed)
                rngs = [row.rng if row.needs_token else None for row in self._rows]
                tokens = choose_tokens(chosen_from, rngs if generation_config.do_sample else None)
            rows = zip(self._rows, tokens, logits, strict=True)
            yield [row.append(token, eos_token_ids, scores) for row, token, scores in rows if row.needs_token]
            unfinished = [row for row in self._rows if not row.finish_reason]
            if not unfinished:
                return
            width = min(len(row.pending) for row in unfinished)
            new = [[pad] * width if row.finish_reason else row.take_pending(width) for row in self._rows]
            inputs = model._update_model_kwargs_for_generation(
                out, inputs, is_encoder_decoder=self._loaded.is_encoder_decoder, num_new_tokens=width
            )
            input_ids = torch.cat([input_ids, torch.tensor(new, device=input_ids.device)], 1)
            new_tokens = None if self.cache is None else width
            if 2 * len(unfinished) <= len(self._rows) and self._can_drop_rows(logits_processor):
                input_ids, inputs = self._drop_finished(input_ids, inputs)

    def _forward(
        self, model: Any, input_ids: torch.Tensor, new_tokens: int | None, is_first: bool, inputs: dict[str, Any]
    ) -> Any:
        """Compute the new tokens of all rows; one token of one row with drafts, and with those of other callers."""
        if self._drafted_steps and self._loaded.fast_forward and key_values_of(self.cache):
            if new_tokens == 1:
                row = self._rows[0]
                most_drafts = row.max_new_tokens - len(row.token_ids) - 1  # none behind the completion's end
                sequence = [*row.request.prompt, *row.token_ids]
                logits = self._drafted_steps.logits(sequence, self.cache, most_drafts)
                return CausalLMOutputWithPast(logits=logits[None], cache=self.cache)
            self._drafted_steps.remove_drafts(self.cache)
        with self._loaded.forward_pass():
            step = model.prepare_inputs_for_generation(
                input_ids, next_sequence_length=new_tokens, is_first_iteration=is_first, **inputs
            )
            return self._loaded.forward(**step, return_dict=True)

    def _apply_constraints(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits `[rows, vocabulary]` with -inf where a row's constraint forbids the token."""
        if not any(row.matcher or row.request.logprobs is not None for row in self._rows):
            return logits  # not a copy, as nobody reads them afterwards
        scores = logits.clone()
        for row, row_scores in zip(self._rows, scores, strict=True):
            if row.matcher and row.needs_token:
                row.matcher.mask(row_scores)
        return scores

    def _can_drop_rows(self, processors: LogitsProcessorList) -> bool:
        has_plain_cache = self._loaded.is_encoder_decoder or key_values_of(self.cache) is not None
        return has_plain_cache and not any(isinstance(processor, _STATE_PER_ROW) for processor in processors)

    def _drop_finished(self, input_ids: torch.Tensor, inputs: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Remove finished rows, so that the longest completion of a batch does not make the others cost as much."""
        size = len(self._rows)
        keep = torch.tensor([i for i, row in enumerate(self._rows) if not row.finish_reason], device=input_ids.device)
        self._rows = [row for row in self._rows if not row.finish_reason]
        self.cache.batch_select_indices(keep)
        for name, value in inputs.items():
            if isinstance(value, torch.Tensor) and value.shape[:1] == (size,):
                inputs[name] = value[keep]
            elif name == "encoder_outputs":
                inputs[name] = type(value)(last_hidden_state=value.last_hidden_state[keep])
        return input_ids[keep], inputs


class Cancelled(StoppingCriteria):
    """Stops a beam search once all of its requests are cancelled."""

    def __init__(self, completions: Sequence[Completion]) -> None:
        self._completions = completions

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Return for each row whether it stops, `[rows]`."""
        cancelled = all(completion.request.cancel.is_set() for completion in self._completions)
        return torch.full((input_ids.shape[0],), cancelled, device=input_ids.device)

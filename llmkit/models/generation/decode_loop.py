"""The loop that chooses tokens: one forward pass a step, for all rows of a batch that are not done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import LogitsProcessorList, StoppingCriteria
from transformers.generation.logits_process import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from llmkit.models.generation.sampling import choose, lift_bans
from llmkit.models.generation.sequence import Answer
from llmkit.models.kv_cache.prefix_cache import layers_of

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from llmkit.models.weights.loading import LoadedModel

_HOLD_ROWS = (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)
"""Logits processors that remember something for each row: with one of them, rows that are done must stay."""

_CACHES = ("cache", "state")
"""The names of a cache in a model's output: attention and Mamba, RWKV."""


class Loop:
    """Decoding for a batch; `run` is what `transformers.generate(custom_generate=…)` calls."""

    def __init__(self, loaded: LoadedModel, answers: Sequence[Answer]) -> None:
        self.loaded = loaded
        self.rows = list(answers)
        self.cache: Any = None
        self.ends = loaded.ends

    def run(
        self,
        model: Any,
        input_ids: Any,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: GenerationConfig,
        **inputs: Any,
    ) -> Iterator[list[tuple[Answer, str]]]:
        """Yield, at each step, the answers that grew and their new text, until all are done.

        `stopping_criteria` is not needed: an answer knows when it is complete.
        """
        del stopping_criteria
        if any(row.matcher for row in self.rows):  # which end an answer themselves, in time
            kept = [one for one in logits_processor if not isinstance(one, ForcedEOSTokenLogitsProcessor)]
            logits_processor = LogitsProcessorList(kept)
        cache = inputs.get("cache")
        past = 0 if cache is None or self.loaded.is_encoder_decoder else cache.get_seq_length()
        width = input_ids.shape[1] - past if past else None  # how many of the tokens are new to the model
        first = True
        pad = generation_config.pad_token_id or model.generation_config.pad_token_id or 0
        while True:
            with self.loaded.lock, torch.inference_mode():
                step = model.prepare_inputs_for_generation(
                    input_ids, next_sequence_length=width, is_first_iteration=first, **inputs
                )
                out = self.loaded.forward(**step, return_dict=True)
                self.cache = next((out[name] for name in _CACHES if out.get(name) is not None), None)
                first = False
                logits = out.logits[:, -1].float()
                allowed = self._constrain(logits)
                scores = lift_bans(logits_processor(input_ids, allowed), allowed)
                draws = [row.draw if row.waits else None for row in self.rows]
                tokens = choose(scores, draws if generation_config.do_sample else None)
            yield [row.take(tokens[i], self.ends, logits[i]) for i, row in enumerate(self.rows) if row.waits]
            open_rows = [row for row in self.rows if not row.finish_reason]
            if not open_rows:
                return
            width = min(len(row.pending) for row in open_rows)
            new = [[pad] * width if row.finish_reason else row.feed(width) for row in self.rows]
            inputs = model._update_model_kwargs_for_generation(
                out, inputs, is_encoder_decoder=self.loaded.is_encoder_decoder, num_new_tokens=width
            )
            input_ids = torch.cat([input_ids, torch.tensor(new, device=input_ids.device)], 1)
            width = None if self.cache is None else width
            if 2 * len(open_rows) <= len(self.rows) and self._can_drop(logits_processor):
                input_ids, inputs = self._drop_done(input_ids, inputs)

    def _constrain(self, logits: torch.Tensor) -> torch.Tensor:
        """Give logits [rows, vocabulary] in which -inf is what a row's constraint forbids.

        It is a copy, unless nobody will ask what they were.
        """
        if not any(row.matcher or row.request.logprobs is not None for row in self.rows):
            return logits
        scores = logits.clone()
        for row, line in zip(self.rows, scores, strict=True):
            if row.matcher and row.waits:
                row.matcher.mask(line)
        return scores

    def _can_drop(self, processors: LogitsProcessorList) -> bool:
        plain = self.loaded.is_encoder_decoder or layers_of(self.cache) is not None
        return plain and not any(isinstance(processor, _HOLD_ROWS) for processor in processors)

    def _drop_done(self, input_ids: torch.Tensor, inputs: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Go on with the rows that are not done, so that a batch does not pay for its longest answer throughout."""
        size = len(self.rows)
        keep = torch.tensor([i for i, row in enumerate(self.rows) if not row.finish_reason], device=input_ids.device)
        self.rows = [row for row in self.rows if not row.finish_reason]
        self.cache.batch_select_indices(keep)
        for name, value in inputs.items():
            if isinstance(value, torch.Tensor) and value.shape[:1] == (size,):
                inputs[name] = value[keep]
            elif name == "encoder_outputs":
                inputs[name] = type(value)(last_hidden_state=value.last_hidden_state[keep])
        return input_ids[keep], inputs


class Cancelled(StoppingCriteria):
    """Ends a beam search whose request was cancelled."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = answers

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Say for each row whether it is to end."""
        over = all(answer.request.cancel.is_set() for answer in self.answers)
        return torch.full((input_ids.shape[0],), over, device=input_ids.device)

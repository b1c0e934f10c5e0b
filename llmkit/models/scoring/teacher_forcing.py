"""Continuations as rows behind one prompt, padded at their end: for models that take no token tree."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from llmkit.models.cancellation import check_caller
from llmkit.models.kv_cache.layers import logits_to_keep
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.scoring.token_tree import Tokens

ROWS_TOKENS = 8192  # the most tokens of a forward pass over padded rows, with the prompt before each row

Scores = npt.NDArray[np.float64]
"""Log-likelihoods in nats, one for each continuation."""


def score_rows(loaded: LoadedModel, prompt: Tokens, continuations: Sequence[Tokens]) -> Scores:
    """Score continuations of a decoder-only model behind a prompt that is computed once."""
    model, device = loaded.model, loaded.device

    def forward(rows: torch.Tensor, cache: Any) -> Any:
        if cache is None:
            width = rows.shape[1]
            before = torch.tensor([list(prompt[:-1])] * len(rows), device=device, dtype=torch.long)
            keep = logits_to_keep(model, width)
            return model(torch.cat([before, rows], 1), use_cache=False, **keep).logits[:, -width:]
        repeated = copy.deepcopy(cache)
        repeated.batch_repeat_interleave(len(rows))
        return model(rows, cache=repeated, use_cache=True).logits

    layers = DynamicCache(config=model.config).layers
    # The rows of recurrent states cannot be repeated.
    can_repeat = bool(layers) and all(isinstance(layer, DynamicLayer) for layer in layers)
    with loaded.forward_pass():
        cache = None
        if len(prompt) > 1 and can_repeat:
            cache = model(torch.tensor([list(prompt[:-1])], device=device), use_cache=True).cache
        return _teacher_forcing(forward, cache, [prompt[-1]], continuations, len(prompt), device)


def score_decoder(loaded: LoadedModel, prompt: Tokens, continuations: Sequence[Tokens], start: Sequence[int]) -> Scores:
    """Score what a decoder may write, behind an encoder that reads the prompt once."""
    model, device = loaded.model, loaded.device

    def forward(rows: torch.Tensor, states: Any) -> Any:
        repeated = type(states)(last_hidden_state=states.last_hidden_state.expand(len(rows), -1, -1))
        logits = model(encoder_outputs=repeated, decoder_input_ids=rows, use_cache=False).logits
        return logits[:, len(start) - 1 :]

    with loaded.forward_pass():
        states = model.get_encoder()(torch.tensor([list(prompt)], device=device), return_dict=True)
        return _teacher_forcing(forward, states, start, continuations, len(prompt), device)


def _teacher_forcing(
    forward: Any,
    state: Any,
    start: Sequence[int],
    continuations: Sequence[Tokens],
    prompt_length: int,
    device: torch.device,
) -> Scores:
    """Score continuations as rows that begin with `start`; `forward` repeats the prompt's state for each row."""
    order = sorted(range(len(continuations)), key=lambda index: len(continuations[index]))
    scores = np.zeros(len(continuations))
    while order:
        check_caller()
        width = len(continuations[order[-1]])
        batch = [order.pop() for _ in range(min(len(order), max(1, ROWS_TOKENS // (prompt_length + width))))]
        rows = [[*start, *continuations[i], *([0] * (width - len(continuations[i])))][:-1] for i in batch]
        logprobs = forward(torch.tensor(rows, device=device), state).float().log_softmax(-1)
        for row, index in enumerate(batch):
            tokens = torch.tensor(list(continuations[index]), device=device)
            scores[index] = float(logprobs[row, : len(tokens)].gather(1, tokens[:, None]).double().sum())
    return scores

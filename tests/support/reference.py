"""Reference results of transformers, one input at a time, to compare with the package's faster code."""

from collections.abc import Sequence
from typing import Any

import torch

from tests.support.tiny import Tiny


def teacher_forcing(model: Tiny, prompt: Sequence[int], continuation: Sequence[int]) -> float:
    """Return the log-likelihood of a continuation after a prompt, in nats, from one forward pass over both."""
    config = model.model.generation_config
    inputs: dict[str, Any]
    if model.model.config.is_encoder_decoder:
        forced = [] if config.forced_bos_token_id is None else [config.forced_bos_token_id]
        start = [config.decoder_start_token_id, *forced]
        inputs = {"input_ids": torch.tensor([list(prompt)])}
        inputs["decoder_input_ids"] = torch.tensor([[*start, *continuation]])
    else:
        start = list(prompt)
        inputs = {"input_ids": torch.tensor([[*start, *continuation]])}
    with torch.no_grad():
        log_probabilities = model.model(**inputs).logits[0].double().log_softmax(-1)
    return sum(float(log_probabilities[len(start) - 1 + index, token]) for index, token in enumerate(continuation))

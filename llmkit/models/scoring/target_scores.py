"""From the logits of a token tree's nodes to the log-likelihoods of its continuations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from llmkit.models.scoring.teacher_forcing import Scores


def target_scores(
    logits: torch.Tensor,
    rows: npt.NDArray[np.int64],
    tokens: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    rows_at_a_time: int,
) -> Scores:
    """Return the summed log-probability of each continuation, in nats.

    Args:
        logits: `[rows, vocabulary]`.
        rows: for each token of each continuation, the row before it.
        tokens: these tokens, of one continuation after the other.
        lengths: how many each continuation has.
        rows_at_a_time: so many rows of logits are float32 at a time.
    """
    totals = torch.cat([part.float().logsumexp(-1) for part in torch.split(logits, rows_at_a_time)])
    places, columns = (torch.from_numpy(index).to(logits.device) for index in (rows, tokens))
    values = (logits[places, columns].float() - totals[places]).double().cpu().numpy()
    return _sums(values, lengths)


def _sums(values: Scores, lengths: npt.NDArray[np.int64]) -> Scores:
    """Return the sum of each part of some values, of these lengths."""
    sums, starts = np.empty(len(lengths)), np.cumsum(lengths) - lengths
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        sums[places] = values[starts[places, None] + np.arange(length)].sum(axis=1)
    return sums

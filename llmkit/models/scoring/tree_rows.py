"""Token trees on a GPU: each row of a forward pass is a tree of its own, and passes are as large as memory allows.

A GPU is busy only with thousands of tokens at a time, and waits for the host before each pass. In one tree of so many
tokens, nearly all of the attention matrix would be masked; in rows, it grows with the length of a row alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from llmkit.errors import GenerationError
from llmkit.models.batch_sizes import BatchSizes, memory_of
from llmkit.models.cancellation import check_caller
from llmkit.models.kv_cache.layers import common_prefix_length, logits_to_keep
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.library_errors import is_out_of_memory
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.scoring.padded_trees import PaddedTrees
from llmkit.models.scoring.row_plan import join_rows, pack_rows
from llmkit.models.scoring.target_scores import target_scores
from llmkit.models.scoring.teacher_forcing import Scores
from llmkit.models.scoring.token_tree import Tokens

LEAST_PASS_TOKENS = 2048
PASS_TOKENS = 16384
"""The most tokens of a pass. The products of a model of 135 million weights then take a data-centre GPU as long as the
host takes to launch them; more tokens would only wait for longer rows."""

MIN_PREFIX_TOKENS = 512
"""A common prefix is computed apart if that saves so many tokens: fewer cost less than a pass of their own."""

MAX_ROW_PROMPT = 1024  # longer rests of prompts are scored alone, behind a prefix of whole blocks
_LOGITS_SHARE = 0.25  # of a pass's tokens: logits are much larger than all else that is kept of a token
_SOFTMAX_ROWS = 512


@dataclass(frozen=True)
class _Prefix:
    length: int
    cache: Any


class TreeRows:
    """Scores continuations in passes of many rows, each the tree of one prompt or of some that begin alike."""

    def __init__(self, loaded: LoadedModel, prefix_cache: PrefixCache) -> None:
        self._loaded = loaded
        self._prefix_cache = prefix_cache
        self._sizes = BatchSizes(loaded, memory_of(loaded.device), LEAST_PASS_TOKENS, PASS_TOKENS)

    def score(self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Scores]:
        """Compute the log-likelihoods of each prompt's continuations, with the common prefix computed once."""
        shared = common_prefix_length(prompts) if len(prompts) > 1 else 0
        if (len(prompts) - 1) * shared < MIN_PREFIX_TOKENS:
            shared = 0
        results: list[Scores] = [np.zeros(0)] * len(prompts)
        together = []
        for index, (prompt, options) in enumerate(zip(prompts, continuations, strict=True)):
            if len(prompts) == 1 or len(prompt) - shared > MAX_ROW_PROMPT:
                known, cache = self._prefix_cache.prefill_blocks(prompt)
                [results[index]] = self._score_all(_Prefix(known, cache), [prompt[known:]], [options])
            else:
                together.append(index)
        if together:
            prefix, rests = prompts[together[0]][:shared], [prompts[index][shared:] for index in together]
            rows = self.score_behind(prefix, rests, [continuations[index] for index in together])
            for index, row in zip(together, rows, strict=True):
                results[index] = row
        return results

    def score_behind(
        self, prefix: Tokens, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]
    ) -> list[Scores]:
        """Compute the log-likelihoods of continuations behind a prefix and the rest of prompts."""
        return self._score_all(_Prefix(len(prefix), self._prefix_cache.prefill(prefix)), prompts, continuations)

    def _score_all(
        self, prefix: _Prefix, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]
    ) -> list[Scores]:
        results = [np.zeros(len(options)) for options in continuations]
        rows, most = join_rows(prompts, continuations), self._sizes.max_tokens
        passes = list(pack_rows(rows, most, max(1, int(_LOGITS_SHARE * most))))
        while passes:
            check_caller()
            batch = passes.pop()
            members = [member for row in batch for member in row.members]
            trees = PaddedTrees.build(
                [[prompts[member.prompt] for member in row.members] for row in batch],
                [[continuations[member.prompt][at] for at in member.options] for member in members],
            )
            scores = self._try_pass(prefix, trees)
            if scores is None:
                if len(batch) == 1:
                    raise GenerationError(f"{trees.tokens.size} tokens, to be scored in one pass, need more memory")
                self._prefix_cache.clear()  # its memory may suffice
                passes += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                continue
            parts = np.split(scores, np.cumsum([len(member.options) for member in members])[:-1])
            for member, part in zip(members, parts, strict=True):
                results[member.prompt][member.options] = part
        return results

    def _try_pass(self, prefix: _Prefix, trees: PaddedTrees) -> Scores | None:
        """Compute one pass; return `None` if memory ran out."""
        try:
            with self._loaded.forward_pass(), self._sizes.measure(trees.tokens.size):
                compute = self._fast_logits if self._loaded.fast_forward else self._logits
                logits, rows = compute(prefix, trees)
                return target_scores(logits, rows, trees.target_tokens, trees.lengths, _SOFTMAX_ROWS)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _fast_logits(self, prefix: _Prefix, trees: PaddedTrees) -> tuple[torch.Tensor, Any]:
        selected, rows = np.unique(trees.target_places, return_inverse=True)
        device = self._loaded.device
        tokens, depths, places, last_places = torch.from_numpy(trees.stacked()).to(device)
        logits: torch.Tensor = self._loaded.fast_forward.row_logits(
            tokens,
            depths + prefix.length,
            self._mask(places, last_places, 0),
            prefix.cache,
            torch.from_numpy(selected).to(device),
        )
        return logits, rows

    def _logits(self, prefix: _Prefix, trees: PaddedTrees) -> tuple[torch.Tensor, Any]:
        model, device = self._loaded.model, self._loaded.device
        tokens, depths, places, last_places = torch.from_numpy(trees.stacked()).to(device)
        cache = copy.deepcopy(prefix.cache)
        if cache is not None:
            cache.batch_repeat_interleave(len(tokens))
        logits = model(
            tokens,
            attention_mask=self._mask(places, last_places, prefix.length),
            position_ids=depths + prefix.length,
            cache=cache,
            use_cache=cache is not None,
            **logits_to_keep(model, trees.kept),
        ).logits
        left_out = trees.tokens.shape[1] - logits.shape[1]  # of each row, from its beginning
        rows, columns = np.divmod(trees.target_places, trees.tokens.shape[1])
        return logits.flatten(0, 1), rows * logits.shape[1] + columns - left_out

    def _mask(self, places: torch.Tensor, last_places: torch.Tensor, known: int) -> torch.Tensor:
        """Return the additive mask `[rows, 1, tokens, known + tokens]`: a node sees what is known and its ancestors."""
        dtype = self._loaded.model.dtype
        hidden = (places[:, None] > places[:, :, None]) | (last_places[:, None] < places[:, :, None])
        mask = torch.zeros(*hidden.shape[:2], known + hidden.shape[2], dtype=dtype, device=places.device)
        mask[:, :, known:].masked_fill_(hidden, torch.finfo(dtype).min)
        return mask[:, None]

"""Token trees on a CPU: the prompts of a forward pass are one tree, which has no padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from llmkit.models.cancellation import check_caller
from llmkit.models.kv_cache.layers import common_prefix_length, logits_to_keep
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.scoring.target_scores import target_scores
from llmkit.models.scoring.teacher_forcing import Scores
from llmkit.models.scoring.token_tree import Bools, Tokens, TokenTree, shared_with_previous

GROUP_TOKENS = 96
"""About the most tokens of prompts that share a forward pass. The masked part of the attention matrix is computed too,
and grows with their square; a CPU's matrix products are at full speed with a hundred rows."""

FAST_GROUP_TOKENS = 1024  # with a fast forward pass, which computes no attention between trees
PASS_TOKENS = 2048  # for the continuations of one prompt
_SOFTMAX_ROWS = 8  # so many rows of logits are float32 at a time: they fit the processor's cache


class TreePasses:
    """Scores the continuations of prompts that begin alike as one token tree a pass."""

    def __init__(self, loaded: LoadedModel, prefix_cache: PrefixCache) -> None:
        self._loaded = loaded
        self._prefix_cache = prefix_cache

    def score(self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Scores]:
        """Group prompts in lexicographic order, so that those which begin alike share a forward pass."""
        results = [np.zeros(len(options)) for options in continuations]
        limit = FAST_GROUP_TOKENS if self._loaded.fast_forward else GROUP_TOKENS
        order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
        shared_lengths = dict(zip(order, _shared_with_neighbours([prompts[index] for index in order]), strict=True))
        shared_by_all = common_prefix_length(prompts)
        group: list[tuple[int, list[int]]] = []
        size = 0

        def compute() -> None:
            options = [[continuations[index][at] for at in selected] for index, selected in group]
            together = [prompts[index] for index, _ in group]
            shared = min(max(shared_lengths[index] for index, _ in group), common_prefix_length(together))
            rows = self.score_behind(together[0][:shared], [prompt[shared:] for prompt in together], options)
            for (index, selected), row in zip(group, rows, strict=True):
                results[index][selected] = row

        for index in order:
            for selected, nodes in split_continuations(continuations[index], PASS_TOKENS):
                added = len(prompts[index]) - shared_by_all + nodes
                if group and size + added > limit:
                    compute()
                    group, size = [], 0
                group.append((index, selected))
                size += added
        compute()
        return results

    def score_behind(
        self, prefix: Tokens, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]
    ) -> list[Scores]:
        """Compute the log-likelihoods of continuations behind a prefix and the rest of prompts, in one forward pass."""
        check_caller()
        tree = TokenTree.build(prompts, continuations)
        nodes, rows = np.unique(tree.target_nodes, return_inverse=True)
        cache = self._prefix_cache.prefill(prefix)
        with self._loaded.forward_pass():
            compute = self._fast_logits if self._loaded.fast_forward else self._logits
            logits = compute(len(prefix), cache, tree, torch.from_numpy(nodes))
            scores = target_scores(logits, rows, tree.target_tokens, tree.lengths, _SOFTMAX_ROWS)
        return np.split(scores, np.cumsum([len(options) for options in continuations])[:-1])

    def _fast_logits(self, known: int, cache: Any, tree: TokenTree, nodes: torch.Tensor) -> torch.Tensor:
        tokens, depths = torch.from_numpy(tree.tokens), torch.from_numpy(tree.depths)
        masks = [self._additive_mask(tree.ancestor_mask(*part)) for part in tree.parts()]
        compute: Any = self._loaded.fast_forward.tree_logits
        return compute(tokens, depths + known, masks, cache, nodes)  # type: ignore[no-any-return]

    def _logits(self, known: int, cache: Any, tree: TokenTree, nodes: torch.Tensor) -> torch.Tensor:
        model = self._loaded.model
        visible = np.pad(tree.ancestor_mask(), ((0, 0), (known, 0)), constant_values=True)
        logits: torch.Tensor = model(
            torch.from_numpy(tree.tokens)[None],
            attention_mask=self._additive_mask(visible)[None, None],
            position_ids=torch.from_numpy(tree.depths + known)[None],
            cache=cache,
            use_cache=True,
            **logits_to_keep(model, nodes),
        ).logits[0]
        return logits if logits.shape[0] == len(nodes) else logits[nodes]

    def _additive_mask(self, visible: Bools) -> torch.Tensor:
        dtype = self._loaded.model.dtype
        return torch.zeros(visible.shape, dtype=dtype).masked_fill_(torch.from_numpy(~visible), torch.finfo(dtype).min)


def _shared_with_neighbours(prompts: Sequence[Tokens]) -> list[int]:
    """Return how many tokens of each prompt, in lexicographic order, a neighbour shares: these are worth caching."""
    if len(prompts) == 1:
        return [len(prompts[0])]
    return [max(pair) for pair in pairwise([*shared_with_previous(prompts), 0])]


def split_continuations(options: Sequence[Tokens], max_tokens: int) -> Iterator[tuple[list[int], int]]:
    """Yield the indices of continuations whose tree has at most so many tokens, with the size of their tree."""
    selected: list[int] = []
    size = 0
    order = sorted(range(len(options)), key=lambda index: tuple(options[index]))
    for index, shared in zip(order, shared_with_previous([options[index] for index in order]), strict=True):
        new = len(options[index]) - shared
        if selected and size + new > max_tokens:
            yield selected, size
            selected, size, new = [], 0, len(options[index])
        selected.append(index)
        size += new
    yield selected, size

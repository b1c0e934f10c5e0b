"""Exact log-likelihoods of continuations, in as few forward passes as possible.

A decoder-only model takes all continuations of all prompts as one token tree: an attention mask of four dimensions lets
a token see only its ancestors, and its position is its depth ("tree attention" of SpecInfer, Miao et al. 2024). The
common prefix of all prompts is computed once and cached. Other models score padded rows behind each prompt.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models.kv_cache.layers import common_prefix_length, logits_to_keep
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.library_errors import computing_errors
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.scoring.token_tree import Tokens, TokenTree, shared_with_previous

GROUP_TOKENS = {"cpu": 96}
"""About the most tokens of prompts that share a forward pass, by device. The masked part of the attention matrix is
computed too, and grows with their square; a CPU's matrix products are at full speed with a hundred rows."""

FAST_GROUP_TOKENS = 1024  # with a fast forward pass, which computes no attention between trees
PASS_TOKENS = 2048  # on other devices, and for the continuations of one prompt
ROWS_TOKENS = 8192  # the most tokens of a forward pass over padded rows, with the prompt before each row
_SOFTMAX_ROWS = 8  # so many rows of logits are float32 at a time: they fit the processor's cache

Scores = npt.NDArray[np.float64]
"""Log-likelihoods in nats, one for each continuation."""


class Scorer:
    """Computes log-likelihoods with one loaded model."""

    def __init__(self, loaded: LoadedModel, prefix_cache: PrefixCache) -> None:
        self._loaded = loaded
        self._prefix_cache = prefix_cache
        self._takes_trees: tuple[int, bool] | None = None  # at a version of the weights

    @property
    def supports_token_trees(self) -> bool:
        """Whether the model takes a four-dimensional attention mask and explicit positions; tried once on a tree."""
        version = self._loaded.weights_version
        if self._takes_trees is None or self._takes_trees[0] != version:
            self._takes_trees = version, self._try_token_tree()
        return self._takes_trees[1]

    def _try_token_tree(self) -> bool:
        model = self._loaded.model
        if self._loaded.fast_forward:
            return True
        if not self._prefix_cache.usable or "position_ids" not in inspect.signature(model.forward).parameters:
            return False
        prompt, branches = [3, 5, 7, 4, 6], [[8, 9, 3], [8, 5, 4], [6, 3]]
        tree = TokenTree.build([prompt[2:]], [branches])
        try:
            scores = self._score_tree(prompt[:2], tree)
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return False
        exact = model.dtype == torch.float32 and not getattr(model, "is_quantized", False)
        return bool(np.allclose(scores, self._score_rows(prompt, branches), atol=1e-4 if exact else 0.5))

    def score(
        self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]], start: Tokens = ()
    ) -> list[Scores]:
        """Compute the log-likelihoods of each prompt's continuations after it, an array for each prompt.

        `start` are the tokens that a decoder with an encoder is given first; by default those of the model.

        Raises:
            InputError: a prompt or a continuation has no tokens.
            ContextWindowExceeded: a prompt and one of its continuations do not fit the context window together.
            ModelUnusable: the model is in training mode.
            GenerationError: the model cannot compute them.
        """
        self._loaded.check_weights()
        window, is_encoder_decoder = self._loaded.window, self._loaded.is_encoder_decoder
        for prompt, options in zip(prompts, continuations, strict=True):
            if not prompt:
                raise InputError(
                    "the prompt is empty, but needs at least one token: this model has none that begins a text"
                )
            if not all(options):
                raise InputError("cannot score an empty continuation: it needs at least one token")
            longest = max(map(len, options), default=0)
            if (needed := len(prompt) if is_encoder_decoder else len(prompt) + longest) > window:
                raise ContextWindowExceeded(needed, window, "a prompt and its longest continuation")
        with computing_errors(self._loaded):
            if not is_encoder_decoder and self.supports_token_trees:
                return self._score_trees(prompts, continuations)
            if is_encoder_decoder:
                score = partial(self._score_decoder, start=list(start or self._loaded.decoder_start_ids))
                return list(map(score, prompts, continuations))
            return list(map(self._score_rows, prompts, continuations))

    def _score_trees(self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Scores]:
        """Group prompts in lexicographic order, so that those which begin alike share a forward pass."""
        results = [np.zeros(len(options)) for options in continuations]
        by_device = GROUP_TOKENS.get(self._loaded.device.type, PASS_TOKENS)
        limit = FAST_GROUP_TOKENS if self._loaded.fast_forward else by_device
        order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
        shared_lengths = dict(zip(order, _shared_with_neighbours([prompts[index] for index in order]), strict=True))
        shared_by_all = common_prefix_length(prompts)
        group: list[tuple[int, list[int]]] = []
        size = 0

        def compute() -> None:
            pairs = [(prompts[index], [continuations[index][at] for at in selected]) for index, selected in group]
            scores = self._score_group(pairs, max(shared_lengths[index] for index, _ in group))
            ends = np.cumsum([len(selected) for _, selected in group])
            for (index, selected), part in zip(group, np.split(scores, ends[:-1]), strict=True):
                results[index][selected] = part

        for index in order:
            for selected, nodes in _split_continuations(continuations[index]):
                added = len(prompts[index]) - shared_by_all + nodes
                if group and size + added > limit:
                    compute()
                    group, size = [], 0
                group.append((index, selected))
                size += added
        compute()
        return results

    def _score_group(self, group: Sequence[tuple[Tokens, Sequence[Tokens]]], cacheable: int) -> Scores:
        prompts = [prompt for prompt, _ in group]
        shared = min(cacheable, common_prefix_length(prompts))
        tree = TokenTree.build([prompt[shared:] for prompt in prompts], [options for _, options in group])
        return self._score_tree(prompts[0][:shared], tree)

    def _score_tree(self, prefix: Tokens, tree: TokenTree) -> Scores:
        """Compute the log-likelihood of each continuation of a tree behind a prefix, in one forward pass."""
        nodes, rows = np.unique(tree.target_nodes, return_inverse=True)
        cache = self._prefix_cache.prefill(prefix)
        with self._loaded.forward_pass():
            compute = self._fast_tree_logits if self._loaded.fast_forward else self._tree_logits
            logits = compute(len(prefix), cache, tree, torch.from_numpy(nodes))
            totals = torch.cat([part.float().logsumexp(-1) for part in torch.split(logits, _SOFTMAX_ROWS)])
            values = (logits[rows, tree.target_tokens].float() - totals[rows]).double().cpu().numpy()
        return _sums(values, tree.lengths)

    def _fast_tree_logits(self, known: int, cache: Any, tree: TokenTree, nodes: torch.Tensor) -> torch.Tensor:
        tokens, depths = torch.from_numpy(tree.tokens), torch.from_numpy(tree.depths)
        masks = [self._additive_mask(tree.ancestor_mask(*part)) for part in tree.parts()]
        compute: Any = self._loaded.fast_forward.tree_logits
        return compute(tokens, depths + known, masks, cache, nodes)  # type: ignore[no-any-return]

    def _tree_logits(self, known: int, cache: Any, tree: TokenTree, nodes: torch.Tensor) -> torch.Tensor:
        model, device = self._loaded.model, self._loaded.device
        visible = np.pad(tree.ancestor_mask(), ((0, 0), (known, 0)), constant_values=True)
        logits: torch.Tensor = model(
            torch.from_numpy(tree.tokens)[None].to(device),
            attention_mask=self._additive_mask(visible)[None, None],
            position_ids=torch.from_numpy(tree.depths + known)[None].to(device),
            cache=cache,
            use_cache=True,
            **logits_to_keep(model, nodes.to(device)),
        ).logits[0]
        return logits if logits.shape[0] == len(nodes) else logits[nodes]

    def _additive_mask(self, visible: npt.NDArray[np.bool_]) -> torch.Tensor:
        dtype, device = self._loaded.model.dtype, self._loaded.device
        mask = torch.zeros(visible.shape, dtype=dtype, device=device)
        return mask.masked_fill_(torch.from_numpy(~visible).to(device), torch.finfo(dtype).min)

    def _score_rows(self, prompt: Tokens, continuations: Sequence[Tokens]) -> Scores:
        """Score continuations as rows, padded at their end, behind a prompt that is computed once."""
        model, device = self._loaded.model, self._loaded.device

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
        with self._loaded.forward_pass():
            cache = None
            if len(prompt) > 1 and can_repeat:
                cache = model(torch.tensor([list(prompt[:-1])], device=device), use_cache=True).cache
            return _teacher_forcing(forward, cache, [prompt[-1]], continuations, len(prompt), device)

    def _score_decoder(self, prompt: Tokens, continuations: Sequence[Tokens], *, start: Sequence[int]) -> Scores:
        """Score what a decoder may write, behind an encoder that reads the prompt once."""
        model, device = self._loaded.model, self._loaded.device

        def forward(rows: torch.Tensor, states: Any) -> Any:
            repeated = type(states)(last_hidden_state=states.last_hidden_state.expand(len(rows), -1, -1))
            logits = model(encoder_outputs=repeated, decoder_input_ids=rows, use_cache=False).logits
            return logits[:, len(start) - 1 :]

        with self._loaded.forward_pass():
            states = model.get_encoder()(torch.tensor([list(prompt)], device=device), return_dict=True)
            return _teacher_forcing(forward, states, start, continuations, len(prompt), device)


def _sums(values: Scores, lengths: npt.NDArray[np.int64]) -> Scores:
    """Return the sum of each part of some values, of these lengths."""
    sums, starts = np.empty(len(lengths)), np.cumsum(lengths) - lengths
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        sums[places] = values[starts[places, None] + np.arange(length)].sum(axis=1)
    return sums


def _shared_with_neighbours(prompts: Sequence[Tokens]) -> list[int]:
    """Return how many tokens of each prompt, in lexicographic order, a neighbour shares: these are worth caching."""
    if len(prompts) == 1:
        return [len(prompts[0])]
    return [max(pair) for pair in pairwise([*shared_with_previous(prompts), 0])]


def _split_continuations(options: Sequence[Tokens]) -> Iterator[tuple[list[int], int]]:
    """Yield the indices of continuations that fit one forward pass, with the size of their tree, in tokens."""
    selected: list[int] = []
    size = 0
    order = sorted(range(len(options)), key=lambda index: tuple(options[index]))
    for index, shared in zip(order, shared_with_previous([options[index] for index in order]), strict=True):
        new = len(options[index]) - shared
        if selected and size + new > PASS_TOKENS:
            yield selected, size
            selected, size, new = [], 0, len(options[index])
        selected.append(index)
        size += new
    yield selected, size


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
        width = len(continuations[order[-1]])
        batch = [order.pop() for _ in range(min(len(order), max(1, ROWS_TOKENS // (prompt_length + width))))]
        rows = [[*start, *continuations[i], *([0] * (width - len(continuations[i])))][:-1] for i in batch]
        logprobs = forward(torch.tensor(rows, device=device), state).float().log_softmax(-1)
        for row, index in enumerate(batch):
            tokens = torch.tensor(list(continuations[index]), device=device)
            scores[index] = float(logprobs[row, : len(tokens)].gather(1, tokens[:, None]).double().sum())
    return scores

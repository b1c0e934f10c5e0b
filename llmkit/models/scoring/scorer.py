"""How likely is each continuation after each prompt: exact log-likelihoods, in as few forward passes as can be.

Decoder-only models take all continuations of all prompts as one tree of tokens (see `forest`): an attention mask of
four dimensions lets each token see its own ancestors, and explicit positions say how deep it stands (the "tree
attention" of SpecInfer, Miao et al. 2024). What all prompts begin with is computed once and kept. Models that cannot
take such a mask, and encoder-decoder models, score in padded rows behind each prompt, which is computed once too.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from llmkit.errors import ContextWindowExceeded, InputError
from llmkit.models.kv_cache.prefix_cache import common_length
from llmkit.models.scoring.token_tree import Forest, Tokens

if TYPE_CHECKING:
    from llmkit.models.generation.engine import Engine
    from llmkit.models.weights.loading import LoadedModel

GROUP_TOKENS = {"cpu": 96}
"""Prompts share a pass up to about so many tokens, by device. All that the mask throws away is computed, and grows with
the square of their number; a CPU's matrix products are at their full speed with a hundred rows."""

LEAN_TOKENS = 1024
"""The same where no tree pays for the others (see `lean`)."""

PASS_TOKENS = 2048
"""Elsewhere, and for the continuations of one prompt."""

ROWS_TOKENS = 8192
"""A pass over padded rows holds at most so many tokens, the prompt before each row included."""

_ROWS = 8
"""Logits become float32 so many rows at a time: they stay in the processor's cache, and take no memory to speak of."""

Scores = npt.NDArray[np.float64]


def score(engine: Engine, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Scores]:
    """Give, for each prompt, the log-likelihood in nats of each of its continuations.

    Raises:
        InputError: a prompt or a continuation has no tokens.
        ContextWindowExceeded: a prompt and a continuation of it do not fit the window together.
    """
    for prompt, options in zip(prompts, continuations, strict=True):
        if not prompt or not all(options):
            raise InputError("cannot score an empty prompt or an empty continuation: both need at least one token")
        longest = max(map(len, options), default=0)
        needed = len(prompt) if engine.loaded.is_encoder_decoder else len(prompt) + longest
        if needed > engine.loaded.window:
            raise ContextWindowExceeded(needed, engine.loaded.window, "a prompt and its longest continuation")
    if engine.loaded.is_encoder_decoder:
        return [_score_decoder(engine, *pair) for pair in zip(prompts, continuations, strict=True)]
    if not engine.takes_trees:
        return [score_rows(engine, *pair) for pair in zip(prompts, continuations, strict=True)]
    return _score_trees(engine, prompts, continuations)


def _score_trees(engine: Engine, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Scores]:
    """Prompts in dictionary order, so that those which begin alike come into one pass."""
    results = [np.zeros(len(options)) for options in continuations]
    most = LEAN_TOKENS if engine.loaded.lean else GROUP_TOKENS.get(engine.loaded.device.type, PASS_TOKENS)
    order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
    reach = dict(zip(order, _reach([prompts[index] for index in order]), strict=True))
    shared = common_length(prompts)
    group: list[tuple[int, list[int]]] = []
    size = 0

    def compute() -> None:
        given = [(prompts[index], [continuations[index][at] for at in places]) for index, places in group]
        known = max(reach[index] for index, _ in group)
        scores = iter(_score_group(engine, given, known))
        for index, places in group:
            results[index][places] = [next(scores) for _ in places]

    for index in order:
        for places, nodes in _passes(continuations[index]):
            own = len(prompts[index]) - shared + nodes
            if group and size + own > most:
                compute()
                group, size = [], 0
            group.append((index, places))
            size += own
    compute()
    return results


def _reach(prompts: Sequence[Tokens]) -> list[int]:
    """Give how much of each prompt, in dictionary order, is worth keeping: what a neighbour begins with too."""
    if len(prompts) == 1:
        return [len(prompts[0])]
    common = [0, *(common_length(pair) for pair in pairwise(prompts)), 0]
    return [max(pair) for pair in pairwise(common)]


def _passes(options: Sequence[Tokens]) -> Iterator[tuple[list[int], int]]:
    """Yield the indices of continuations that one pass can take, with the size of their tree, in tokens."""
    places: list[int] = []
    size, before = 0, tuple[int, ...]()
    for place in sorted(range(len(options)), key=lambda place: tuple(options[place])):
        option = tuple(options[place])
        new = len(option) - common_length([before, option])
        if places and size + new > PASS_TOKENS:
            yield places, size
            places, size, new = [], 0, len(option)
        places.append(place)
        size, before = size + new, option
    yield places, size


def _score_group(engine: Engine, group: Sequence[tuple[Tokens, Sequence[Tokens]]], known: int) -> list[float]:
    shared = min(known, common_length([prompt for prompt, _ in group]))
    forest = Forest()
    for prompt, options in group:
        for option in options:
            forest.add(prompt[shared:], option)
    return tree_scores(engine, group[0][0][:shared], forest)


def tree_scores(engine: Engine, prefix: Tokens, forest: Forest) -> list[float]:
    """Give the log-likelihood of each sequence of a forest behind a prefix, in one forward pass."""
    nodes = sorted({node for pairs in forest.wanted for node, _ in pairs})
    cache = engine.prefill(prefix)
    with engine.loaded.lock, torch.inference_mode():
        logits = (_lean_logits if engine.loaded.lean else _logits)(engine.loaded, len(prefix), cache, forest, nodes)
        totals = torch.cat([part.float().logsumexp(-1) for part in torch.split(logits, _ROWS)])
        place = {node: row for row, node in enumerate(nodes)}
        rows = [place[node] for pairs in forest.wanted for node, _ in pairs]
        columns = [token for pairs in forest.wanted for _, token in pairs]
        values = (logits[rows, columns].float() - totals[rows]).double().cpu().numpy()
    ends = np.cumsum([len(pairs) for pairs in forest.wanted])
    return [float(part.sum()) for part in np.split(values, ends[:-1])]


def _lean_logits(loaded: LoadedModel, known: int, cache: Any, forest: Forest, nodes: list[int]) -> torch.Tensor:
    assert loaded.lean is not None
    tokens, depths = torch.tensor(forest.tokens), torch.tensor(forest.depths)
    masks = [_mask(forest.sees(*tree), loaded) for tree in forest.trees()]
    return loaded.lean.trees(tokens, depths + known, masks, cache, torch.tensor(nodes))


def _logits(loaded: LoadedModel, known: int, cache: Any, forest: Forest, nodes: list[int]) -> torch.Tensor:
    device = loaded.device
    seen = np.pad(forest.sees(), ((0, 0), (known, 0)), constant_values=True)
    logits: torch.Tensor = loaded.model(
        torch.tensor([forest.tokens], device=device),
        attention_mask=_mask(seen, loaded)[None, None],
        position_ids=torch.tensor([[known + depth for depth in forest.depths]], device=device),
        cache=cache,
        use_cache=True,
        **only_logits(loaded.model, torch.tensor(nodes, device=device)),
    ).logits[0]
    return logits if logits.shape[0] == len(nodes) else logits[nodes]


def _mask(seen: npt.NDArray[np.bool_], loaded: LoadedModel) -> torch.Tensor:
    """Give what is added to attention scores, [nodes, nodes]: nothing, or so much that a node is not seen."""
    dtype, device = loaded.model.dtype, loaded.device
    mask = torch.zeros(seen.shape, dtype=dtype, device=device)
    return mask.masked_fill_(torch.from_numpy(~seen).to(device), torch.finfo(dtype).min)


def only_logits(model: Any, places: torch.Tensor | int) -> dict[str, Any]:
    """Ask for the logits of these places, or the last so many, where a model can be asked: they are large."""
    accepts = "logits_to_keep" in inspect.signature(model.forward).parameters
    return {"logits_to_keep": places} if accepts else {}


def score_rows(engine: Engine, prompt: Tokens, continuations: Sequence[Tokens]) -> Scores:
    """Score continuations as rows, padded at their end, behind a prompt that is computed once."""
    model, device = engine.loaded.model, engine.loaded.device

    def forward(rows: torch.Tensor, cache: Any) -> Any:
        if cache is None:
            before = torch.tensor([list(prompt[:-1])] * len(rows), device=device, dtype=torch.long)
            width = rows.shape[1]
            whole = torch.cat([before, rows], 1)
            return model(whole, use_cache=False, **only_logits(model, width)).logits[:, -width:]
        ahead = copy.deepcopy(cache)
        ahead.batch_repeat_interleave(len(rows))
        return model(rows, cache=ahead, use_cache=True).logits

    with engine.loaded.lock, torch.inference_mode():
        cache = None
        if len(prompt) > 1 and _can_copy(engine):
            cache = model(torch.tensor([list(prompt[:-1])], device=device), use_cache=True).cache
        return _teacher_forced(forward, cache, [prompt[-1]], continuations, len(prompt), device)


def _can_copy(engine: Engine) -> bool:
    """Whether the model's cache can be multiplied; recurrent states, for one, cannot."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=engine.loaded.model.config).layers
    return bool(layers) and all(isinstance(layer, DynamicLayer) for layer in layers)


def _score_decoder(engine: Engine, prompt: Tokens, continuations: Sequence[Tokens]) -> Scores:
    """Score what a decoder may write, behind an encoder that reads the prompt once."""
    model, device = engine.loaded.model, engine.loaded.device
    start = engine.loaded.beginning

    def forward(rows: torch.Tensor, states: Any) -> Any:
        wide = type(states)(last_hidden_state=states.last_hidden_state.expand(len(rows), -1, -1))
        logits = model(encoder_outputs=wide, decoder_input_ids=rows, use_cache=False).logits
        return logits[:, len(start) - 1 :]

    with engine.loaded.lock, torch.inference_mode():
        states = model.get_encoder()(torch.tensor([list(prompt)], device=device), return_dict=True)
        return _teacher_forced(forward, states, start, continuations, len(prompt), device)


def _teacher_forced(
    forward: Any,
    state: Any,
    start: Sequence[int],
    continuations: Sequence[Tokens],
    ahead: int,
    device: torch.device,
) -> Scores:
    """Score continuations as rows behind a state of `ahead` tokens, which each row needs a copy of."""
    order = sorted(range(len(continuations)), key=lambda index: len(continuations[index]))
    totals = np.zeros(len(continuations))
    while order:
        width = len(continuations[order[-1]])
        batch = [order.pop() for _ in range(min(len(order), max(1, ROWS_TOKENS // (ahead + width))))]
        rows = [[*start, *continuations[i], *([0] * (width - len(continuations[i])))][:-1] for i in batch]
        chances = forward(torch.tensor(rows, device=device), state).float().log_softmax(-1)
        for row, index in enumerate(batch):
            tokens = torch.tensor(list(continuations[index]), device=device)
            totals[index] = float(chances[row, : len(tokens)].gather(1, tokens[:, None]).double().sum())
    return totals

"""A Llama's forward pass with few operations a layer, on the weights of a model of transformers.

Logits are those of the model itself, up to rounding (`build_fast_forward` checks this).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch.nn import functional as F
from transformers import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast

from llmkit.models.attention.shared_prefix import attend_rows
from llmkit.models.cpu.attention import attend_parts
from llmkit.models.fast.kernels import Kernels, Linear
from llmkit.models.kv_cache.layers import use_growing_layers

Attention = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From the layer's index, queries, keys and values `[tokens, heads, head size]` to the attention's output, alike."""

_ROTATION_POSITIONS = 512  # computed at a time


class FastLlama:
    """Computes what `LlamaForCausalLM` computes, for the inputs that the engine gives it."""

    def __init__(self, model: Any, kernels: Kernels) -> None:
        config = model.config
        self._kernels = kernels
        self._head_size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
        self._embedding = model.model.embed_tokens.weight
        layers = enumerate(model.model.layers)
        self._layers = [_Layer(layer, kernels, self._head_size, f"layers.{index}") for index, layer in layers]
        self._norm = kernels.norm(model.model.norm)
        self._head = kernels.linear("head", [model.lm_head])
        self._config, self._rotary = config, model.model.rotary_emb
        # Cosine and signed sine of each position.
        self._rotations = self._embedding.new_empty(0, 2, self._head_size)
        self._earlier_rotations: list[torch.Tensor] = []  # a recorded graph may read them

    @property
    def nbytes(self) -> int:
        """The memory that it takes besides the model's own weights, in bytes."""
        return sum(part.nbytes for part in self.parts.values())

    @property
    def parts(self) -> dict[str, Linear]:
        """All linear layers, by name."""
        return {"head": self._head} | {name: part for layer in self._layers for name, part in layer.parts.items()}

    def __call__(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Any = None,
        logits_to_keep: int | torch.Tensor = 0,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Compute logits of tokens `[rows, tokens]` behind those in the cache, which is extended.

        The attention mask is `[rows, all tokens]`, or `[rows, 1, tokens, all tokens]` to add to the scores.
        """
        cache = use_growing_layers(DynamicCache(config=self._config) if cache is None else cache)
        rows, tokens = input_ids.shape
        known = cache.get_seq_length()
        mask = _additive_mask(attention_mask, known, tokens, self._embedding.dtype)
        if position_ids is None:
            position_ids = torch.arange(known, known + tokens, device=input_ids.device)[None].expand(rows, -1)

        def attention(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (heads.view(rows, tokens, -1, self._head_size).transpose(1, 2) for heads in (q, k, v))
            k, v = cache.layers[layer].update(k, v)
            return self._kernels.attend(q, k, v, mask).transpose(1, 2)

        bound = known + tokens if attention_mask is None else attention_mask.shape[-1]
        states = self._states(input_ids.reshape(-1), position_ids.reshape(-1), attention, bound).view(rows, tokens, -1)
        states = states[:, slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep]
        logits = self._logits(states.reshape(-1, states.shape[-1])).view(*states.shape[:-1], -1)
        return CausalLMOutputWithPast(logits=logits, cache=cache)

    def step_logits(self, tokens: Sequence[Sequence[int]], caches: Sequence[Any]) -> torch.Tensor:
        """Compute logits behind each of the next tokens of several sequences, `[all tokens, vocabulary]`.

        Their caches are extended. Up to `shared_rows` tokens, results are the same bits as for one after the other.
        """
        caches = [use_growing_layers(cache) for cache in caches]
        lengths = [cache.get_seq_length() for cache in caches]
        positions = [range(length, length + len(part)) for length, part in zip(lengths, tokens, strict=True)]
        owners = [cache for cache, part in zip(caches, tokens, strict=True) for _ in part]

        def attention(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            rows = []
            for index, cache in enumerate(owners):
                query, key, value = (heads[index][None, :, None] for heads in (q, k, v))
                rows.append(self._kernels.attend(query, *cache.layers[layer].update(key, value))[:, :, 0])
            return torch.cat(rows)

        all_tokens, all_positions = (torch.tensor([*chain.from_iterable(parts)]) for parts in (tokens, positions))
        return self._logits(self._states(all_tokens, all_positions, attention))

    @cached_property
    def shared_rows(self) -> int:
        """How many tokens `step_logits` computes with the bits of each alone: int4 products do, bfloat16's do not.

        It is tried once, as PyTorch does not promise it.
        """
        if not all(part.packed for part in self.parts.values()):
            return 1
        most = self._kernels.same_bits_rows
        tokens = torch.linspace(0, len(self._embedding) - 1, most).long()
        with torch.inference_mode():
            together = self.step_logits(tokens[:, None].tolist(), [DynamicCache(config=self._config) for _ in tokens])
            alone: list[Any] = [self(token[None, None]).logits for token in tokens[:: most - 1]]
        return most if torch.equal(together[:: most - 1], torch.cat(alone)[:, 0]) else 1

    def tree_logits(
        self, tokens: torch.Tensor, positions: torch.Tensor, masks: Sequence[torch.Tensor], cache: Any, selected: Any
    ) -> torch.Tensor:
        """Compute logits of nodes of token trees behind one prefix, `[selected, vocabulary]`, without padding.

        Args:
            tokens: of the nodes of all trees, one tree after the other.
            positions: of the same nodes.
            masks: for each tree `[nodes, nodes]`, added to the scores.
            cache: keys and values of the prefix; it is not changed.
            selected: indices of the nodes whose logits are wanted.
        """
        prefix = [(layer.keys, layer.values) for layer in cache.layers] if cache is not None else None

        def attention(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return attend_parts(q, k, v, masks, prefix[layer] if prefix else None)

        return self._logits(self._states(tokens, positions, attention)[selected])

    def row_logits(
        self, tokens: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, cache: Any, selected: Any
    ) -> torch.Tensor:
        """Compute logits of tokens in rows behind one prefix, `[selected, vocabulary]`.

        Args:
            tokens: `[rows, tokens]`.
            positions: of the same tokens.
            mask: `[rows, 1, tokens, tokens]`, added to the scores.
            cache: keys and values of the prefix; it is not changed.
            selected: indices of the tokens whose logits are wanted, counted over all rows.
        """
        prefix = [(layer.keys, layer.values) for layer in cache.layers] if cache is not None else None

        def attention(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (heads.view(*tokens.shape, -1, self._head_size).transpose(1, 2) for heads in (q, k, v))
            return attend_rows(q, k, v, mask, prefix[layer] if prefix else None).transpose(1, 2)

        return self._logits(self._states(tokens.reshape(-1), positions.reshape(-1), attention)[selected])

    def _states(
        self, tokens: torch.Tensor, positions: torch.Tensor, attention: Attention, bound: int | None = None
    ) -> torch.Tensor:
        cos, sin = self._rotations_at(positions, int(positions.max()) + 1 if bound is None else bound)
        states = F.embedding(tokens, self._embedding)
        for index, layer in enumerate(self._layers):
            states = layer(states, cos, sin, index, attention)
        return states

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        return self._head(self._norm(states))[0]

    def _rotations_at(self, positions: torch.Tensor, bound: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosine and signed sine of each token's rotation, `[tokens, 1, head size]`.

        Positions are below `bound`: reading them would wait for a GPU.
        """
        if bound > len(self._rotations):
            self._extend_rotations(max(bound, 2 * len(self._rotations)))
        cos, sin = self._rotations[positions].unbind(1)
        return cos[:, None], sin[:, None]

    def _extend_rotations(self, needed: int) -> None:
        known, half = len(self._rotations), self._head_size // 2
        new = [self._rotations]
        # In blocks of one size, so that a position's last bits do not depend on the positions before it.
        for start in range(known, needed, _ROTATION_POSITIONS):
            block = torch.arange(start, start + _ROTATION_POSITIONS, device=self._embedding.device)[None]
            cos, sin = (values[0] for values in self._rotary(self._embedding, block))
            new.append(torch.stack([cos, torch.cat([-sin[:, :half], sin[:, half:]], -1)], 1))
        self._earlier_rotations.append(self._rotations)
        self._rotations = torch.cat(new)


class _Layer:
    def __init__(self, layer: Any, kernels: Kernels, head_size: int, name: str) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._head_size = head_size
        self._key_heads = attention.k_proj.out_features // head_size
        self._attention_norm = kernels.norm(layer.input_layernorm)
        self._mlp_norm = kernels.norm(layer.post_attention_layernorm)
        parts = {
            "qkv": [attention.q_proj, attention.k_proj, attention.v_proj],
            "out": [attention.o_proj],
            "gate_up": [mlp.gate_proj, mlp.up_proj],
            "down": [mlp.down_proj],
        }
        self.parts = {f"{name}.{part}": kernels.linear(f"{name}.{part}", linears) for part, linears in parts.items()}
        self._qkv, self._out, self._gate_up, self._down = self.parts.values()

    def __call__(
        self, states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, index: int, attention: Attention
    ) -> torch.Tensor:
        count = states.shape[0]
        *qk, v = (heads.view(count, -1, self._head_size) for heads in self._qkv(self._attention_norm(states)))
        rotated = [_rotate(heads, cos, sin) for heads in qk]
        q, k = rotated if len(rotated) == 2 else rotated[0].tensor_split([-self._key_heads], 1)
        attended = attention(index, q, k, v)
        states = states + self._out(attended.reshape(count, -1))[0]
        gate, up = self._gate_up(self._mlp_norm(states))
        return states.add_(self._down(F.silu(gate).mul_(up))[0])


def _rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate heads `[tokens, heads, head size]` by their tokens' positions (RoPE, Su et al. 2021)."""
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin)


def _additive_mask(mask: torch.Tensor | None, known: int, tokens: int, dtype: torch.dtype) -> torch.Tensor | None:
    """Return the additive mask, `[rows, 1, tokens, all tokens]`; `None` if attention is plainly causal."""
    if mask is None or mask.dim() == 4:
        return mask
    if bool(mask.all()):
        return None
    causal = torch.ones(tokens, known + tokens, dtype=torch.bool, device=mask.device).tril(known)
    zero = torch.zeros((), dtype=dtype, device=mask.device)
    return zero.where(mask[:, None, None, :].bool() & causal, torch.finfo(dtype).min)

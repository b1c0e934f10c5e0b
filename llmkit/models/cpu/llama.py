"""A Llama's forward pass with few operations a layer, on the weights of a model of `transformers`.

Norms are one operation, rotary positions three, keys and values grow in place, and grouped heads are not copied. The
numbers are those of the model itself, up to rounding (`lean.of` makes sure).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F
from transformers import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast

from llmkit.models.cpu.attention import attend, attend_parts
from llmkit.models.cpu.int4_linear import Layers, Pack
from llmkit.models.kv_cache.layers import growing

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Layer, queries, keys and values [tokens, heads, size] to the mix of values [tokens, heads, size]."""


class LeanLlama:
    """Takes what `LlamaForCausalLM` takes, as far as the engine gives it, and gives what it gives."""

    def __init__(self, model: Any, pack: Pack) -> None:
        config = model.config
        self.size = head_size(config)
        self.embedding = model.model.embed_tokens.weight
        self.layers = [_Layer(layer, pack, self.size, f"layers.{i}") for i, layer in enumerate(model.model.layers)]
        self.norm = Norm(model.model.norm)
        self.head = Layers([model.lm_head], pack("head", [model.lm_head]))
        self._config, self._rotary = config, model.model.rotary_emb
        self._turns = torch.empty(0, 2, self.size)

    @property
    def nbytes(self) -> int:
        """The memory that it takes beside the model's own weights, in bytes."""
        return sum(part.nbytes for part in self.parts.values())

    @property
    def parts(self) -> dict[str, Layers]:
        """All linear layers, by name."""
        return {"head": self.head} | {name: part for layer in self.layers for name, part in layer.parts.items()}

    def __call__(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Any = None,
        logits_to_keep: int | torch.Tensor = 0,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Give logits for the tokens [rows, tokens] behind those whose keys and values the cache holds."""
        cache = growing(DynamicCache(config=self._config) if cache is None else cache)
        rows, tokens = input_ids.shape
        known = cache.get_seq_length()
        mask = _mask(attention_mask, known, tokens, self.embedding.dtype)
        if position_ids is None:
            position_ids = torch.arange(known, known + tokens)[None].expand(rows, -1)

        def attention(place: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (each.view(rows, tokens, -1, self.size).transpose(1, 2) for each in (q, k, v))
            k, v = cache.layers[place].update(k, v)
            return attend(q, k, v, mask).transpose(1, 2)

        states = self._states(input_ids.reshape(-1), position_ids.reshape(-1), attention).view(rows, tokens, -1)
        if isinstance(logits_to_keep, int):
            states = states[:, -logits_to_keep:] if logits_to_keep else states
        else:
            states = states[:, logits_to_keep]
        logits = self._logits(states.reshape(-1, states.shape[-1])).view(*states.shape[:-1], -1)
        return CausalLMOutputWithPast(logits=logits, cache=cache)

    def trees(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        masks: Sequence[torch.Tensor],
        cache: Any,
        wanted: torch.Tensor,
    ) -> torch.Tensor:
        """Give logits [wanted, vocabulary] of nodes of several trees that stand behind one beginning.

        The trees' tokens follow one another; each tree is `masks[i]`, [nodes, nodes], to be added to the scores. What
        is not attention is computed for all of them at once, and no tree is padded.
        """
        known = [(layer.keys, layer.values) for layer in cache.layers] if cache is not None else None
        sizes = [len(mask) for mask in masks]

        def attention(place: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return attend_parts(q, k, v, sizes, masks, known[place] if known else None)

        return self._logits(self._states(tokens, positions, attention)[wanted])

    def _states(self, tokens: torch.Tensor, positions: torch.Tensor, attention: Attend) -> torch.Tensor:
        cos, sin = self._positions(positions)
        states = F.embedding(tokens, self.embedding)
        for place, layer in enumerate(self.layers):
            states = layer(states, cos, sin, place, attention)
        return states

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(states))[0]

    def _positions(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give cosine and signed sine of each token's turns, [tokens, 1, size]."""
        most = int(places.max()) + 1
        if most > len(self._turns):
            room = torch.arange(max(most, 2 * len(self._turns), 512))[None]
            cos, sin = (each[0] for each in self._rotary(self.embedding, room))
            half = self.size // 2
            self._turns = torch.stack([cos, torch.cat([-sin[:, :half], sin[:, half:]], -1)], 1)
        cos, sin = self._turns[places].unbind(1)
        return cos[:, None], sin[:, None]


def head_size(config: Any) -> int:
    """Give the width of an attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


class _Layer:
    def __init__(self, layer: Any, pack: Pack, size: int, name: str) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.size = size
        self.before, self.between = Norm(layer.input_layernorm), Norm(layer.post_attention_layernorm)
        parts = {
            "qkv": [attention.q_proj, attention.k_proj, attention.v_proj],
            "out": [attention.o_proj],
            "gate_up": [mlp.gate_proj, mlp.up_proj],
            "down": [mlp.down_proj],
        }
        self.parts = {f"{name}.{part}": Layers(own, pack(f"{name}.{part}", own)) for part, own in parts.items()}
        self.qkv, self.out, self.gate_up, self.down = self.parts.values()

    def __call__(
        self, states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, place: int, attention: Attend
    ) -> torch.Tensor:
        count = states.shape[0]
        q, k, v = (each.view(count, -1, self.size) for each in self.qkv(self.before(states)))
        seen = attention(place, _turned(q, cos, sin), _turned(k, cos, sin), v)
        states = states + self.out(seen.reshape(count, -1))[0]
        gate, up = self.gate_up(self.between(states))
        return states.add_(self.down(F.silu(gate).mul_(up))[0])


def _turned(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Give heads [tokens, heads, size] turned by their tokens' positions (RoPE, Su et al. 2021)."""
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin)


class Norm:
    """A root mean square norm (Zhang and Sennrich 2019).

    PyTorch has one kernel for a layer norm on a CPU, but several for this one, which takes five times as long for one
    token. A vector beside its negative has a mean of zero, and so a layer norm that is its root mean square norm.
    """

    def __init__(self, norm: Any) -> None:
        self.weight, self.epsilon = norm.weight.detach(), norm.variance_epsilon
        self.twice = torch.cat([self.weight, self.weight])

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Give states [tokens, width] normed."""
        width = states.shape[-1]
        if states.shape[0] > 1:
            return F.rms_norm(states, (width,), self.weight, self.epsilon)
        both = torch.cat([states, states.neg()], -1)
        return torch.layer_norm(both, (2 * width,), self.twice, None, self.epsilon).narrow(-1, 0, width)


def _mask(given: torch.Tensor | None, known: int, tokens: int, dtype: torch.dtype) -> torch.Tensor | None:
    """Give the mask to add, [rows, 1, tokens, all tokens]; `None` where each sees all up to itself."""
    if given is None or given.dim() == 4:
        return given
    if bool(given.all()):
        return None
    causal = torch.ones(tokens, known + tokens, dtype=torch.bool).tril(known)
    return torch.zeros((), dtype=dtype).where(given[:, None, None, :].bool() & causal, torch.finfo(dtype).min)

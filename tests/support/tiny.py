"""Tiny models with reproducible random weights.

The weights have a larger spread than usual initial weights, so that one token is clearly the likeliest.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from transformers import PreTrainedTokenizerBase

from llmkit.models.generation.engine import Engine
from llmkit.models.weights.loading import from_objects
from tests.support.tokenizers import (
    bart_tokenizer,
    chatml_tokenizer,
    gpt2_tokenizer,
    inst_tokenizer,
    neox_tokenizer,
    qwen_tokenizer,
    t5_tokenizer,
    turns_tokenizer,
)

WINDOW = 512
SLIDING = 8
"""The tokens of a sliding window: fewer than the prompts of the tests have."""


class Tiny(NamedTuple):
    """A model with its tokenizer."""

    model: Any
    tokenizer: PreTrainedTokenizerBase

    def engine(self) -> Engine:
        """Return a new engine, whose caches are empty."""
        return Engine(from_objects(self.model, self.tokenizer, context_window=WINDOW))

    @property
    def ends(self) -> list[int]:
        """The tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return ends if isinstance(ends, list) else [ends]

    def reference(self, prompt: Sequence[int], **options: Any) -> list[list[int]]:
        """Return the completions of transformers' `generate` for one prompt, without padding."""
        input_ids = torch.tensor([list(prompt)])
        rows = self.model.generate(
            input_ids, attention_mask=torch.ones_like(input_ids), **{"do_sample": False, **options}
        )
        start = 1 if self.model.config.is_encoder_decoder else len(prompt)
        return [self._to_end(row[start:].tolist()) for row in rows]

    def _to_end(self, row: list[int]) -> list[int]:
        return row[: next((end for end, token in enumerate(row, 1) if token in self.ends), len(row))]

    def ending_at(self, *tokens: int) -> Tiny:
        """Return a copy that ends its answers at these tokens too; the weights are shared."""
        return self.configured(eos_token_id=[*self.ends, *tokens])

    def configured(self, **settings: Any) -> Tiny:
        """Return a copy with other generation settings; the weights are shared."""
        model = copy.copy(self.model)
        model.generation_config = copy.deepcopy(model.generation_config)
        model.generation_config.update(**settings)
        return Tiny(model, self.tokenizer)


BODY: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": WINDOW,
}
_FEW: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2}
_GPT2: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": WINDOW}
_T5: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "tie_word_embeddings": False,
    "initializer_factor": 1.5,
    "decoder_start_token_id": 0,
}
_BART: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": WINDOW,
    "decoder_start_token_id": 2,
    "init_std": 0.3,
}

DECODERS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "llama": ("Llama", chatml_tokenizer, BODY),
    "qwen3": ("Qwen3", qwen_tokenizer, BODY),
    "gpt2": ("GPT2", gpt2_tokenizer, _GPT2),
    "opt": ("OPT", gpt2_tokenizer, {**BODY, "ffn_dim": 64, "word_embed_proj_dim": 32, "init_std": 0.2}),
    "gpt_neox": ("GPTNeoX", neox_tokenizer, BODY),
    "falcon": ("Falcon", gpt2_tokenizer, {**_FEW, "num_attention_heads": 4, "alibi": True}),
    "bloom": ("Bloom", gpt2_tokenizer, {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "mistral": ("Mistral", inst_tokenizer, {**BODY, "sliding_window": SLIDING}),
    "gemma2": ("Gemma2", turns_tokenizer, {**BODY, "sliding_window": SLIDING, "query_pre_attn_scalar": 8}),
    "gpt_oss": (
        "GptOss",
        chatml_tokenizer,
        {
            **BODY,
            "sliding_window": SLIDING,
            "num_local_experts": 2,
            "num_experts_per_tok": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        },
    ),
    "mamba": ("Mamba", gpt2_tokenizer, {**_FEW, "state_size": 8}),
    "lfm2": ("Lfm2", chatml_tokenizer, {**BODY, "layer_types": ["conv", "full_attention"]}),
}
"""Each decoder-only architecture: transformers' name, its tokenizer, its configuration."""

ENCODER_DECODERS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "t5": ("T5", t5_tokenizer, _T5),
    "bart": ("Bart", bart_tokenizer, _BART),
}
"""The same for models with an encoder."""

ARCHITECTURES = DECODERS | ENCODER_DECODERS
_FLOAT32_ONLY = {"bloom", "gemma2", "gpt_oss"}
_ONE_OF_EACH = {"llama", "mistral", "mamba", "bart"}  # full attention, sliding window, recurrent, encoder-decoder


def fast_and_slow(names: Iterable[str], fast: Collection[str]) -> list[Any]:
    """Return parameters of a test, of which only some are run by `scripts/check --fast`."""
    return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in names]


every_architecture = pytest.mark.parametrize("name", fast_and_slow(ARCHITECTURES, _ONE_OF_EACH))
every_decoder = pytest.mark.parametrize("name", fast_and_slow(DECODERS, _ONE_OF_EACH))


@cache
def make(name: str) -> Tiny:
    """Return the model of this name, always the same one.

    It computes in float64, where no two tokens are equally likely up to rounding: its answers do not depend on the
    processor, on padding or on the order of additions. transformers computes some architectures in float32 only.
    """
    class_name, make_tokenizer, values = ARCHITECTURES[name]
    tokenizer = make_tokenizer()
    model = build(
        class_name, tokenizer, values, "ForConditionalGeneration" if name in ENCODER_DECODERS else "ForCausalLM"
    )
    if name not in _FLOAT32_ONLY:
        model = model.double()
    if name == "bart":
        model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    return Tiny(model, tokenizer)


def build(
    class_name: str, tokenizer: PreTrainedTokenizerBase, values: dict[str, Any], head: str = "ForCausalLM"
) -> Any:
    """Return a model of transformers' class of this architecture, with this configuration, for this tokenizer."""
    config = getattr(transformers, f"{class_name}Config")(
        vocab_size=len(tokenizer),
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **values,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return getattr(transformers, "GPT2LMHeadModel" if class_name == "GPT2" else class_name + head)(config).eval()

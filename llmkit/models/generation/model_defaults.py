"""What a model's own `generation_config.json` says, and how far it holds.

Entries about which token comes next hold, as in transformers. Entries about how transformers computes, or about what
its `generate` returns, are passed over: llmkit computes in its own way, with the same tokens. Entries that would change
the tokens, and that llmkit does not have, are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.logits_process import UnbatchedClassifierFreeGuidanceLogitsProcessor

from llmkit.errors import SettingsError
from llmkit.models.generation.logits_processors import logits_processors, merge_entries
from llmkit.models.generation.settings import DEFAULT_MAX_NEW_TOKENS
from llmkit.models.library_errors import reason_of

PASSED_OVER = frozenset(
    {
        # how keys and values are kept, and passes are computed
        *("use_cache", "cache_implementation", "cache_config", "max_cache_len", "prefill_chunk_size", "low_memory"),
        *("compile_config", "disable_compile", "continuous_batching_config"),
        # guessing the next tokens, which changes only how fast they are computed
        *("use_mtp", "is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule", "speculation_type"),
        *("assistant_confidence_threshold", "assistant_early_exit", "assistant_lookbehind", "target_lookbehind"),
        *("assistant_ensemble_weight", "prompt_lookup_num_tokens", "max_matching_ngram_size"),
        # what generate returns
        *("return_dict_in_generate", "output_scores", "output_logits", "output_attentions", "output_hidden_states"),
        "num_return_sequences",
        # what llmkit applies itself
        *("stop_strings", "max_length", "eos_token_id", "pad_token_id"),
    }
)
"""Entries of a model's own generation config that transformers' `generate` does not get to see."""

_REFUSED = ("token_healing", "custom_generate", "constraints", "force_words_ids")
_NUMBER = int | float
_TYPES: dict[str, Any] = {
    "stop_strings": str | list | tuple | set,
    **dict.fromkeys(
        ("max_new_tokens", "max_length", "num_beams", "decoder_start_token_id", "forced_bos_token_id"), int
    ),
    "top_k": int,
    **dict.fromkeys(("max_time", "length_penalty", "guidance_scale", "penalty_alpha"), _NUMBER),
    **dict.fromkeys(("temperature", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"), _NUMBER),
    **dict.fromkeys(("repetition_penalty", "encoder_repetition_penalty", "top_h"), _NUMBER),
    **dict.fromkeys(("do_sample", "renormalize_logits", "remove_invalid_values"), bool),
    **dict.fromkeys(("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "min_length", "min_new_tokens"), int),
}
_LEAST = {"max_new_tokens": 0, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0, "min_length": 0}
_LEAST |= {"min_new_tokens": 0, "num_beams": 1}
_ADVICE = "remove it from generation_config.json, or from the loaded model's generation_config"


class CallConfig(GenerationConfig):
    """The configuration of one call, into which transformers merges the model's own, without `PASSED_OVER`."""

    def update(self, defaults_only: bool = False, allow_custom_entries: bool = False, **kwargs: Any) -> dict[str, Any]:
        """Set entries; as defaults, only those that are not set and not passed over."""
        if defaults_only:
            kwargs = {name: value for name, value in kwargs.items() if name not in PASSED_OVER}
        base: Any = super()
        unused: dict[str, Any] = base.update(
            defaults_only=defaults_only, allow_custom_entries=allow_custom_entries, **kwargs
        )
        return unused


def default_max_new_tokens(model: Any, given: int) -> int:
    """Return the most tokens of a completion by the model's own entries, or the default of llmkit.

    Its `max_length` counts the `given` tokens too: the prompt, or the token that a decoder starts with. It is passed
    over if these alone are as many.
    """
    defaults = model.generation_config
    by_length = (defaults.max_length or 0) - given
    return defaults.max_new_tokens or (by_length if by_length > 0 else DEFAULT_MAX_NEW_TOKENS)


def refuse_unsupported(model: Any) -> None:
    """Raise `SettingsError` for an entry that changes the tokens, and that llmkit does not have."""
    defaults = model.generation_config
    for name in _REFUSED:
        if value := getattr(defaults, name, None):
            raise SettingsError(
                f"the model's generation_config has {name}={value!r:.100}, which llmkit does not support: {_ADVICE}"
            )


def validate_values(model: Any) -> None:
    """Raise `SettingsError` for an entry whose value is of another type than transformers expects, or no token."""
    defaults, size = model.generation_config, model.config.get_text_config().vocab_size
    for name, wanted in _TYPES.items():
        value = getattr(defaults, name, None)
        if value is not None and (not isinstance(value, wanted) or value < _LEAST.get(name, value)):
            raise _unusable(name, value)
    if (seconds := defaults.max_time) is not None and not seconds > 0:
        raise _unusable("max_time", seconds, "it must be above 0")
    ends = defaults.eos_token_id
    if any(type(token) is not int for token in (ends if isinstance(ends, list | tuple) else [ends or 0])):
        raise _unusable("eos_token_id", ends, "it must be the number of a token, or a list of such numbers")
    if any(sequence == [] for sequence in _listed(defaults.bad_words_ids)):
        raise _unusable("bad_words_ids", defaults.bad_words_ids, "a list of tokens in it is empty")
    for name in ("decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id"):
        value = getattr(defaults, name, None)
        tokens = value if isinstance(value, list | tuple) else [] if value is None else [value]
        if any(not isinstance(token, int) or not 0 <= token < size for token in tokens):
            raise SettingsError(
                f"the model's generation_config has {name}={value!r:.100}, but the model has {size} tokens: {_ADVICE}"
            )


def _unusable(name: str, value: Any, reason: str = "") -> SettingsError:
    why = f" ({reason})" if reason else ""
    return SettingsError(
        f"the model's generation_config has {name}={value!r:.100}, which cannot be used{why}: {_ADVICE}"
    )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


def check_entries(model: Any, config: GenerationConfig) -> None:
    """Try a model's own entries together with a call's configuration, on one token.

    Raises:
        SettingsError: transformers cannot use an entry; names it.
    """
    entries = {name: value for name, value in model.generation_config.to_dict().items() if value is not None}
    own = dict(sorted(entries.items(), key=lambda entry: entry[0] == "do_sample"))  # the last to be named
    error = _try(model, config, own)
    if error is None:
        return
    reason = reason_of(error).rstrip(".")
    for name in own:
        if _try(model, config, {other: value for other, value in own.items() if other != name}) is None:
            raise _unusable(name, own[name], reason) from error
    raise SettingsError(f"the model's generation_config cannot be used with these settings: {reason}") from error


def _try(model: Any, config: GenerationConfig, own: dict[str, Any]) -> Exception | None:
    """Return what transformers raises when it makes logits processors of a configuration, and applies them."""
    device = model.device
    token = torch.zeros((1, 1), dtype=torch.long, device=device)
    try:
        processors = logits_processors(model, merge_entries(model, config, own), [0])
        scores = torch.zeros((1, model.config.get_text_config().vocab_size), device=device)
        for processor in processors:
            if not isinstance(processor, UnbatchedClassifierFreeGuidanceLogitsProcessor):  # it runs the model
                scores = processor(token, scores)
        if not scores.isfinite().any():
            return ValueError("it leaves no token to choose")
    except Exception as error:
        return error
    return None

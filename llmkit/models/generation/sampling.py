"""From settings to transformers' configuration, and from logits to the next tokens."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.generation.configuration_utils import GenerationMode

from llmkit.errors import GenerationError, SettingsError
from llmkit.models.generation.model_defaults import PASSED_OVER, CallConfig, refuse_unsupported
from llmkit.models.generation.settings import GenerationSettings

_SUPPORTED_MODES = {
    GenerationMode.GREEDY_SEARCH,
    GenerationMode.SAMPLE,
    GenerationMode.BEAM_SEARCH,
}
_OPTIONS_OF_REMOTE_CODE = ("num_beam_groups", "penalty_alpha", "dola_layers")
NOT_NUMBERS = (
    "the model's scores for the next token are not numbers (NaN): its numbers overflow in this data type, so load it "
    "with dtype='float32', or its weights are damaged"
)
_SEED_STRIDE = 0x9E3779B97F4A7C15  # else the second completion for one seed would be the first for the next seed


def prepare_config(model: Any, settings: GenerationSettings, max_new_tokens: int) -> GenerationConfig:
    """Create the configuration of one call; transformers takes what is left open from the model's own.

    The model's own is not changed; see `model_defaults` for what holds of it.
    """
    defaults = model.generation_config
    values: Any = {**settings.to_transformers(), "max_new_tokens": max_new_tokens}
    config: GenerationConfig = CallConfig(**values)  # type: ignore[no-untyped-call]
    config.num_beams = config.num_beams or (not settings.sampled and defaults.num_beams) or 1
    if settings.sampled is False:  # else transformers warns about sampling options of the model's own
        config.update(do_sample=False, temperature=1.0, top_k=50, top_p=1.0, typical_p=1.0)
    config.use_cache = True  # checkpoints saved during training often turn it off
    ends = defaults.eos_token_id
    size = model.config.get_text_config().vocab_size
    fillers = (defaults.pad_token_id, *(ends if isinstance(ends, list | tuple) else [ends]))
    config.pad_token_id = next((token for token in fillers if isinstance(token, int) and 0 <= token < size), 0)
    return config


def validate_mode(model: Any, settings: GenerationSettings) -> None:
    """Raise `SettingsError` if the model's generation config, with these settings, has an unsupported decoding mode."""
    refuse_unsupported(model)
    defaults = model.generation_config
    merged = copy.copy(defaults)
    vars(merged).update(dict.fromkeys(PASSED_OVER & set(vars(merged))))
    vars(merged).update({"num_beams": 1 if settings.sampled else defaults.num_beams, **settings.to_transformers()})
    mode = merged.get_generation_mode()
    if mode == GenerationMode.BEAM_SAMPLE:
        raise SettingsError(
            f"the model's generation_config has num_beams={defaults.num_beams} and do_sample=True, but beams cannot "
            "sample: give num_beams=1, or temperature=0"
        )
    if mode in _SUPPORTED_MODES:
        return
    options = ((name, getattr(defaults, name)) for name in _OPTIONS_OF_REMOTE_CODE)
    found = " and ".join(f"{name}={value!r}" for name, value in options if value not in (None, 0, 1))
    raise SettingsError(
        f"the model's generation_config has {found}, for which transformers would run code from a hub: "
        "remove it from generation_config.json"
    )


def reads_prompt(model: Any, config: GenerationConfig) -> bool:
    """Return whether a logits processor of this call reads the prompt's tokens."""
    penalty = config.repetition_penalty or model.generation_config.repetition_penalty or 1.0
    return penalty != 1.0 or bool(config.no_repeat_ngram_size or model.generation_config.no_repeat_ngram_size)


class Penalties(LogitsProcessor):
    """Presence and frequency penalties over the completion's tokens, as the common chat APIs define them.

    logits[token] -= presence * (count > 0) + frequency * count
    """

    def __init__(self, presence: float, frequency: float) -> None:
        self._presence, self._frequency = presence, frequency
        self._prompt_length = 0  # until the first call

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Penalize scores `[rows, vocabulary]` by the completions in input_ids `[rows, prompt + completion]`."""
        self._prompt_length = self._prompt_length or input_ids.shape[1]
        completion = input_ids[:, self._prompt_length :]
        once = scores.scatter(1, completion, scores.gather(1, completion) - self._presence)
        frequency = torch.full_like(scores[:, :1], -self._frequency)
        return once.scatter_add_(1, completion, frequency.expand(completion.shape))


def token_penalties(settings: GenerationSettings) -> LogitsProcessorList:
    """Return the logits processors of llmkit's own for these settings."""
    presence, frequency = settings.presence_penalty, settings.frequency_penalty
    return LogitsProcessorList([Penalties(presence, frequency)] if presence or frequency else [])


def restore_allowed(scores: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return scores `[rows, vocabulary]`, but `allowed` for each row that processors have set to -inf throughout.

    So a constraint prevails over a ban that contradicts it, such as `no_repeat_ngram_size` or `min_new_tokens`.
    """
    if scores is allowed:
        return scores
    return torch.where(torch.isfinite(scores).any(-1, keepdim=True), scores, allowed)


def choose_tokens(scores: torch.Tensor, rngs: Sequence[random.Random | None] | None) -> list[int]:
    """Choose a token for each row of scores `[rows, vocabulary]`: the likeliest, or drawn with the row's generator.

    Each row has its own generator, of which a draw takes one number, so that a seeded completion is the same alone and
    in any batch. A row without one chooses nothing in this step, and gets 0.

    Raises:
        GenerationError: the scores of a row are not numbers.
    """
    tokens = choose_valid_tokens(scores, rngs)
    is_chosen = [True] * len(tokens) if rngs is None else [rng is not None for rng in rngs]
    if any(chosen and token is None for chosen, token in zip(is_chosen, tokens, strict=True)):
        raise GenerationError(NOT_NUMBERS)
    return [token or 0 if chosen else 0 for token, chosen in zip(tokens, is_chosen, strict=True)]


def choose_valid_tokens(scores: torch.Tensor, rngs: Sequence[random.Random | None] | None) -> list[int | None]:
    """Choose as `choose_tokens` does; a row whose scores are not numbers gets `None`."""
    if scores.device.type == "mps":  # it has no 64-bit numbers
        scores = scores.cpu()
    if rngs is None:
        best, tokens = scores.max(-1)
    else:
        best, tokens = _draw(scores, [rng.random() if rng else 0.0 for rng in rngs])
    values, indices = torch.stack([best.double(), tokens.double()]).tolist()  # one transfer from a device
    return [None if math.isnan(value) else int(index) for value, index in zip(values, indices, strict=True)]


def _draw(scores: torch.Tensor, numbers: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a token for each row by a number from 0 to 1, by inverse transform sampling; return totals and tokens.

    A total is the sum of all probabilities, NaN if the scores are. Sums are 64-bit, so that the order of adding, which
    depends on the device and the number of rows, decides no draw.
    """
    sums = torch.softmax(scores.float(), -1).cumsum(-1, dtype=torch.float64)
    drawn = torch.tensor(numbers, dtype=torch.float64).to(sums.device)[:, None] * sums[:, -1:]
    tokens = torch.searchsorted(sums, drawn, right=True)  # so that no token without probability is chosen
    return sums[:, -1], tokens[:, 0]


def make_rng(seed: int | None, index: int) -> random.Random:
    """Create a random number generator for completion number `index`; the global one is neither read nor changed."""
    if seed is None:
        return random.Random(None)
    return random.Random(seed >> 63 << 63 | (seed + index * _SEED_STRIDE) % 2**63)

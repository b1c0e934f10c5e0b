"""From settings and logits to the next tokens."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, LogitsProcessor
from transformers.generation.configuration_utils import GenerationMode

from llmkit.errors import SettingsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from llmkit.models.generation.settings import GenerationSettings


def prepare_config(model: PreTrainedModel, settings: GenerationSettings, max_new_tokens: int) -> GenerationConfig:
    """Give the configuration for one call; what the settings leave open comes from the model's own.

    The model's own is read, never changed. Its `max_length` is dropped: it would count the prompt.
    """
    own = model.generation_config
    config = GenerationConfig(**{**settings.to_transformers(), "max_new_tokens": max_new_tokens})
    config.num_beams = config.num_beams or (not settings.sampled and own.num_beams) or 1
    if settings.sampled is False:  # else transformers warns of the model's own sampling values
        config.update(do_sample=False, temperature=1.0, top_k=50, top_p=1.0, typical_p=1.0)
    config.max_length = None
    config.use_cache = True  # checkpoints saved in training often say no
    if own.pad_token_id is None:
        ends = own.eos_token_id
        config.pad_token_id = ends[0] if isinstance(ends, list) else ends if ends is not None else 0
    return config


_HERE = {
    GenerationMode.GREEDY_SEARCH,
    GenerationMode.SAMPLE,
    GenerationMode.BEAM_SEARCH,
    GenerationMode.ASSISTED_GENERATION,  # the same tokens, which are guessed by another model
}
_FROM_A_HUB = ("num_beam_groups", "penalty_alpha", "dola_layers", "constraints", "force_words_ids")


def check_mode(model: PreTrainedModel, settings: GenerationSettings) -> None:
    """Check that the model's own configuration asks for no way of decoding that is not here.

    Raises:
        SettingsError: it does, and the settings do not say otherwise; names what it asks for.
    """
    own = model.generation_config
    merged = copy.copy(own)
    vars(merged).update({"num_beams": 1 if settings.sampled else own.num_beams, **settings.to_transformers()})
    mode = merged.get_generation_mode()
    if mode == GenerationMode.BEAM_SAMPLE:
        raise SettingsError(
            f"the model's generation_config has num_beams={own.num_beams} and do_sample=True, but beams cannot sample: "
            "give num_beams=1, or temperature=0"
        )
    if mode in _HERE:
        return
    asked = [f"{name}={value!r}" for name in _FROM_A_HUB if (value := getattr(own, name)) not in (None, 0, 1)]
    raise SettingsError(
        f"the model's generation_config has {' and '.join(asked)}, for which transformers would run code from a hub: "
        "take it out of generation_config.json"
    )


def reads_prompt(model: PreTrainedModel, config: GenerationConfig) -> bool:
    """Whether this call's logits depend on the prompt's tokens otherwise than through the model."""
    neutral = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
    values = ((getattr(config, name) or getattr(model.generation_config, name), no) for name, no in neutral.items())
    return any(value not in (None, no) for value, no in values)


class Penalties(LogitsProcessor):
    """Presence and frequency penalties, over the answer's own tokens, as the common chat APIs define them.

    logits[token] -= presence * (count > 0) + frequency * count
    """

    def __init__(self, presence: float, frequency: float) -> None:
        self.presence, self.frequency = presence, frequency
        self._prompt: int | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Penalize scores [rows, vocabulary] by the answer in input_ids [rows, prompt + answer]."""
        if self._prompt is None:
            self._prompt = input_ids.shape[1]
        answer = input_ids[:, self._prompt :]
        once = scores.scatter(1, answer, scores.gather(1, answer) - self.presence)
        return once.scatter_add_(1, answer, torch.full_like(scores[:, :1], -self.frequency).expand(answer.shape))


def lift_bans(scores: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Give scores [rows, vocabulary], and what is allowed in a row where bans left nothing of it.

    A form and a ban, such as `no_repeat_ngram_size` or `min_new_tokens`, may contradict each other: the form wins.
    """
    if scores is allowed:
        return scores
    left = torch.isfinite(scores).any(-1, keepdim=True)
    return torch.where(left, scores, allowed)


def choose(scores: torch.Tensor, draws: Sequence[torch.Generator | None] | None) -> list[int]:
    """Choose a token for each row of scores [rows, vocabulary]: the likeliest, or drawn with the row's generator.

    Each row has a generator of its own, so that a seeded answer is the same alone and in any batch. A row that
    chooses nothing in this step gives none, and gets 0.
    """
    if draws is None:
        return [int(token) for token in scores.argmax(-1).tolist()]
    chances = torch.softmax(scores.float(), -1).cpu()
    pairs = zip(chances, draws, strict=True)
    return [int(torch.multinomial(row, 1, generator=draw)) if draw else 0 for row, draw in pairs]


_STRIDE = 0x9E3779B97F4A7C15  # else the second answer to one seed would be the first to the next


def generator(seed: int | None, index: int) -> torch.Generator:
    """Give a source of random numbers of its own; the global one is neither read nor changed."""
    source = torch.Generator()
    if seed is None:
        source.seed()
    else:
        source.manual_seed((seed + index * _STRIDE) % 2**63)
    return source

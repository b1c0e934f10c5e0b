"""A loaded model: weights and tokenizer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmkit.models.attention.planning import without_planned_attention
from llmkit.models.weights_monitor import WeightsMonitor

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


@dataclass(eq=False)
class LoadedModel:
    """Weights and tokenizer, with what the engine needs to know about them.

    The weights may change: adapters are switched, training goes on. `check_weights` notices it.

    Attributes:
        window: the context window, in tokens; for an encoder-decoder model, the most tokens that its encoder reads.
        completion_window: the most tokens of a completion: those that a decoder has positions for, else the window.
        fast_forward: a faster forward pass with the same logits, such as `FastLlama`, or `None`, also once the weights
            have changed.
        source: a digest of the files that the weights were loaded from; empty for objects.
        lock: taken for each forward pass (see `forward_pass`).
    """

    name: str
    model: Any  # a PreTrainedModel, whose type lacks the methods of GenerationMixin
    tokenizer: PreTrainedTokenizerBase
    window: int
    completion_window: int
    fast_forward: Any = field(repr=False, default=None)
    source: str = field(repr=False, default="")
    lock: threading.RLock = field(repr=False, default_factory=threading.RLock)
    _monitor: WeightsMonitor = field(init=False, repr=False)
    _text_config: tuple[Any, Any] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._monitor = WeightsMonitor(self.model)

    @property
    def weights_version(self) -> int:
        """How many changes of the weights `check_weights` has noticed; what was computed at another is stale."""
        return self._monitor.version

    @property
    def unseen_changes(self) -> int:
        """How many of these changes `mark_weights_changed` counted."""
        return self._monitor.unseen

    def check_weights(self) -> int:
        """Notice changes of the weights, before a computation; return `weights_version`.

        Raises:
            ModelUnusable: the model is in training mode.
        """
        before = self._monitor.version
        if self._monitor.check() != before:
            self.fast_forward = None  # its packed weights are copies
        return self._monitor.version

    def mark_weights_changed(self) -> None:
        """Count a change of the weights that `check_weights` cannot notice."""
        self._monitor.mark_changed()
        self.fast_forward = None

    @property
    def forward(self) -> Any:
        """What computes logits: the fast forward pass, or the model."""
        return self.fast_forward or self.model

    @contextmanager
    def forward_pass(self) -> Iterator[None]:
        """Compute what is within alone, without gradients, and on a GPU with attention that needs no plans."""
        import torch

        with self.lock, torch.inference_mode(), without_planned_attention(self.device):
            yield

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether an encoder reads the prompt and a decoder writes the completion."""
        return bool(self.model.config.is_encoder_decoder)

    @property
    def vocab_size(self) -> int:
        """How many tokens the configuration says that the model has."""
        config = self.model.config
        if self._text_config is None or self._text_config[0] is not config:
            self._text_config = config, config.get_text_config()  # found by looking through all of its entries
        return int(self._text_config[1].vocab_size)

    @property
    def eos_token_ids(self) -> frozenset[int]:
        """The tokens that end a completion: those of the generation config, else the tokenizer's."""
        size = self.vocab_size
        for ids in (self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id):
            listed = ids if isinstance(ids, list | tuple) else [ids]
            if found := [token for token in listed if isinstance(token, int) and 0 <= token < size]:
                return frozenset([*found, *self._own_stops[1]])
        return frozenset(self._own_stops[1])

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The texts that end a completion, by the generation config."""
        return self._own_stops[0]

    @property
    def _own_stops(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The stop strings of the generation config: those that are text, and tokens, which a text does not show."""
        given = getattr(self.model.generation_config, "stop_strings", None) or ()
        listed = given if isinstance(given, list | tuple | set) else [given]
        strings = [text for text in listed if isinstance(text, str) and text]
        added = self.tokenizer.added_tokens_decoder.items() if strings else ()
        tokens = {token.content: index for index, token in added if token.special}
        return tuple(text for text in strings if text not in tokens), tuple(
            tokens[text] for text in strings if text in tokens
        )

    @property
    def bos_token_id(self) -> int | None:
        """The token that begins a text: the tokenizer's, else that of the model's configuration."""
        configs = (self.model.generation_config, self.model.config)
        ids = (self.tokenizer.bos_token_id, *(getattr(config, "bos_token_id", None) for config in configs))
        return next((token for token in ids if isinstance(token, int)), None)

    @property
    def likeliest_eos(self) -> list[int]:
        """The token that most likely ends a completion, as a list; empty if the model has none."""
        return sorted(self.eos_token_ids, key=lambda token: (token != self.tokenizer.eos_token_id, token))[:1]

    @property
    def decoder_start_ids(self) -> list[int]:
        """The tokens that a decoder with an encoder is given before its completion."""
        config = self.model.generation_config
        start = config.bos_token_id if config.decoder_start_token_id is None else config.decoder_start_token_id
        return [start, *([] if config.forced_bos_token_id is None else [config.forced_bos_token_id])]

    @property
    def device(self) -> torch.device:
        """Where inputs go; for a model spread over devices, where its first layer is."""
        return self.model.device  # type: ignore[no-any-return]

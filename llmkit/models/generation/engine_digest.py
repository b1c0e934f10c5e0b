"""A digest of all that a completion depends on, but for the request: LangChain's cache knows a model by it."""

from __future__ import annotations

from typing import Any

from llmkit.models.generation.tokenizer_parts import components, tokenizer_state
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.weights.digest import WeightsDigest, hash_text


class EngineDigest:
    """The digest of a loaded model: weights, adapters, tokenizer, chat template, generation config, window."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._weights = WeightsDigest(loaded.model)
        self._known: tuple[Any, str] | None = None

    def compute(self) -> str:
        """Return the digest, in hexadecimal digits.

        Weights that were loaded by name count by their files, others by their values, which are hashed at the first
        use and after each change: about a second for each gigabyte.
        """
        loaded, tokenizer = self._loaded, self._loaded.tokenizer
        state = loaded.check_weights(), *tokenizer_state(loaded), *components(tokenizer)
        if self._known is None or self._known[0] != state:
            by_values = state[0] or not loaded.source
            weights = self._weights.compute(loaded.unseen_changes) if by_values else loaded.source
            template = str(tokenizer.chat_template)
            self._known = state, hash_text(weights, tokenizer.backend_tokenizer.to_str(), template)
        config = loaded.model.generation_config.to_diff_dict()
        config.pop("transformers_version", None)
        return hash_text(self._known[1], sorted(config.items()), loaded.model.dtype, loaded.window)

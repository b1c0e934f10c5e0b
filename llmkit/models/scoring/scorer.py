"""Exact log-likelihoods of continuations, in as few forward passes as possible.

A decoder-only model takes all continuations of all prompts as one token tree: an attention mask of four dimensions lets
a token see only its ancestors, and its position is its depth ("tree attention" of SpecInfer, Miao et al. 2024). The
common prefix of all prompts is computed once and cached. Other models score padded rows behind each prompt.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
import torch

from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.library_errors import computing_errors
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.scoring.continuations import check_sizes
from llmkit.models.scoring.teacher_forcing import Scores, score_decoder, score_rows
from llmkit.models.scoring.token_tree import Tokens
from llmkit.models.scoring.tree_passes import TreePasses
from llmkit.models.scoring.tree_rows import TreeRows


class Scorer:
    """Computes log-likelihoods with one loaded model."""

    def __init__(self, loaded: LoadedModel, prefix_cache: PrefixCache) -> None:
        self._loaded = loaded
        self._prefix_cache = prefix_cache
        # Alone in its pass, a tree has no padding; many in rows have masks that do not grow with the square of a pass.
        self.trees: TreePasses | TreeRows = (TreePasses if loaded.device.type == "cpu" else TreeRows)(
            loaded, prefix_cache
        )
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
        try:
            [scores] = self.trees.score_behind(prompt[:2], [prompt[2:]], [branches])
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return False
        exact = model.dtype == torch.float32 and not getattr(model, "is_quantized", False)
        expected = score_rows(self._loaded, prompt, branches)
        return bool(np.allclose(scores, expected, atol=1e-4 if exact else 0.5))

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
        check_sizes(prompts, continuations, window, counts_continuations=not is_encoder_decoder)
        with computing_errors(self._loaded):
            if not is_encoder_decoder and self.supports_token_trees:
                return self.trees.score(prompts, continuations)
            pairs = list(zip(prompts, continuations, strict=True))
            if is_encoder_decoder:
                start = list(start or self._loaded.decoder_start_ids)
                return [score_decoder(self._loaded, *pair, start) for pair in pairs]
            return [score_rows(self._loaded, *pair) for pair in pairs]

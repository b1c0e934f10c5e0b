"""What is built from a model's tokenizer, and built again once the tokenizer has changed."""

from __future__ import annotations

from functools import cached_property
from itertools import takewhile
from typing import Any

from langchain_core.messages import HumanMessage

from llmkit.errors import LlmkitError
from llmkit.models.constraints.grammar import ConstraintFactory
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.tokens.chat_template import PromptEncoder
from llmkit.models.tokens.languages import Languages


class TokenizerParts:
    """What encodes prompts and compiles constraints, for a tokenizer as it is when this object is made.

    Attributes:
        state: what is compared to notice a change.
        encoder: turns messages and text into tokens.
        languages: the language tokens of a translation model.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.state = tokenizer_state(loaded)
        self.encoder = PromptEncoder(
            loaded.tokenizer,
            is_encoder_decoder=loaded.is_encoder_decoder,
            bos_token_id=loaded.bos_token_id,
            vocab_size=loaded.vocab_size,
        )
        self.languages = Languages(loaded.tokenizer)
        self._loaded = loaded

    @cached_property
    def answer_start(self) -> tuple[int, ...]:
        """The tokens that the chat template has between a question and its answer; empty without a chat template."""
        if self.encoder.layout != "chat":
            return ()
        try:
            first, second = (self.encoder.encode_messages([HumanMessage(text)]) for text in ("a", "Why not?"))
        except LlmkitError:  # the template refuses such a conversation
            return ()
        pairs = zip(reversed(first), reversed(second), strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return tuple(first[len(first) - same :])

    @cached_property
    def constraints(self) -> ConstraintFactory:
        """Compiles constraints for this tokenizer."""
        size = self._loaded.vocab_size
        return ConstraintFactory(self._loaded.tokenizer, size, self._loaded.eos_token_ids)


def tokenizer_state(loaded: LoadedModel) -> tuple[Any, ...]:
    """Return what differs after tokens were added, or the chat template, a start or an end token was changed.

    A look takes some microseconds. Components that were replaced inside of the tokenizer, such as its normalizer, are
    not looked at.
    """
    tokenizer, size = loaded.tokenizer, loaded.vocab_size
    return str(tokenizer.chat_template), len(tokenizer), loaded.bos_token_id, loaded.eos_token_ids, size


def components(tokenizer: Any) -> list[Any]:
    """Return the description of each component of a tokenizer, such as its normalizer, but for its vocabulary."""
    backend = tokenizer.backend_tokenizer
    parts = (backend.normalizer, backend.pre_tokenizer, backend.post_processor, backend.decoder)
    return [part and part.__getstate__() for part in parts]

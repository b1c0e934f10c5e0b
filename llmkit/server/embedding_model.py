"""The embedder that is served: the catalog's sentence embedder, loaded at its first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from llmkit.errors import ContextWindowExceeded
from llmkit.models import DEFAULT_EMBEDDER
from llmkit.models.embedder_window import EmbedderWindow, find_embedder_window
from llmkit.models.weights.catalog import is_cached
from llmkit.server.errors import Refusal

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


class EmbeddingModel:
    """Embeds texts, whole or not at all.

    Attributes:
        name: what clients call it.
    """

    name = DEFAULT_EMBEDDER

    @cached_property
    def embedder(self) -> Embeddings:
        """The embedder as LangChain has it, or `Refusal` if it was not fetched: a request fetches no model."""
        self.check()
        from llmkit.models.embeddings import default_embedder

        return default_embedder()

    @cached_property
    def window(self) -> EmbedderWindow:
        """Its tokenizer, and the most tokens of a text that it reads."""
        found = find_embedder_window(self.embedder)
        assert found is not None, "the catalog's embedder shows its window"
        return found

    @property
    def is_here(self) -> bool:
        """Whether it was fetched."""
        return is_cached(self.name)

    def check(self) -> None:
        """Raise `Refusal` if it was not fetched."""
        if not self.is_here:
            raise Refusal(
                404,
                f"the embedder {self.name} is not here: fetch it with llmkit models pull {self.name}",
                param="model",
                code="model_not_found",
            )

    def embed(self, texts: list[str]) -> tuple[list[list[float]], int]:
        """Return the vectors of texts, and how many tokens these have.

        Raises:
            ContextWindowExceeded: a text is longer than what the embedder reads of it.
        """
        counts = [self.window.get_num_tokens(text) for text in texts]
        for index, count in enumerate(counts):
            if count > self.window.window:
                advice = "the embedder would not read the rest: divide the text"
                raise ContextWindowExceeded(count, self.window.window, f"text {index + 1} of input", advice)
        return self.embedder.embed_documents(texts), sum(counts)

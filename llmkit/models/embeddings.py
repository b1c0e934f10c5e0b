"""Sentence embeddings on the local machine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from llmkit.models import DEFAULT_EMBEDDER
from llmkit.models.weights.catalog import resolve
from llmkit.quiet import quiet_transformers

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

BATCH_SIZE = 32


@cache
def default_embedder() -> Embeddings:
    """Return the catalog's sentence embedder (`minilm-l6`: 384 dimensions, normalized), loaded once.

    It reads the first 256 tokens of a text and ignores the rest.
    """
    from langchain_huggingface import HuggingFaceEmbeddings

    folder = resolve(DEFAULT_EMBEDDER)
    with quiet_transformers():
        return HuggingFaceEmbeddings(
            model_name=str(folder), encode_kwargs={"batch_size": BATCH_SIZE, "normalize_embeddings": True}
        )

"""Sentence embeddings on the local machine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from llmkit.models import DEFAULT_EMBEDDER
from llmkit.models.weights.catalog import resolve
from llmkit.models.weights.quantization import hush

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

BATCH = 32


@cache
def default_embedder() -> Embeddings:
    """Give the catalog's sentence embeddings (`minilm-l6`: 384 dimensions, length 1), loaded once.

    Text beyond the first 256 tokens does not count.
    """
    from langchain_huggingface import HuggingFaceEmbeddings
    from transformers.utils import logging

    logging.disable_progress_bar()
    hush()
    return HuggingFaceEmbeddings(
        model_name=str(resolve(DEFAULT_EMBEDDER)),
        encode_kwargs={"batch_size": BATCH, "normalize_embeddings": True},
    )

"""Sentence embeddings on the local machine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from llmkit.errors import InputError
from llmkit.models import DEFAULT_EMBEDDER
from llmkit.models.weights.catalog import CATALOG, resolve
from llmkit.quiet import quiet_transformers

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

BATCH_SIZE = 32


def default_embedder() -> Embeddings:
    """Return the catalog's sentence embedder (`minilm-l6`: 384 dimensions, normalized), loaded once.

    It reads the first 256 tokens of a text and ignores the rest.
    """
    return load_embedder(DEFAULT_EMBEDDER)


@cache
def load_embedder(name: str) -> Embeddings:
    """Return a sentence embedder of the catalog, loaded once.

    Raises:
        InputError: the catalog has no embedder of this name.
    """
    names = [entry.name for entry in CATALOG.values() if entry.kind == "embedding"]
    if name not in names:
        listed = ", ".join(names)
        raise InputError(
            f"embedder is the name {name!r}, but the catalog's embedders are: {listed}. For another model give a "
            f"LangChain Embeddings object, such as langchain_huggingface.HuggingFaceEmbeddings(model_name={name!r})"
        )
    from langchain_huggingface import HuggingFaceEmbeddings

    folder = resolve(name)
    with quiet_transformers():
        return HuggingFaceEmbeddings(
            model_name=str(folder), encode_kwargs={"batch_size": BATCH_SIZE, "normalize_embeddings": True}
        )

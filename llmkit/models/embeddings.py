"""Sentence embeddings on the local machine."""

from __future__ import annotations

from functools import cache

from langchain_core.embeddings import Embeddings

from llmkit.errors import InputError, kind_of
from llmkit.models import DEFAULT_EMBEDDER
from llmkit.models.weights.catalog import CATALOG, is_cached, resolve
from llmkit.quiet import quiet_transformers

BATCH_SIZE = 32
DTYPES = ("float32", "bfloat16")


class LazyEmbedder(Embeddings):
    """The catalog's default embedder, loaded when it first embeds a text; a copy of it loads nothing again."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector of length 1 for each text."""
        return default_embedder().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the vector, of length 1, of a query."""
        return default_embedder().embed_query(text)


def cached_embedder() -> Embeddings | None:
    """Return the catalog's default embedder, loaded at its first use; `None` if its weights are not in the cache."""
    return LazyEmbedder() if is_cached(DEFAULT_EMBEDDER) else None


def default_embedder(dtype: str = "float32") -> Embeddings:
    """Return the catalog's sentence embedder (`minilm-l6`: 384 dimensions, normalized), loaded once.

    It reads the first 256 tokens of a text and ignores the rest.

    Args:
        dtype: "float32" or "bfloat16": three times as fast on a processor that multiplies it in hardware (`amx_bf16`),
            with cosines that differ by up to 0.01.
    """
    return load_embedder(DEFAULT_EMBEDDER, dtype)


def find_embedder(embedder: Embeddings | str | None) -> Embeddings | None:
    """Return the embedder, which may be given by its name in the catalog; raise `InputError` if it is none."""
    if isinstance(embedder, str):
        return load_embedder(embedder)
    if embedder is not None and not isinstance(embedder, Embeddings):
        raise InputError(
            f"embedder is {kind_of(embedder)}, but must be a LangChain Embeddings object or a name of the catalog, "
            f"such as {DEFAULT_EMBEDDER!r}"
        )
    return embedder


def load_embedder(name: str, dtype: str = "float32") -> Embeddings:
    """Return a sentence embedder of the catalog, loaded once.

    Raises:
        InputError: the catalog has no embedder of this name, or `dtype` is none of "float32" and "bfloat16".
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype is {dtype!r}, but an embedder of the catalog has {' or '.join(map(repr, DTYPES))}")
    names = [entry.name for entry in CATALOG.values() if entry.kind == "embedding"]
    if name not in names:
        listed = ", ".join(names)
        raise InputError(
            f"embedder is the name {name!r}, but the catalog's embedders are: {listed}. For another model give a "
            f"LangChain Embeddings object, such as langchain_huggingface.HuggingFaceEmbeddings(model_name={name!r})"
        )
    return _load(name, dtype)


@cache
def _load(name: str, dtype: str) -> Embeddings:
    from langchain_huggingface import HuggingFaceEmbeddings

    folder = resolve(name)
    with quiet_transformers():
        return HuggingFaceEmbeddings(
            model_name=str(folder),
            model_kwargs={"model_kwargs": {"dtype": dtype}},
            encode_kwargs={"batch_size": BATCH_SIZE, "normalize_embeddings": True},
        )

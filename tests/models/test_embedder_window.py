"""How many tokens an embedder reads of a text."""

import pickle
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from llmkit.models.embedder_window import find_embedder_window
from llmkit.models.embeddings import default_embedder


@pytest.mark.slow
@pytest.mark.usefixtures("default_embedder_folder")
def test_the_catalogs_embedder_shows_its_window():
    embedder: Any = default_embedder()
    found = find_embedder_window(embedder)
    assert found.window == 254
    assert found.get_num_tokens("字" * 900) == 900, "nothing is cut where it is counted"
    assert found.token_offsets("The dog") == [(0, 3), (4, 7)]
    assert pickle.loads(pickle.dumps(found)).get_num_tokens("The dog") == 2
    prompted = embedder.model_copy(update={"encode_kwargs": {"prompt": "The dog sleeps: "}})
    assert find_embedder_window(prompted).window == 250


def test_an_embedder_without_a_tokenizer_shows_none():
    assert find_embedder_window(DeterministicFakeEmbedding(size=3)) is None

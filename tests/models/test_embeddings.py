"""The catalog's sentence embedder, in two data types."""

import numpy as np
import pytest

from llmkit.errors import InputError
from llmkit.models.embeddings import default_embedder, load_embedder

pytestmark = pytest.mark.usefixtures("default_embedder_folder")

TEXTS = ["The match ended 3 to 2.", "The senate voted.", "A goal in the last minute decided the game.", "🦊 狐"]


def test_bfloat16_gives_the_same_directions_up_to_rounding():
    exact, rounded = (np.array(default_embedder(dtype).embed_documents(TEXTS)) for dtype in ("float32", "bfloat16"))
    assert exact.shape == rounded.shape == (4, 384)
    assert not np.array_equal(exact, rounded)
    assert np.allclose(np.linalg.norm(rounded, axis=1), 1, atol=0.02)
    assert np.allclose(exact @ exact.T, rounded @ rounded.T, atol=0.05)


def test_an_embedder_is_loaded_once():
    assert default_embedder() is load_embedder("minilm-l6")
    assert default_embedder("bfloat16") is load_embedder("minilm-l6", "bfloat16")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("minilm-l6", "int8"), "dtype is 'int8', but an embedder of the catalog has 'float32' or 'bfloat16'"),
        (("smollm2-135m",), "the catalog's embedders are: minilm-l6"),
    ],
)
def test_what_the_catalog_does_not_have(arguments, says):
    with pytest.raises(InputError, match=says):
        load_embedder(*arguments)

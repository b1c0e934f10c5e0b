"""A likely name with "and" in it speaks against its parts; an unlikely one changes nothing."""

import numpy as np
import pytest

from llmkit.chains.ner.conjoined_names import AGAINST_PARTS, WHOLE_FROM, weigh_conjoined_names
from llmkit.text.segmentation import Span


@pytest.mark.parametrize(("text", "size"), [("Marks and Spencer", 3), ("Marks & Spencer", 1), ("Marks und Spencer", 3)])
@pytest.mark.parametrize("whole", [-3.0, WHOLE_FROM, 4.0])
def test_the_parts_lose_what_speaks_for_the_whole(text: str, size: int, whole: float) -> None:
    right = 6 + size + 1
    spans = [Span(0, 5), Span(0, len(text)), Span(right, len(text)), Span(0, 5 + 1 + size)]
    scores = np.array([[2.0, -1.0], [whole, -50.0], [0.5, 0.0], [1.0, 1.0]])
    loss = AGAINST_PARTS * max(whole - WHOLE_FROM, 0)
    expected = scores - np.array([[loss], [0.0], [loss], [0.0]])
    np.testing.assert_allclose(weigh_conjoined_names(text, spans, scores), expected)


def test_longer_parts_and_lower_case_are_left_alone() -> None:
    for text in ("Anna Lee and Tom Ford", "Marks and spencer", "Marks, and Spencer"):
        spans = [Span(0, len(text)), Span(0, 5)]
        scores = np.full((2, 1), 5.0)
        np.testing.assert_allclose(weigh_conjoined_names(text, spans, scores), scores)


def test_each_pair_of_three_names_is_looked_at() -> None:
    text = "Ann and Bob and Cid"
    spans = [Span(0, 3), Span(8, 11), Span(16, 19), Span(0, 11), Span(8, 19)]
    found = weigh_conjoined_names(text, spans, np.array([[0.0], [0.0], [0.0], [-9.0], [3.0]]))
    assert found[:, 0].tolist() == [0.0, -4.0, -4.0, -9.0, 3.0]

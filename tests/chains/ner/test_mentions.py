"""The likelihood of a quoted candidate, against longer and shorter ones with the same first word."""

import numpy as np
import pytest

from llmkit.chains.ner.mentions import MENTIONS, mentions
from llmkit.text.segmentation import Span


def test_a_candidate_competes_with_those_of_the_same_first_word() -> None:
    new_york, new, york, city = Span(0, 8), Span(0, 3), Span(4, 8), Span(0, 13)
    found = mentions([new_york, new, york, city], np.array([-4.0, -9.0, -7.0, -30.0]))
    rows = dict(zip(MENTIONS, found.T, strict=True))
    assert rows["mention"] == pytest.approx([-0.4, -0.9, -0.7, -3.0])
    assert rows["mention by length"] == pytest.approx(np.array([-4, -9, -7, -30]) / np.sqrt([8, 3, 4, 13]) / 5)
    assert rows["longer mention"] == pytest.approx([0.0, 2.5, 0.0, 0.0])  # the city by 26 nats less likely, by 20 here
    assert rows["whole mention"] == pytest.approx([2.5, 0.0, 0.0, 0.0])


def test_without_candidates_there_is_no_evidence() -> None:
    assert mentions([], np.zeros(0)).shape == (0, len(MENTIONS))

"""BM25, reciprocal rank fusion and maximal marginal relevance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.text.ranking import Bm25, descending, maximal_marginal_relevance, reciprocal_rank_fusion, unit_rows
from llmkit.text.words import terms


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("When did the harbour open?", ["the mill burned down", "the harbour opened in 1950", "ships"]),
        ("เมืองหลวงของไทย", ["แมวกินปลา", "กรุงเทพเป็นเมืองหลวงของไทย", "วันนี้ฝนตก"]),
        ("서울의 인구", ["비가 온다", "서울은 인구가 많다", "고양이"]),
        ("東京の人口", ["犬が走る", "東京は人口が多い", "雨"]),
    ],
)
def test_bm25_finds_the_text_that_shares_words_in_any_script(query: str, texts: list[str]) -> None:
    scores = Bm25([terms(text) for text in texts]).scores(terms(query))
    assert descending(scores)[0] == 1


def test_bm25_of_empty_texts_or_queries_is_zero() -> None:
    assert Bm25([[], []]).scores(["word"]).tolist() == [0, 0]
    assert Bm25([["word"]]).scores([]).tolist() == [0]
    assert Bm25([]).scores(["word"]).tolist() == []


def test_reciprocal_rank_fusion_gives_ties_the_best_rank() -> None:
    fused = reciprocal_rank_fusion(np.array([3.0, 1.0, 1.0]), np.array([0.0, 9.0, 5.0]))
    assert fused.tolist() == pytest.approx([1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 62 + 1 / 62])
    assert descending(fused) == [1, 0, 2]


VECTORS = st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=8)


@given(VECTORS, st.floats(0, 1))
def test_each_item_has_the_greatest_marginal_relevance_of_the_remaining_ones(
    rows: list[list[float]], weight: float
) -> None:
    vectors = unit_rows(rows)
    relevance = vectors[:, 0]
    order = maximal_marginal_relevance(relevance, lambda item: vectors @ vectors[item], weight)
    assert sorted(order) == list(range(len(rows)))
    assert relevance[order[0]] == relevance.max()
    for step in range(1, len(order)):
        similarity = (vectors @ vectors[order[:step]].T).max(axis=1)
        gain = weight * relevance - (1 - weight) * similarity
        assert gain[order[step]] == pytest.approx(gain[order[step:]].max())


def test_items_that_exceed_the_budget_are_skipped() -> None:
    def orthogonal(item: int) -> np.ndarray:
        return np.asarray(np.eye(4)[item])

    relevance = np.array([0.9, 0.8, 0.7, 0.1])
    assert maximal_marginal_relevance(relevance, orthogonal, 0.7, sizes=[5, 6, 4, 1], budget=10) == [0, 2, 3]
    assert maximal_marginal_relevance(relevance, orthogonal, 0.7, sizes=[5, 6, 4, 2], budget=0) == []


def test_unit_rows_have_length_one_or_zero() -> None:
    assert unit_rows([[3, 4], [0, 0]]).tolist() == [[0.6, 0.8], [0, 0]]

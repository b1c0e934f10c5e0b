"""In a text of any length each mention is weighed once, where most is shown around it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmkit.chains.labels import Labels
from llmkit.chains.ner.candidates import Candidate, Truecaser, find_candidates
from llmkit.chains.ner.entity_typing import EntityTyper
from llmkit.chains.ner.span_scorer import ScoredText, SpanScorer, assign_to_passages
from llmkit.chains.ner.tuning import NEUTRAL, SMOLLM2_135M, NERTuning
from llmkit.chains.ner.values import is_value
from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt
from llmkit.text.segmentation import Passage
from tests.support.models import chat

TEXT = "The dog is in Paris. " * 3 + "What is the quick brown fox of Lille? " + "New York and Old York, 2011. " * 2
LABELS = Labels.validate(["person"], {"person": "a man"}, multi_label=True)


def span_scorer(
    max_tokens: int = 40, *, names: bool = True, max_words: int = 3, tuning: NERTuning = SMOLLM2_135M
) -> SpanScorer:
    llm = chat("llama", context_window=1024)
    typer = EntityTyper.from_labels(llm, TaskPrompt.load("mentions"), LABELS, tuning, None)
    return SpanScorer(typer, Truecaser(llm, typer.fit("N/A"), tuning) if names else None, max_words, max_tokens)


def scored(scorer: SpanScorer, text: str) -> ScoredText:
    [found] = scorer.score([text])
    assert isinstance(found, ScoredText)
    return found


@st.composite
def shares(draw: st.DrawFn) -> tuple[list[Candidate], list[Passage], int]:
    """Passages that cover a text, each beginning after the one before and ending after it; and any mentions."""
    length = draw(st.integers(1, 40))
    pieces = [Passage("", 0, draw(st.integers(1, length)), 1)]
    while pieces[-1].end < length:
        start = draw(st.integers(pieces[-1].start + 1, pieces[-1].end))
        end = draw(st.integers(pieces[-1].end + 1, length))
        pieces.append(Passage("", start, end, 1))
    pairs = st.tuples(st.integers(0, length - 1), st.integers(1, 6))
    found = {(start, min(start + size, length)) for start, size in draw(st.lists(pairs, max_size=20))}
    return [Candidate(*each) for each in sorted(found)], pieces, length


@pytest.mark.slow
@given(shares())
@settings(max_examples=300, deadline=None)
def test_a_mention_is_scored_in_the_passage_with_most_context(
    case: tuple[list[Candidate], list[Passage], int],
) -> None:
    found, pieces, length = case
    groups = assign_to_passages(found, pieces, length)
    assert len(groups) == len(pieces)
    held = [each for each in found if any(piece.start <= each.start and each.end <= piece.end for piece in pieces)]
    assert sorted((each for group in groups for each in group), key=lambda each: (each.start, each.end)) == held

    def shown(mention: Candidate, piece: Passage) -> int:
        before = mention.start - piece.start if piece.start else length
        return min(before, piece.end - mention.end if piece.end < length else length)

    for piece, group in zip(pieces, groups, strict=True):
        for each in group:
            others = [other for other in pieces if other.start <= each.start and each.end <= other.end]
            assert piece in others
            assert shown(each, piece) == max(shown(each, other) for other in others)


WORDS = st.sampled_from(
    ["The", "dog", "Paris", "is", "New York", "2011.", "(Old", "York)", "東京", "sleeps.", "\n\n", "é"]
)


@pytest.mark.slow
@given(st.lists(WORDS, min_size=1, max_size=60).map(" ".join), st.integers(24, 60))
@settings(max_examples=40, deadline=None)
def test_no_passage_boundary_splits_a_mention(text: str, max_tokens: int) -> None:
    scorer = WHOLE if max_tokens > 50 else SpanScorer(WHOLE.typer, None, 2, max_tokens)
    found = [each for each in find_candidates(text, 2, None) if not is_value(each.of(text))]
    longest = max((scorer.typer.llm.get_num_tokens(each.of(text)) for each in found), default=0)
    assume(longest + 4 <= max_tokens // 2)
    got = scored(scorer, text)
    spans = [(each.start, each.end) for each in got.candidates]
    assert len(set(spans)) == len(spans) == len(got.scores)
    assert np.isfinite(got.scores).all()
    assert set(spans) == {(each.start, each.end) for each in found}


WHOLE = span_scorer(400, names=False, max_words=2)


def test_a_text_that_fits_is_scored_in_one_passage() -> None:
    whole, parts = scored(span_scorer(400), TEXT), scored(span_scorer(30), TEXT)
    assert [each.span for each in whole.candidates] == sorted(
        (each.span for each in parts.candidates), key=lambda each: (each.start, each.end)
    )
    assert len(whole.candidates) > 10


def test_results_do_not_depend_on_other_texts() -> None:
    texts = [TEXT, "Paris", "!!!", TEXT[30:120]]
    together = span_scorer().score(texts)
    for text, each in zip(texts, together, strict=True):
        alone = scored(span_scorer(), text)
        assert isinstance(each, ScoredText)
        assert [mention.span for mention in each.candidates] == [mention.span for mention in alone.candidates]
        np.testing.assert_allclose(each.scores, alone.scores, atol=1e-4)


def test_an_invalid_text_does_not_fail_the_rest_of_the_batch() -> None:
    first, bad, last = span_scorer().score(["Paris is far.", "Paris \ud800", "The dog"])
    assert isinstance(bad, InputError)
    assert "surrogate" in str(bad)
    assert isinstance(first, ScoredText)
    assert isinstance(last, ScoredText)


def test_boundary_costs_are_subtracted_from_the_scores() -> None:
    scorer = span_scorer(400, tuning=NEUTRAL)
    got = scored(scorer, TEXT)
    fitted = scorer.typer.fit(TEXT)
    [plain] = scorer.typer.scores([fitted], [[each.of(TEXT) for each in got.candidates]])
    costs = np.array([each.border_cost for each in got.candidates])
    np.testing.assert_allclose(got.scores[:, 0], NEUTRAL.names.constant + plain[:, 0] - costs, atol=1e-4)
    assert any(costs > 0)


def test_passages_overlap_by_the_longest_mention() -> None:
    scorer = span_scorer(40)
    pieces = scorer._passages(TEXT, find_candidates(TEXT, 3, scorer.truecaser))
    assert len(pieces) > 2
    assert pieces[0].start == 0
    assert pieces[-1].end == len(TEXT)
    assert all(first.start < second.start <= first.end < second.end for first, second in pairwise(pieces))
    assert all(each.tokens <= 40 for each in pieces)

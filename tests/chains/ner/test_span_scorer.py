"""In a text of any length each mention is weighed once, where most is shown around it."""

from itertools import pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmkit.chains.labels import Labels
from llmkit.chains.ner.candidates import Mention, Truecaser, mentions
from llmkit.chains.ner.entity_typing import Kinds
from llmkit.chains.ner.span_scorer import Weighed, Weigher, shared_out
from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt
from llmkit.text.segmentation import Passage
from tests.support.models import chat

TEXT = "The dog is in Paris. " * 3 + "What is the quick brown fox of Lille? " + "New York and Old York, 2011. " * 2
LABELS = Labels.validate(["person"], {"person": "a man"}, multi_label=True)


def weigher(max_tokens: int = 40, *, names: bool = True, max_words: int = 3) -> Weigher:
    llm = chat("llama", context_window=1024)
    kinds = Kinds.over(llm, TaskPrompt.load("mentions"), LABELS, None)
    return Weigher(kinds, Truecaser(llm, kinds.fit("N/A")) if names else None, max_words, max_tokens)


def weighed(own: Weigher, text: str) -> Weighed:
    [found] = own.weigh([text])
    assert isinstance(found, Weighed)
    return found


@st.composite
def shares(draw: st.DrawFn) -> tuple[list[Mention], list[Passage], int]:
    """Passages that cover a text, each beginning after the one before and ending after it; and any mentions."""
    length = draw(st.integers(1, 40))
    pieces = [Passage("", 0, draw(st.integers(1, length)), 1)]
    while pieces[-1].end < length:
        start = draw(st.integers(pieces[-1].start + 1, pieces[-1].end))
        end = draw(st.integers(pieces[-1].end + 1, length))
        pieces.append(Passage("", start, end, 1))
    pairs = st.tuples(st.integers(0, length - 1), st.integers(1, 6))
    found = {(start, min(start + size, length)) for start, size in draw(st.lists(pairs, max_size=20))}
    return [Mention(*each) for each in sorted(found)], pieces, length


@given(shares())
@settings(max_examples=300, deadline=None)
def test_a_mention_goes_to_the_passage_that_shows_most_around_it(
    case: tuple[list[Mention], list[Passage], int],
) -> None:
    found, pieces, length = case
    own = shared_out(found, pieces, length)
    assert len(own) == len(pieces)
    held = [each for each in found if any(piece.start <= each.start and each.end <= piece.end for piece in pieces)]
    assert sorted((each for group in own for each in group), key=lambda each: (each.start, each.end)) == held

    def shown(mention: Mention, piece: Passage) -> int:
        before = mention.start - piece.start if piece.start else length
        return min(before, piece.end - mention.end if piece.end < length else length)

    for piece, group in zip(pieces, own, strict=True):
        for each in group:
            others = [other for other in pieces if other.start <= each.start and each.end <= other.end]
            assert piece in others
            assert shown(each, piece) == max(shown(each, other) for other in others)


WORDS = st.sampled_from(
    ["The", "dog", "Paris", "is", "New York", "2011.", "(Old", "York)", "東京", "sleeps.", "\n\n", "é"]
)


@given(st.lists(WORDS, min_size=1, max_size=60).map(" ".join), st.integers(24, 60))
@settings(max_examples=40, deadline=None)
def test_no_border_of_a_passage_cuts_a_mention(text: str, max_tokens: int) -> None:
    own = WHOLE if max_tokens > 50 else Weigher(WHOLE.kinds, None, 2, max_tokens)
    found = mentions(text, 2, None)
    longest = max((own.kinds.llm.get_num_tokens(each.of(text)) for each in found), default=0)
    assume(longest + 4 <= max_tokens // 2)
    got = weighed(own, text)
    spans = [(each.start, each.end) for each in got.mentions]
    assert len(set(spans)) == len(spans) == len(got.scores)
    assert np.isfinite(got.scores).all()
    assert set(spans) == {(each.start, each.end) for each in found}


WHOLE = weigher(400, names=False, max_words=2)


def test_a_text_is_read_whole_where_it_fits() -> None:
    whole, parts = weighed(weigher(400), TEXT), weighed(weigher(30), TEXT)
    assert [each.span for each in whole.mentions] == sorted(
        (each.span for each in parts.mentions), key=lambda each: (each.start, each.end)
    )
    assert len(whole.mentions) > 10


def test_texts_do_not_depend_on_each_other() -> None:
    texts = [TEXT, "Paris", "!!!", TEXT[30:120]]
    together = weigher().weigh(texts)
    for text, each in zip(texts, together, strict=True):
        alone = weighed(weigher(), text)
        assert isinstance(each, Weighed)
        assert [mention.span for mention in each.mentions] == [mention.span for mention in alone.mentions]
        np.testing.assert_allclose(each.scores, alone.scores, atol=1e-4)


def test_a_text_that_cannot_be_read_fails_alone() -> None:
    first, bad, last = weigher().weigh(["Paris is far.", "Paris \ud800", "The dog"])
    assert isinstance(bad, InputError)
    assert "surrogate" in str(bad)
    assert isinstance(first, Weighed)
    assert isinstance(last, Weighed)


def test_borders_cost_what_they_cost() -> None:
    own = weigher(400)
    got = weighed(own, TEXT)
    fitted = own.kinds.fit(TEXT)
    [plain] = own.kinds.scores([fitted], [[each.of(TEXT) for each in got.mentions]])
    doubts = np.array([each.doubt for each in got.mentions])
    np.testing.assert_allclose(got.scores[:, 0], plain[:, 0] - doubts, atol=1e-4)
    assert any(doubts > 0)


def test_passages_overlap_by_the_longest_mention() -> None:
    own = weigher(40)
    pieces = own._pieces(TEXT, mentions(TEXT, 3, own.truecaser))
    assert len(pieces) > 2
    assert pieces[0].start == 0
    assert pieces[-1].end == len(TEXT)
    assert all(first.start < second.start <= first.end < second.end for first, second in pairwise(pieces))
    assert all(each.tokens <= 40 for each in pieces)

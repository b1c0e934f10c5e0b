"""Every span of a text may be a name; how a word is written, and how the model would write it, tell which are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit import HuggingFaceChat
from llmkit.chains.ner import candidates as module
from llmkit.chains.ner.candidates import Truecaser, find_candidates, name_words
from llmkit.chains.ner.tuning import SMOLLM2_135M
from llmkit.chains.scoring import spans_from
from llmkit.prompts import TaskPrompt
from llmkit.text.segmentation import sentences
from tests.support import tiny
from tests.support.generation import forward_shapes
from tests.support.models import chat
from tests.support.reference import teacher_forcing
from tests.support.texts import TEXTS

PROMPT = TaskPrompt.load("mentions")


def truecaser(llm: HuggingFaceChat | None = None) -> Truecaser:
    own = llm or chat("llama")
    return Truecaser(own, PROMPT.fit("N/A", model=own, max_new_tokens=60), SMOLLM2_135M)


def knowing(*names: str, common: str = "the in of was and") -> Truecaser:
    """One that knows these names and these common words, and takes every other word for a rare plain one."""

    class Known(dict[str, float]):
        def __missing__(self, word: str) -> float:
            return -12.0 if word in names else -2.0 if word.lower() in common.split() else -20.0

    class Told(Truecaser):
        def score_words(self, found: object) -> None:
            """Everything is known."""

    own = truecaser()
    known = Known({name.lower(): -20.0 for name in names})
    return Told(own.llm, own.prompt, SMOLLM2_135M, known)


SHARED = truecaser()


@given(TEXTS, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_candidates_stand_in_any_text(text: str, most: int) -> None:
    every = find_candidates(text, most, None)
    ends = [sentence.end for sentence in sentences(text)]
    spans = [
        span
        for each in spans_from(text, name_words(text), most)
        for span in each
        if not any(span.start < end < span.end for end in ends)
    ]
    assert [each.span for each in every] == spans
    assert all(each.border_cost == 0 for each in every)
    assert len(set(spans)) == len(spans)
    kept = find_candidates(text, most, SHARED)
    assert {each.span for each in kept} <= set(spans)
    assert all(0 <= each.border_cost <= SMOLLM2_135M.max_border_cost for each in kept)


def test_words_of_names() -> None:
    text = "Rome's Bob's boss’ 👨\u200d👩\u200d👧 \u200d © C++ 2011 ' x'"
    assert [word.of(text) for word in name_words(text)] == ["Rome", "Bob", "boss", "C++", "2011", "x"]


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_words_are_scored_as_by_teacher_forcing(name: str) -> None:
    own = truecaser(chat(name))
    own.score_words(["Paris", "dog", "東", "<|im_end|>", "ŞİİR"])
    assert set(own.known) == {"Paris", "paris", "dog", "Dog", "東", "<|im_end|>", "ŞİİR", "ŞİİR".lower()}
    encoder = own.llm.engine.encoder
    prompt = encoder.encode_messages(own.prompt.messages)
    wanted = [teacher_forcing(tiny.make(name), prompt, encoder.encode_continuation(f" {word}")) for word in own.known]
    np.testing.assert_allclose(list(own.known.values()), wanted, atol=1e-4)


def test_a_word_is_asked_for_once() -> None:
    own = truecaser()
    with forward_shapes(own.llm.engine) as shapes:
        find_candidates("The dog is in Paris.", 3, own)
        assert shapes
        shapes.clear()
        find_candidates("Is Paris the dog, in paris?", 3, own)
        assert not shapes


def test_what_was_known_is_forgotten_before_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KNOWN_WORDS", 3)
    own = truecaser()
    before = find_candidates("The dog is in Paris.", 2, own)
    find_candidates("Paris is a fox.", 2, own)
    assert find_candidates("The dog is in Paris.", 2, own) == before
    assert "fox" not in own.known


def test_a_very_long_word_is_no_name() -> None:
    text = f"Acme {'Ab' * 2000} Corp"
    for own in (knowing("Acme", "Corp"), None):
        assert [each.of(text) for each in find_candidates(text, 3, own)] == ["Acme", "Corp"]
    find_candidates(text, 3, SHARED)  # the model, whose window is smaller, is not asked


def test_a_capital_speaks_for_a_name() -> None:
    own = truecaser()
    own.known.update({"lille": -14.0, "Lille": -12.0})
    inside, first, lower = (
        own.name_probability(word, SMOLLM2_135M.capitals, first=at)
        for word, at in (("Lille", False), ("Lille", True), ("lille", False))
    )
    assert inside == pytest.approx(1 / (1 + np.exp(-6)))
    assert first == pytest.approx(1 / (1 + np.exp(-3)))
    assert lower == pytest.approx(1 / (1 + np.exp(2)))
    own.known["Lille"] = -3.0  # common words are no names, whatever their capitals
    assert own.name_probability("Lille", SMOLLM2_135M.capitals, first=False) == 0


def test_a_name_is_neither_cut_nor_made_longer() -> None:
    text = "the boss of Acme Corp was in Rome."
    own = knowing("Acme", "Corp", "Rome")
    costs = {each.of(text): each.border_cost for each in find_candidates(text, 3, own)}
    assert costs["Acme Corp"] < 0.5 > costs["Rome"]
    assert costs["Acme"] == pytest.approx(costs["Corp"], abs=0.1)
    assert costs["Acme"] > SMOLLM2_135M.neighbor_cost - 0.5
    assert not {"the", "was", "the boss", "boss of Acme"} & set(costs)


def test_names_in_lists_do_not_touch() -> None:
    text = "Acme, Corp"
    costs = {each.of(text): each.border_cost for each in find_candidates(text, 3, knowing("Acme", "Corp"))}
    assert costs["Acme"] < 0.5 > costs["Corp"]


def test_text_of_one_case_tells_nothing_by_it() -> None:
    """In a headline, or small letters, the model's word alone counts: capitals do not make names of words."""
    for text in ("ROME WON IN ACME", "rome won in acme"):
        own = knowing("rome", "acme", "ROME", "ACME", "Rome", "Acme")
        own.known.update({"WON": -18.0, "won": -8.0, "Won": -18.0, "IN": -2.0, "rome": -20.0, "acme": -20.0})
        costs = {each.of(text).lower(): each.border_cost for each in find_candidates(text, 1, own)}
        assert costs["rome"] < 1 > costs["acme"]
        assert "won" not in costs


def test_scripts_without_capitals_speak_neither_for_nor_against() -> None:
    text = "東京は שלום"
    assert {each.of(text): each.border_cost for each in find_candidates(text, 1, SHARED)} == (
        {"東": 0, "東京": 0, "京": 0, "京は": 0, "は": 0, "שלום": 0}
    )


def test_a_number_may_be_part_of_a_name() -> None:
    text = "Acme 11"
    costs = {each.of(text): each.border_cost for each in find_candidates(text, 2, knowing("Acme"))}
    assert (
        costs["Acme"]
        < costs["Acme 11"]
        == pytest.approx(SMOLLM2_135M.edge_cost * SMOLLM2_135M.number_probability, abs=0.1)
    )
    assert "11" not in costs
    assert [each.border_cost for each in find_candidates(text, 1, None)] == [0, 0]

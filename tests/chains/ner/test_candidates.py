"""Every span of a text may be a name; how a word is written, and how the model would write it, tell which are."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmkit import HuggingFaceChat
from llmkit.chains.ner import candidates as module
from llmkit.chains.ner.candidates import Truecaser, find_candidates, name_words
from llmkit.chains.ner.function_words import function_words, names_nothing
from llmkit.chains.ner.tuning import SMOLLM2_135M
from llmkit.chains.scoring import spans_from
from llmkit.prompts import TaskPrompt
from llmkit.text.segmentation import Span, sentences
from llmkit.text.words import Word
from tests.support import tiny
from tests.support.generation import forward_shapes
from tests.support.models import chat
from tests.support.reference import teacher_forcing
from tests.support.texts import TEXTS

PROMPT = TaskPrompt.load("mentions")


BORDER = regex.compile(r"[\t|¦\u2500-\u257f]|\A[^\n\r]*[^\S\n\r]{2}[^\n\r]*\Z|[,;:=<>{}\[\]`](\S|$)")


def gaps(found: Sequence[Word], span: Span) -> list[Span]:
    """What is between the words of a span."""
    inside = [word for word in found if span.start <= word.start and word.end <= span.end]
    return [Span(left.end, right.start) for left, right in pairwise(inside)]


def truecaser(llm: HuggingFaceChat | None = None) -> Truecaser:
    model = llm or chat("llama")
    return Truecaser(model, PROMPT.fit("N/A", model=model, max_new_tokens=60), SMOLLM2_135M)


def knowing(*names: str, common: str = "the in of was and") -> Truecaser:
    """One that knows these names and these common words, and takes every other word for a rare plain one."""

    class Known(dict[str, float]):
        def __missing__(self, word: str) -> float:
            return -12.0 if word in names else -2.0 if word.lower() in common.split() else -20.0

    class KnownWords(Truecaser):
        def score_words(self, found: object) -> None:
            """Everything is known."""

    caser = truecaser()
    known = Known({name.lower(): -20.0 for name in names})
    return KnownWords(caser.llm, caser.prompt, SMOLLM2_135M, known)


SHARED = truecaser()


def is_nothing(text: str, span: Span, *, proper_names: bool) -> bool:
    """Return whether a span begins or ends with a function word, or has nothing else."""
    places = [place for place, word in enumerate(name_words(text)) if span.start < word.end and word.start < span.end]
    flags = function_words(text, name_words(text))
    within = slice(places[0], places[-1] + 1)
    texts = [word.of(text) for word in name_words(text)]
    return names_nothing(flags[within], texts[within], proper_names=proper_names)


@given(TEXTS, st.integers(1, 4))
@example("0¦0", 2)
@example("0:\x1f0", 2)
@settings(max_examples=60, deadline=None)
def test_candidates_are_valid_spans_of_any_text(text: str, most: int) -> None:
    every = find_candidates(text, most, None)
    ends = [sentence.end for sentence in sentences(text)]
    spans = [
        span
        for each in spans_from(text, name_words(text), most)
        for span in each
        if not any(span.start < end < span.end for end in ends)
        and not any(BORDER.search(gap.of(text)) for gap in gaps(name_words(text), span))
    ]
    named = [span for span in spans if not is_nothing(text, span, proper_names=False)]
    assert [each.span for each in every] == named
    assert all(each.border_cost == 0 for each in every)
    assert len(set(spans)) == len(spans)
    kept = find_candidates(text, most, SHARED)
    assert {each.span for each in kept} <= {span for span in spans if not is_nothing(text, span, proper_names=True)}
    assert all(0 <= each.border_cost <= SMOLLM2_135M.max_border_cost for each in kept)


def test_words_of_names() -> None:
    text = "Rome's Bob's boss’ 👨\u200d👩\u200d👧 \u200d © C++ 2011 ' x'"
    assert [word.of(text) for word in name_words(text)] == ["Rome", "Bob", "boss", "C++", "2011", "x"]


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_words_are_scored_as_by_teacher_forcing(name: str) -> None:
    caser = truecaser(chat(name))
    caser.score_words(["Paris", "dog", "東", "<|im_end|>", "ŞİİR"])
    assert set(caser.known) == {"Paris", "paris", "dog", "Dog", "東", "<|im_end|>", "ŞİİR", "ŞİİR".lower()}
    encoder = caser.llm.engine.encoder
    prompt = encoder.encode_messages(caser.prompt.messages)
    wanted = [teacher_forcing(tiny.make(name), prompt, encoder.encode_continuation(f" {word}")) for word in caser.known]
    np.testing.assert_allclose(list(caser.known.values()), wanted, atol=1e-4)


def test_each_word_is_scored_once() -> None:
    caser = truecaser()
    with forward_shapes(caser.llm.engine) as shapes:
        find_candidates("The dog is in Paris.", 3, caser)
        assert shapes
        shapes.clear()
        find_candidates("Is Paris the dog, in paris?", 3, caser)
        assert not shapes


def test_the_cache_of_word_scores_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KNOWN_WORDS", 3)
    caser = truecaser()
    before = find_candidates("The dog is in Paris.", 2, caser)
    find_candidates("Paris is a fox.", 2, caser)
    assert find_candidates("The dog is in Paris.", 2, caser) == before
    assert "fox" not in caser.known


def test_a_very_long_word_is_not_a_name() -> None:
    text = f"Acme {'Ab' * 2000} Corp"
    for caser in (knowing("Acme", "Corp"), None):
        assert [each.of(text) for each in find_candidates(text, 3, caser)] == ["Acme", "Corp"]
    find_candidates(text, 3, SHARED)  # the model, whose window is smaller, is not asked


def test_a_capital_makes_a_name_likelier() -> None:
    caser = truecaser()
    caser.known.update({"lille": -14.0, "Lille": -12.0})
    inside, first, lower = (
        caser.name_probability(word, SMOLLM2_135M.capitals, first=at)
        for word, at in (("Lille", False), ("Lille", True), ("lille", False))
    )
    assert inside == pytest.approx(1 / (1 + np.exp(-6)))
    assert first == pytest.approx(1 / (1 + np.exp(-3)))
    assert lower == pytest.approx(1 / (1 + np.exp(2)))
    caser.known["Lille"] = -3.0  # common words are no names, whatever their capitals
    assert caser.name_probability("Lille", SMOLLM2_135M.capitals, first=False) == 0


def test_candidates_have_exact_boundaries() -> None:
    text = "the boss of Acme Corp was in Rome."
    caser = knowing("Acme", "Corp", "Rome")
    costs = {each.of(text): each.border_cost for each in find_candidates(text, 3, caser)}
    assert costs["Acme Corp"] < 0.5 > costs["Rome"]
    assert costs["Acme"] == pytest.approx(costs["Corp"], abs=0.1)
    assert costs["Acme"] > SMOLLM2_135M.neighbor_cost - 0.5
    assert not {"the", "was", "the boss", "boss of Acme"} & set(costs)


def test_names_in_lists_are_separate() -> None:
    text = "Acme, Corp"
    costs = {each.of(text): each.border_cost for each in find_candidates(text, 3, knowing("Acme", "Corp"))}
    assert costs["Acme"] < 0.5 > costs["Corp"]


NAMES = knowing("Maria", "Holm", "Karl", "Berg", "Doe")
TITLES = (
    "Dr",
    "DR",
    "Mrs",
    "Mr",
    "Prof",
    "Lt",
    "Col",
    "Capt",
    "Rev",
    "Sir",
    "Captain",
    "Madam",
    "Frau",
    "Hr",
    "Mme",
    "M",
)
SEPARATORS = [
    ", ",
    ",",
    ";",
    "; ",
    "|",
    " | ",
    "\t",
    "    ",
    "\n",
    "\r\n",
    "\n\n",
    "\n- ",
    ". ",
    '","',
    "=",
    " – ",
]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_separators_of_names_have_no_cost(separator: str) -> None:
    alone = find_candidates("Maria Holm", 3, NAMES)
    listed = find_candidates(f"Maria Holm{separator}Karl Berg", 3, NAMES)
    costs = {each.span: each.border_cost for each in listed}
    assert {each.span: costs[each.span] for each in alone} == {each.span: each.border_cost for each in alone}
    assert "Karl Berg" in {each.of(f"Maria Holm{separator}Karl Berg") for each in listed}


@pytest.mark.parametrize("separator", [",", ";", "|", " | ", "\t", "    ", "\n", "\n\n", '","', "=", "</b><b>"])
@pytest.mark.parametrize("caser", [NAMES, None])
def test_no_name_spans_two_fields_or_lines(separator: str, caser: Truecaser | None) -> None:
    text = f"Maria Holm{separator}Karl Berg{separator}Doe"
    found = {each.of(text) for each in find_candidates(text, 6, caser)}
    assert {"Maria Holm", "Karl Berg", "Doe"} <= found
    assert {name for name in found if len(name) > 10} <= {"Maria Holm"}


def test_a_name_can_continue_in_the_next_line_of_wrapped_text() -> None:
    text = (
        "The old lighthouse of the harbour was built in 1874 by the engineer Maria\n"
        "Holm, who had come from a small village in the hills to the west of New\n"
        "York with her family."
    )
    assert {"Maria\nHolm", "New\nYork"} <= {each.of(text) for each in find_candidates(text, 2, None)}


@pytest.mark.parametrize(
    ("text", "name", "titles"),
    [
        ("Dr. Maria Holm left.", "Maria Holm", {"Dr"}),
        ("Dr Maria Holm left.", "Maria Holm", {"Dr"}),
        ("DR. Maria Holm left.", "Maria Holm", {"DR"}),
        ("Mrs. Holm met Prof. Dr. Berg.", "Berg", {"Mrs", "Prof", "Dr", "Prof. Dr"}),
        ("Lt. Col. Berg and Mr. and Mrs. Holm left.", "Holm", {"Lt", "Col", "Lt. Col", "Mr", "Mrs", "Mr. and Mrs"}),
        ("Capt.Holm met Rev. Doe.", "Doe", {"Capt", "Rev"}),
        ("Yes, Sir. Captain Holm left, Madam.", "Holm", {"Sir", "Captain", "Madam"}),
        ("Frau Holm, Hr. Berg, Mme Doe und M. Karl.", "Karl", {"Frau", "Hr", "Mme", "M"}),
    ],
)
def test_a_title_alone_is_not_a_name(text: str, name: str, titles: set[str]) -> None:
    every = {
        each.of(text) for each in find_candidates(text, 3, knowing("Maria", "Holm", "Karl", "Berg", "Doe", *TITLES))
    }
    assert name in every
    assert not every & titles
    assert titles - {"Mr. and Mrs"} <= {each.of(text) for each in find_candidates(text, 3, None)}


def test_names_that_look_like_titles_are_names() -> None:
    for text in ("Gen was here.", "Maj met Col at noon", "They met M at St. Karl."):
        found = {each.of(text) for each in find_candidates(text, 2, knowing("Gen", "Maj", "Col", "M", "Karl", "St"))}
        assert found & {"Gen", "Maj", "M"}
    assert "St. Karl" in found


def test_initials_belong_to_their_name() -> None:
    text = "met J. R. Doe and Karl."
    costs = {each.of(text): each.border_cost for each in find_candidates(text, 3, knowing("J", "R", "Doe", "Karl"))}
    assert costs["J. R. Doe"] < 0.5 > costs["Karl"]
    assert costs["Doe"] > SMOLLM2_135M.neighbor_cost - 0.5


def test_text_in_one_case_gives_no_evidence_for_names() -> None:
    """In a headline, or small letters, the model's word alone counts: capitals do not make names of words."""
    for text in ("ROME WON IN ACME", "rome won in acme"):
        caser = knowing("rome", "acme", "ROME", "ACME", "Rome", "Acme")
        caser.known.update({"WON": -18.0, "won": -8.0, "Won": -18.0, "IN": -2.0, "rome": -20.0, "acme": -20.0})
        costs = {each.of(text).lower(): each.border_cost for each in find_candidates(text, 1, caser)}
        assert costs["rome"] < 1 > costs["acme"]
        assert "won" not in costs


def test_scripts_without_capitals_give_no_evidence_for_names() -> None:
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

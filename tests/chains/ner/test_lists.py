"""Which lines are names, written `Last, First`, and which are lists; and what follows for their scores."""

import numpy as np
import pytest

from llmkit import HuggingFaceChat
from llmkit.chains import NERChain
from llmkit.chains.ner.lists import (
    decide_lists_together,
    doubtful_cells,
    inverted_names,
    join_inverted_names,
    lists_of_names,
)
from llmkit.text.segmentation import Span


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("HOLM, Maria\nBERG, Karl", ["HOLM, Maria", "BERG, Karl"]),
        ("Holm, Maria\nBerg, Karl", ["Holm, Maria", "Berg, Karl"]),
        ("HOLM, Maria", ["HOLM, Maria"]),
        ("Present:\nHolm, Maria", ["Holm, Maria"]),
        ("Holm, Maria; Berg, Karl", ["Holm, Maria", "Berg, Karl"]),
        ("1. Holm, Maria (chair)\n2. von der Berg, Karl J.", ["Holm, Maria", "von der Berg, Karl J."]),
        ("- GARCÍA LÓPEZ, Ana\r\n- O'Hara, Kim\r\n", ["GARCÍA LÓPEZ, Ana", "O'Hara, Kim"]),
        ("Holm, Maria", []),
        ("Hello, Maria\nwe met in Oslo.", []),
        ("Maria Holm, Berlin\nKarl Berg, Paris", []),
        ("", []),
    ],
)
def test_names_that_begin_with_the_surname(text: str, names: list[str]) -> None:
    assert [name.of(text) for name, _ in inverted_names(text)] == names
    assert all(first.of(text) == name.of(text).split(", ")[1] for name, first in inverted_names(text))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Present: Holm, Berg, Lee.", [["Holm", "Berg", "Lee"]]),
        ("Absent: Holm and Berg", [["Holm", "Berg"]]),
        ("Ann, Bob und Carl", [["Ann", "Bob", "Carl"]]),
        ("Anna, Maria", []),
        ("He met Ann, Bob and Carl there.", []),
    ],
)
def test_lists_of_names(text: str, items: list[list[str]]) -> None:
    assert [[item.of(text) for item in row] for row in lists_of_names(text)] == items


def test_the_parts_of_a_name_are_improbable_where_the_first_name_is_a_person() -> None:
    text, spans = "HOLM, Maria", [Span(0, 4), Span(0, 11), Span(6, 11)]
    scores = np.array([[1.0, 0.0], [0.0, 0.0], [5.0, 1.0]])
    assert join_inverted_names(text, spans, scores, person=0).tolist() == [[-19, -20], [5, 0], [-15, -19]]
    assert (join_inverted_names(text, spans, scores, person=1) == scores).all()


def test_doubtful_items_of_a_list_are_decided_by_all() -> None:
    text, spans = "Present: Holm, Lee", [Span(9, 13), Span(15, 18)]
    scores = np.array([[0.2, 0.4], [3.0, -1.0]])
    assert np.allclose(decide_lists_together(text, spans, scores, 0.0), [[4.2, 0.4], [3.0, -1.0]])


def test_doubtful_cells_are_lines_or_cells_of_several() -> None:
    scores = np.array([[0.2, 0.3]])
    assert doubtful_cells("-- \nAnn | Berlin", [Span(10, 16)], scores, 0.0) == [0]
    assert doubtful_cells("-- \nAnn | Berlin", [Span(10, 16)], np.array([[5.2, 0.3]]), 0.0) == []
    assert doubtful_cells("Berlin", [Span(0, 6)], scores, 0.0) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Best regards,\nMaria Holm\nAcme Corporation\nBerlin", ["Maria Holm", "Acme Corporation", "Berlin"]),
        ("HOLM, Maria\nBERG, Karl", ["HOLM, Maria", "BERG, Karl"]),
        ("Holm, Maria\nBerg, Karl", ["Holm, Maria", "Berg, Karl"]),
        ("Present: Holm, Berg, Lee.", ["Holm", "Berg", "Lee"]),
        ("Berlin, Germany\nParis, France", ["Berlin", "Germany", "Paris", "France"]),
    ],
)
def test_names_in_signatures_and_attendance_lists(default_llm: HuggingFaceChat, text: str, names: list[str]) -> None:
    assert [entity.text for entity in NERChain(default_llm).invoke(text)] == names


@pytest.mark.slow
def test_a_city_in_a_signature_of_one_line(default_llm: HuggingFaceChat) -> None:
    entities = NERChain(default_llm).invoke("--\nMaria Holm | Acme Corporation | Berlin")
    assert ("Berlin", "location") in [(entity.text, entity.label) for entity in entities]

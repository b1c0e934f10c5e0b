"""Which rows a guarantee may stand on: those that the chain has not learned from, each once."""

import pytest

from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.errors import InputError


def test_rows_that_were_learned_from_are_refused():
    seen = SeenTexts().with_texts(["The lamp  broke."])
    with pytest.raises(InputError, match="row 2 is one of the texts that the chain learned from"):
        seen.refuse(["The soup was good.", "The lamp broke.\n"])


def test_copies_of_a_row_are_refused():
    with pytest.raises(InputError, match="rows 1 and 3 have the same text"):
        SeenTexts().refuse(["The lamp broke.", "The soup was good.", "The lamp broke."])


def test_other_rows_are_accepted():
    seen = SeenTexts().with_texts(["The lamp broke."])
    seen.refuse(["The soup was good.", "The lamp works."])
    assert seen.has_any(["The lamp broke."])
    assert not seen.has_any(["The soup was good."])

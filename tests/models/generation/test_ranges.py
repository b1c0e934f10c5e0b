"""The ranges of generation settings are those that the settings have."""

import pytest

from llmkit.errors import SettingsError
from llmkit.models.generation.ranges import RANGES, Range
from llmkit.models.generation.settings import GenerationSettings


@pytest.mark.parametrize("name", RANGES)
def test_the_bounds_are_accepted_and_what_is_beyond_them_is_not(name):
    least, most = RANGES[name].gt if RANGES[name].ge is None else RANGES[name].ge, RANGES[name].le
    assert least is not None
    if RANGES[name].gt is None:
        assert getattr(GenerationSettings(**{name: least}), name) == least
    if most is not None:
        assert getattr(GenerationSettings(**{name: most}), name) == most
    beyond = [least - 1, *([least] if RANGES[name].gt is not None else []), *([most + 1] if most else [])]
    for value in beyond:
        with pytest.raises(SettingsError, match=f"{name} is {value}"):
            GenerationSettings(**{name: value})


@pytest.mark.parametrize(
    ("bounds", "words"),
    [(Range(ge=1), "1 or more"), (Range(ge=-2, le=2), "-2 to 2"), (Range(gt=0, le=1), "above 0, to 1")],
)
def test_a_range_in_words(bounds, words):
    assert str(bounds) == words

"""Settings are checked when made: the value that is wrong is named, and what is right becomes transformers' own."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig

from llmkit.errors import InputError, SettingsError
from llmkit.models.generation.settings import MAX_STOPS, NAMES, GenerationSettings

WRONG: list[tuple[str, Any]] = [
    ("max_new_tokens", 0),
    ("max_new_tokens", 2.5),
    ("max_new_tokens", True),
    ("min_new_tokens", -1),
    ("temperature", -0.1),
    ("temperature", 101),
    ("temperature", math.nan),
    ("temperature", "0.5"),
    ("temperature", 1e-40),
    ("temperature", math.inf),
    ("top_k", -3),
    ("top_k", 1.5),
    ("top_p", 0),
    ("top_p", 1.1),
    ("min_p", -0.1),
    ("min_p", 1.5),
    ("typical_p", 0),
    ("repetition_penalty", 0),
    ("repetition_penalty", -1),
    ("repetition_penalty", 1e-40),
    ("repetition_penalty", math.inf),
    ("no_repeat_ngram_size", -1),
    ("num_beams", 0),
    ("length_penalty", "long"),
    ("length_penalty", math.nan),
    ("length_penalty", -math.inf),
    ("stop", [""]),
    ("stop", ["a", 5]),
    ("stop", 5),
    ("stop", ["x"] * 100),
    ("seed", -1),
    ("seed", 1.0),
    ("n", 0),
    ("presence_penalty", 2.1),
    ("frequency_penalty", -2.1),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=str)
def test_a_wrong_value_is_named(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        GenerationSettings(**{name: value})
    said = str(caught.value)
    assert name in said
    assert "\n" not in said
    assert isinstance(caught.value, InputError)
    if name != "stop":
        assert repr(value) in said
    with pytest.raises(SettingsError, match=name):
        GenerationSettings().override(**{name: value})


@pytest.mark.parametrize(
    ("together", "named"),
    [
        ({"min_new_tokens": 9, "max_new_tokens": 5}, "min_new_tokens is 9"),
        ({"num_beams": 2, "n": 3}, "n is 3"),
        ({"num_beams": 2, "temperature": 0.5}, "num_beams=2"),
        ({"temperature": 0, "n": 2}, "n is 2"),
    ],
)
def test_what_does_not_go_together(together: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        GenerationSettings(**together)
    first, *rest = together.items()
    with pytest.raises(SettingsError, match=named):
        GenerationSettings(**dict([first])).override(**dict(rest))


def test_overrides_change_a_copy() -> None:
    settings = GenerationSettings(temperature=0.5, stop="end")
    assert settings.override(top_k=3, max_tokens=7) == GenerationSettings(
        temperature=0.5, stop=("end",), top_k=3, max_new_tokens=7
    )
    assert settings == GenerationSettings(temperature=0.5, stop=("end",))
    assert hash(settings) == hash(GenerationSettings(temperature=0.5, stop=["end"]))  # type: ignore[arg-type]
    assert settings.override(temperature=None).temperature is None
    with pytest.raises(SettingsError, match="unknown generation setting top_kk=3: did you mean top_k"):
        settings.override(top_kk=3)
    assert settings.override(max_tokens=7, max_new_tokens=7).max_new_tokens == 7
    with pytest.raises(SettingsError, match="max_tokens is 7 and max_new_tokens is 8"):
        settings.override(max_tokens=7, max_new_tokens=8)


def test_as_many_stop_strings_as_may_be() -> None:
    assert len(GenerationSettings(stop=tuple("x" * n for n in range(1, MAX_STOPS + 1))).stop) == MAX_STOPS


values = st.fixed_dictionaries(
    {},
    optional={
        "max_new_tokens": st.integers(1, 9),
        "min_new_tokens": st.integers(0, 1),
        "temperature": st.sampled_from([0, 0.0, 0.1, 1, 2.5]),
        "top_k": st.integers(0, 50),
        "top_p": st.floats(0.01, 1),
        "min_p": st.floats(0, 1),
        "typical_p": st.floats(0.01, 1),
        "repetition_penalty": st.floats(0.1, 3),
        "no_repeat_ngram_size": st.integers(0, 4),
        "length_penalty": st.floats(-2, 2),
        "stop": st.lists(st.text(min_size=1), max_size=3),
        "seed": st.integers(0, 2**40),
        "presence_penalty": st.floats(-2, 2),
        "frequency_penalty": st.floats(-2, 2),
    },
)


@given(values)
def test_what_is_said_reaches_transformers_and_nothing_else_does(given_values: dict[str, Any]) -> None:
    settings = GenerationSettings(**given_values)
    arguments = settings.to_transformers()
    config = GenerationConfig(**arguments)
    assert set(arguments) <= {*NAMES, "do_sample", "num_return_sequences"} - {"stop", "seed", "n"}
    drawn = {"temperature", "top_k", "top_p", "min_p", "typical_p"} & set(given_values)
    if given_values.get("temperature") == 0:
        assert config.do_sample is False
        assert not drawn & set(arguments)
    elif drawn:
        assert config.do_sample is True
        assert all(getattr(config, name) == given_values[name] for name in drawn)
    else:
        assert "do_sample" not in arguments, "the model's own settings decide"
    for name in ("max_new_tokens", "repetition_penalty", "no_repeat_ngram_size", "length_penalty"):
        assert getattr(config, name) == given_values.get(name)

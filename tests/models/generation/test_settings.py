"""Settings are validated when created, errors name the invalid value, and valid settings reach transformers."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig

from llmkit.errors import InputError, SettingsError
from llmkit.models.generation.settings import MAX_STOPS, NAMES, GenerationSettings

INVALID_VALUES: list[tuple[str, Any]] = [
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


@pytest.mark.parametrize(("name", "value"), INVALID_VALUES, ids=str)
def test_an_invalid_value_raises_an_error_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        GenerationSettings(**{name: value})
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    assert isinstance(caught.value, InputError)
    if name != "stop":
        assert repr(value) in message
    with pytest.raises(SettingsError, match=name):
        GenerationSettings().override(**{name: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_new_tokens": 9, "max_new_tokens": 5}, "min_new_tokens is 9"),
        ({"num_beams": 2, "n": 3}, "n is 3"),
        ({"num_beams": 2, "temperature": 0.5}, "num_beams=2"),
        ({"temperature": 0, "n": 2}, "n is 2"),
    ],
)
def test_settings_that_exclude_each_other_raise_settings_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        GenerationSettings(**settings)
    first, *rest = settings.items()
    with pytest.raises(SettingsError, match=message):
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


def test_the_greatest_number_of_stop_strings_is_valid() -> None:
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
def test_only_the_settings_that_are_given_reach_transformers(given_values: dict[str, Any]) -> None:
    settings = GenerationSettings(**given_values)
    arguments = settings.to_transformers()
    config = GenerationConfig(**arguments)
    assert set(arguments) <= {*NAMES, "do_sample", "num_return_sequences"} - {"stop", "seed", "n"}
    sampling = {"temperature", "top_k", "top_p", "min_p", "typical_p"} & set(given_values)
    if given_values.get("temperature") == 0:
        assert config.do_sample is False
        assert not sampling & set(arguments)
    elif sampling:
        assert config.do_sample is True
        assert all(getattr(config, name) == given_values[name] for name in sampling)
    else:
        assert "do_sample" not in arguments, "the model's generation_config decides"
    for name in ("max_new_tokens", "repetition_penalty", "no_repeat_ngram_size", "length_penalty"):
        assert getattr(config, name) == given_values.get(name)

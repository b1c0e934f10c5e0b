"""How a completion is generated: settings that are checked when they are made."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from llmkit.errors import SettingsError
from llmkit.models.generation.ranges import LEAST_DIVISOR, RANGES

MAX_STOPS = 16
DEFAULT_MAX_NEW_TOKENS = 512


def _check_temperature(value: float) -> float:
    if 0 < value < LEAST_DIVISOR:
        raise ValueError(f"must be 0, for the likeliest token, or at least {LEAST_DIVISOR:g}")
    return value


def _to_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _in_range(name: str) -> Any:
    """Return the constraint of a setting for pydantic."""
    return Field(**RANGES[name]._asdict())


NonEmpty = Annotated[str, Field(min_length=1)]


class GenerationSettings(BaseModel):
    """How a completion is generated; `None` leaves a choice to the model's own defaults.

    Names and meanings are those of `transformers.GenerationConfig`, but for the languages, and for `stop`, `seed`, `n`
    and the two penalties, which are those of the common chat APIs. `max_tokens` is understood as `max_new_tokens`;
    `do_sample=False` as `temperature=0`, and `do_sample=True` as sampling, at temperature 1 unless another is given.

    Attributes:
        max_new_tokens: the most tokens a completion may have; 512 if nothing else says how many.
        min_new_tokens: the fewest tokens before the completion may end.
        temperature: divides the logits before sampling; 0 takes the likeliest token (greedy).
        top_k: sample among the k likeliest tokens; 0 among all.
        top_p: sample among the likeliest tokens that together reach this probability (Holtzman et al. 2020).
        min_p: drop tokens less likely than this share of the likeliest one (Nguyen et al. 2024).
        typical_p: sample among locally typical tokens of this mass (Meister et al. 2023).
        repetition_penalty: divides the logits of tokens seen in prompt and completion (Keskar et al. 2019); 1 is none.
        no_repeat_ngram_size: no sequence of this many tokens occurs twice; 0 is no limit.
        num_beams: beams of beam search; 1 is none.
        length_penalty: the exponent of the length that a beam's score is divided by.
        stop: strings that end the completion; they are not part of it.
        seed: makes sampling repeatable, whatever else draws random numbers in the process.
        n: how many completions of one prompt.
        source_language: what a translation model translates from: a code of its tokenizer, such as "fra_Latn" or
            "fr_XX", or the beginning of only one.
        target_language: what it translates into.
        forced_bos_token_id: the first token of a completion by an encoder-decoder model.
        presence_penalty: subtracted from the logits of every token that the completion already has.
        frequency_penalty: subtracted once for every time that the completion already has the token.

    Raises:
        SettingsError: a value is of the wrong type or out of range, or two contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    max_new_tokens: Annotated[int, _in_range("max_new_tokens")] | None = None
    min_new_tokens: Annotated[int, _in_range("min_new_tokens")] | None = None
    temperature: Annotated[float, _in_range("temperature"), AfterValidator(_check_temperature)] | None = None
    top_k: Annotated[int, _in_range("top_k")] | None = None
    top_p: Annotated[float, _in_range("top_p")] | None = None
    min_p: Annotated[float, _in_range("min_p")] | None = None
    typical_p: Annotated[float, _in_range("typical_p")] | None = None
    repetition_penalty: Annotated[float, _in_range("repetition_penalty")] | None = None
    no_repeat_ngram_size: Annotated[int, _in_range("no_repeat_ngram_size")] | None = None
    num_beams: Annotated[int, _in_range("num_beams")] | None = None
    length_penalty: Annotated[float, _in_range("length_penalty")] | None = None
    stop: Annotated[tuple[NonEmpty, ...], BeforeValidator(_to_tuple), Field(max_length=MAX_STOPS)] = ()
    seed: Annotated[int, _in_range("seed")] | None = None
    n: Annotated[int, _in_range("n")] = 1
    source_language: NonEmpty | None = None
    target_language: NonEmpty | None = None
    forced_bos_token_id: Annotated[int, _in_range("forced_bos_token_id")] | None = None
    presence_penalty: Annotated[float, _in_range("presence_penalty")] = 0.0
    frequency_penalty: Annotated[float, _in_range("frequency_penalty")] = 0.0

    if not TYPE_CHECKING:  # type checkers see the fields

        def __init__(self, **values: Any) -> None:
            values = _standard_names(values, None)
            for name in values:
                if name not in NAMES:
                    raise SettingsError(_unknown(name, values[name]))
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise SettingsError(explain(error)) from error

    @model_validator(mode="after")
    def _check_together(self) -> GenerationSettings:
        if self.min_new_tokens and self.max_new_tokens and self.min_new_tokens > self.max_new_tokens:
            raise ValueError(
                f"min_new_tokens is {self.min_new_tokens}, more than max_new_tokens, {self.max_new_tokens}"
            )
        beams = self.num_beams or 1
        if self.n > 1 and beams > 1 and self.n > beams:
            raise ValueError(f"n is {self.n}, but num_beams={beams} yields no more than {beams} completions")
        if beams > 1 and self.temperature:
            raise ValueError(f"num_beams={beams} searches and cannot sample: leave temperature out, or set it to 0")
        if self.target_language is not None and self.forced_bos_token_id is not None:
            raise ValueError("target_language and forced_bos_token_id both set the first token: give one of them")
        if self.n > 1 and beams == 1 and self.temperature == 0:
            raise ValueError(f"n is {self.n}, but greedy decoding (temperature=0) has one result: raise temperature")
        return self

    def override(self, **changes: Any) -> GenerationSettings:
        """Return a copy with some settings changed; raises what the constructor raises."""
        return GenerationSettings(**{**dict(self), **_standard_names(changes, self.temperature)})

    @property
    def sampled(self) -> bool | None:
        """Whether tokens are drawn; `None` if the model's own defaults decide."""
        if (self.num_beams or 1) > 1 or self.temperature == 0:
            return False
        drawn = (self.temperature, self.top_k, self.top_p, self.min_p, self.typical_p)
        return True if self.n > 1 or any(value is not None for value in drawn) else None

    def to_transformers(self) -> dict[str, Any]:
        """Return the arguments for `transformers.GenerationConfig`, without those that are `None` here."""
        excluded = {"stop", "seed", "n", "presence_penalty", "frequency_penalty"}  # the engine applies these
        excluded |= {"source_language", "target_language"}
        if not self.sampled:
            excluded |= {"temperature", "top_k", "top_p", "min_p", "typical_p"}
        config = self.model_dump(exclude=excluded, exclude_none=True)
        if self.sampled is not None:
            config["do_sample"] = self.sampled
        return {**config, "num_return_sequences": self.n}


NAMES = tuple(GenerationSettings.model_fields)


def _standard_names(values: dict[str, Any], temperature: float | None) -> dict[str, Any]:
    """Return the values with `max_tokens` and `do_sample` in this class's terms; `temperature` is the one so far."""
    values = dict(values)
    if "max_tokens" in values:
        limit = values.pop("max_tokens")
        if values.setdefault("max_new_tokens", limit) != limit:
            raise SettingsError(
                f"max_tokens is {limit!r} and max_new_tokens is {values['max_new_tokens']!r}: "
                "they are two names of one setting, so give one of them"
            )
    do_sample = values.pop("do_sample", None)
    if do_sample is None:
        return values
    if not isinstance(do_sample, bool):
        raise SettingsError(f"do_sample is {do_sample!r}, but must be True or False")
    temperature = values.get("temperature", temperature)
    if do_sample and temperature == 0:
        raise SettingsError("do_sample is True, but temperature is 0, which takes the likeliest token: raise it")
    if not do_sample and values.get("temperature"):
        raise SettingsError(f"do_sample is False, but temperature is {values['temperature']!r}: give one of them")
    return {**values, "temperature": (1.0 if temperature is None else temperature) if do_sample else 0.0}


_OTHER_NAMES = {
    "device_map": "device",
    "torch_dtype": "dtype",
    "model_name": "model",
    "load_in_8bit": 'quantization="int8"',
    "load_in_4bit": 'quantization="int4"',
    "max_length": "max_new_tokens",
    "src_lang": "source_language",
    "tgt_lang": "target_language",
}
"""What transformers and LangChain call arguments that llmkit has under another name."""


def _unknown(name: str, value: Any) -> str:
    near = [_OTHER_NAMES[name]] if name in _OTHER_NAMES else difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(NAMES)}"
    return f"unknown generation setting {name}={value!r}: {hint}"


_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "tuple_type": "a string or a list of strings",
    "string_type": "a string",
    "string_too_short": "text that is not empty",
}


def explain(error: ValidationError) -> str:
    """Return the first error that pydantic found, as one sentence: what is wrong, and what would be right."""
    first = error.errors()[0]
    name = ".".join(part for part in first["loc"] if isinstance(part, str))  # without the places of items
    context = first.get("ctx", {})
    if first["type"] == "value_error":
        return f"{name} is {first['input']!r}, but {context['error']}" if name else str(context["error"])
    name = name or "it"
    if first["type"] == "too_long":
        return f"{name} has {context['actual_length']} items, but may have at most {context['max_length']}"
    wanted = _WANTED.get(first["type"])
    if wanted is None:
        return f"{name} is {first['input']!r:.100}, which cannot be: {first['msg']}"
    return f"{name} is {first['input']!r:.100}, but must be {wanted.format(**context)}"

"""How an answer is generated: settings that are checked when they are made."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from llmkit.errors import SettingsError

MAX_STOPS = 16
LEAST = 1e-4  # what logits are divided by; by less they would overflow
DEFAULT_MAX_NEW_TOKENS = 512


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """What decides how an answer is generated; `None` leaves a choice to the model's own defaults.

    Names and meanings are those of `transformers.GenerationConfig`, but for `stop`, `seed`, `n` and the two
    penalties at the end, which are those of the common chat APIs.

    Attributes:
        max_new_tokens: the most tokens an answer may have; 512 if nothing says otherwise.
        min_new_tokens: the fewest tokens before the answer may end.
        temperature: divides the logits before sampling; 0 takes the likeliest token (greedy).
        top_k: sample among the k likeliest tokens; 0 among all.
        top_p: sample among the likeliest tokens that together reach this probability (Holtzman et al. 2020).
        min_p: drop tokens less likely than this share of the likeliest one (Nguyen et al. 2024).
        typical_p: sample among locally typical tokens of this mass (Meister et al. 2023).
        repetition_penalty: divides the logits of tokens seen in prompt and answer (Keskar et al. 2019); 1 is none.
        no_repeat_ngram_size: no sequence of this many tokens occurs twice; 0 is no limit.
        num_beams: beams of beam search; 1 is none.
        length_penalty: the exponent of the length that a beam's score is divided by.
        stop: strings that end the answer; they are not part of it.
        seed: makes sampling repeatable, whatever else draws random numbers in the process.
        n: how many answers to one prompt.
        presence_penalty: subtracted from the logits of every token that the answer already has.
        frequency_penalty: subtracted once for every time that the answer already has the token.

    Raises:
        SettingsError: a value is of the wrong type or out of range.
    """

    max_new_tokens: int | None = None
    min_new_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    num_beams: int | None = None
    length_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name, rule in _RULES.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, rule(name, value))
        self._check_together()

    def _check_together(self) -> None:
        if self.min_new_tokens and self.max_new_tokens and self.min_new_tokens > self.max_new_tokens:
            raise SettingsError(
                f"min_new_tokens is {self.min_new_tokens}, more than max_new_tokens, {self.max_new_tokens}"
            )
        beams = self.num_beams or 1
        if self.n > 1 and beams > 1 and self.n > beams:
            raise SettingsError(f"n is {self.n}, but num_beams={beams} yields no more than {beams} answers")
        if beams > 1 and self.temperature:
            raise SettingsError(f"num_beams={beams} searches; it cannot sample: leave temperature out, or set it to 0")
        if self.n > 1 and beams == 1 and self.temperature == 0:
            raise SettingsError(f"n is {self.n}, but greedy decoding (temperature=0) has one answer: raise temperature")

    def override(self, **changes: Any) -> GenerationSettings:
        """Give these settings with some of them changed; `max_tokens`, LangChain's name, is `max_new_tokens`.

        Raises:
            SettingsError: a name is not a setting, a value is out of range, or both names are given, with two values.
        """
        if "max_tokens" in changes:
            if changes.get("max_new_tokens", changes["max_tokens"]) != changes["max_tokens"]:
                raise SettingsError(
                    f"max_tokens is {changes['max_tokens']!r} and max_new_tokens is {changes['max_new_tokens']!r}: "
                    "they are two names of one setting, so give one of them"
                )
            changes["max_new_tokens"] = changes.pop("max_tokens")
        unknown = [name for name in changes if name not in NAMES]
        if unknown:
            near = difflib.get_close_matches(unknown[0], NAMES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(NAMES)}"
            raise SettingsError(f"unknown generation setting {unknown[0]}={changes[unknown[0]]!r}: {hint}")
        return replace(self, **changes)

    @property
    def sampled(self) -> bool | None:
        """Whether tokens are drawn; `None` where nothing here says, and the model's own defaults decide."""
        if (self.num_beams or 1) > 1 or self.temperature == 0:
            return False
        drawn = (self.temperature, self.top_k, self.top_p, self.min_p, self.typical_p)
        return True if self.n > 1 or any(value is not None for value in drawn) else None

    def to_transformers(self) -> dict[str, Any]:
        """Give the arguments for `transformers.GenerationConfig`; what is `None` here is left out.

        `stop`, `seed`, `presence_penalty` and `frequency_penalty` have no counterpart there: the engine does them.
        """
        ours = {"stop", "seed", "n", "presence_penalty", "frequency_penalty"}
        values = {name: getattr(self, name) for name in NAMES if name not in ours}
        config = {name: value for name, value in values.items() if value is not None}
        if self.sampled is not None:
            config["do_sample"] = self.sampled
        if not self.sampled:
            for name in ("temperature", "top_k", "top_p", "min_p", "typical_p"):
                config.pop(name, None)
        config["num_return_sequences"] = self.n
        return config


NAMES = tuple(field.name for field in fields(GenerationSettings))
"""The settings' names, in their order."""


def _number(low: float, high: float, *, open_low: bool = False) -> Callable[[str, Any], float]:
    def rule(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SettingsError(f"{name} is {value!r}, but must be a number")
        if not low <= value <= high or (open_low and value == low):
            least = f"more than {low:g}" if open_low else f"at least {low:g}"
            raise SettingsError(f"{name} is {value!r}, but must be {least} and at most {high:g}")
        return value

    return rule


def _temperature(name: str, value: Any) -> float:
    number = _number(0, 100)(name, value)
    if 0 < number < LEAST:
        raise SettingsError(f"{name} is {value!r}, but must be 0, for the likeliest token, or at least {LEAST:g}")
    return number


def _whole(low: int) -> Callable[[str, Any], int]:
    def rule(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise SettingsError(f"{name} is {value!r}, but must be a whole number")
        if value < low:
            raise SettingsError(f"{name} is {value!r}, but must be at least {low}")
        return value

    return rule


def _stops(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple):
        raise SettingsError(f"{name} is {value!r}, but must be a string or a list of strings")
    stops = (value,) if isinstance(value, str) else tuple(value)
    for stop in stops:
        if not isinstance(stop, str) or not stop:
            raise SettingsError(f"{name} holds {stop!r}, but must hold strings that are not empty")
    if len(stops) > MAX_STOPS:
        raise SettingsError(f"{name} holds {len(stops)} strings, but may hold at most {MAX_STOPS}")
    return stops


_RULES: Mapping[str, Callable[[str, Any], Any]] = {
    "max_new_tokens": _whole(1),
    "min_new_tokens": _whole(0),
    "temperature": _temperature,
    "top_k": _whole(0),
    "top_p": _number(0, 1, open_low=True),
    "min_p": _number(0, 1),
    "typical_p": _number(0, 1, open_low=True),
    "repetition_penalty": _number(LEAST, 1 / LEAST),
    "no_repeat_ngram_size": _whole(0),
    "num_beams": _whole(1),
    "length_penalty": _number(-100, 100),
    "stop": _stops,
    "seed": _whole(0),
    "n": _whole(1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
}

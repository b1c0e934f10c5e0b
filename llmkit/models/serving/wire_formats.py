"""What servers take and answer for the log-probabilities of given next tokens: pure functions of JSON.

Each server has a function that makes the body of a request, and one that reads its answer.

- vLLM, `/v1/completions` with `logprob_token_ids` (vllm-project/vllm#43463): the sampled token, and every token that
  was asked for, by `token_id:N`.
- SGLang, `/generate` with `token_ids_logprob`: `meta_info.output_token_ids_logprobs`, lists of `[logprob, id, text]`.
- llama.cpp's server, `/completion` with `n_probs`: `completion_probabilities`, the likeliest tokens before sampling.
- echo, `/v1/completions` with `echo` and `logprobs`: the log-probability of each token of the prompt, of which the
  first has none (OpenAI's completions API, vLLM, llama-cpp-python).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tokens = Sequence[int]

_GREEDY: dict[str, Any] = {"temperature": 0.0, "top_p": 1.0}
_TOKEN_ID = "token_id:"


class UnexpectedAnswer(Exception):
    """Raised for an answer that is not in the documented form; says what it lacks."""


@dataclass(frozen=True)
class NextLogprobs:
    """Log-probabilities of next tokens, in nats.

    Attributes:
        values: those that the server listed, by token.
        greedy: the token that the server chose at temperature 0; `None` if its answer does not say.
        least: what no token that is not listed exceeds; `None` if the listed ones are no ranking.
    """

    values: Mapping[int, float]
    greedy: int | None = None
    least: float | None = None


def vllm_request(model: str, prefix: Tokens, children: Tokens) -> dict[str, Any]:
    """Return the body for vLLM's `/v1/completions`."""
    return {
        "model": model,
        "prompt": list(prefix),
        "max_tokens": 1,
        "logprobs": 1,
        "logprob_token_ids": list(children),
        "return_tokens_as_token_ids": True,
        "add_special_tokens": False,
        **_GREEDY,
    }


def read_vllm(answer: Any) -> NextLogprobs:
    """Read vLLM's answer: `choices[0].logprobs.top_logprobs[0]`, and the sampled token."""
    found = _at(answer, "choices", 0, "logprobs")
    listed, sampled = _at(found, "top_logprobs", 0), _at(found, "tokens", 0)
    if not isinstance(listed, Mapping) or not all(str(name).startswith(_TOKEN_ID) for name in (*listed, sampled)):
        raise UnexpectedAnswer("it does not name tokens by their ids (return_tokens_as_token_ids)")
    values = {_integer(str(name).removeprefix(_TOKEN_ID)): _logprob(value) for name, value in listed.items()}
    return NextLogprobs(values, _integer(str(sampled).removeprefix(_TOKEN_ID)))


def sglang_request(prefixes: Sequence[Tokens], children: Sequence[Tokens]) -> dict[str, Any]:
    """Return the body for SGLang's `/generate`, of any number of prompts at once."""
    return {
        "input_ids": [list(prefix) for prefix in prefixes],
        "sampling_params": {"max_new_tokens": 1, **_GREEDY},
        "return_logprob": True,
        "token_ids_logprob": [list(tokens) for tokens in children],
    }


def read_sglang(answer: Any) -> list[NextLogprobs]:
    """Read SGLang's answer: an object for each prompt."""
    if not isinstance(answer, list):
        raise UnexpectedAnswer("it has no object for each prompt")
    return [_read_sglang(item) for item in answer]


def _read_sglang(answer: Any) -> NextLogprobs:
    listed = _at(answer, "meta_info", "output_token_ids_logprobs", 0)
    chosen = _at(answer, "meta_info", "output_token_logprobs", 0)
    if not isinstance(listed, list):
        raise UnexpectedAnswer("it has no list of output_token_ids_logprobs")
    values = {_integer(_at(item, 1)): _logprob(_at(item, 0)) for item in (chosen, *listed)}
    return NextLogprobs(values, _integer(_at(chosen, 1)))


def llama_cpp_request(prefix: Tokens, count: int, forced: int | None = None) -> dict[str, Any]:
    """Return the body for `/completion` of llama.cpp's server, which lists the `count` likeliest tokens.

    Args:
        prefix: the tokens before them.
        count: how many.
        forced: the token to choose, whatever the model says. The listed log-probabilities are those before sampling,
            so that this does not change them.
    """
    bias = {} if forced is None else {"logit_bias": [[forced, 1e6]]}
    return {
        "prompt": list(prefix),
        "n_predict": 1,
        "n_probs": count,
        "cache_prompt": True,
        "post_sampling_probs": False,
        **_GREEDY,
        **bias,
    }


def read_llama_cpp(answer: Any) -> NextLogprobs | None:
    """Read the answer of llama.cpp's server; `None` if it left the position out.

    It does so if the token that it chose ends in the middle of a character.
    """
    found = _at(answer, "completion_probabilities")
    if found == []:
        return None
    listed = _at(found, 0, "top_logprobs")
    if not isinstance(listed, list) or not listed:
        raise UnexpectedAnswer("it has no top_logprobs (servers before December 2024 have none)")
    values = {_integer(_at(item, "id")): _logprob(_at(item, "logprob")) for item in listed}
    return NextLogprobs(values, _integer(_at(found, 0, "id")), min(values.values()))


def echo_request(model: str, prompt: Tokens | str) -> dict[str, Any]:
    """Return the body for `/v1/completions` with `echo`; some servers take token ids, others only text."""
    given = prompt if isinstance(prompt, str) else list(prompt)
    return {"model": model, "prompt": given, "max_tokens": 1, "echo": True, "logprobs": 1, **_GREEDY}


@dataclass(frozen=True)
class EchoedPrompt:
    """The log-probabilities of a prompt's tokens, and of the token that was generated behind it.

    Attributes:
        logprobs: of each token that the server lists; `None` where it has none.
        prompt_tokens: how many tokens the server counted in the prompt; `None` if it does not say.
    """

    logprobs: list[float | None]
    prompt_tokens: int | None


def read_echo(answer: Any) -> EchoedPrompt:
    """Read the answer to a prompt with `echo`."""
    listed = _at(answer, "choices", 0, "logprobs", "token_logprobs")
    if not isinstance(listed, list):
        raise UnexpectedAnswer("it has no token_logprobs")
    usage = answer.get("usage") or {}
    counted = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return EchoedPrompt([None if value is None else _logprob(value) for value in listed], counted)


def _at(value: Any, *path: str | int) -> Any:
    """Return what is at a path of keys and indices, or raise `UnexpectedAnswer`."""
    for index, key in enumerate(path):
        is_there = (
            isinstance(value, Mapping) and key in value
            if isinstance(key, str)
            else isinstance(value, list) and key < len(value)
        )
        if not is_there:
            raise UnexpectedAnswer(f"it has no {'.'.join(map(str, path[: index + 1]))}")
        value = value[key]
    return value


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"{value!r} is no token id") from error


def _logprob(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise UnexpectedAnswer(f"{value!r} is no log-probability")
    return float(value)

"""Checks that a server's log-probabilities are true, before any is used.

Servers ignore fields that they do not know. The values that are then read look like log-probabilities, and results are
at chance without any error (ggml-org/llama.cpp#27174, lm-evaluation-harness#4158). So the server is asked for values
of which enough is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage

from llmkit.errors import ServerUnusable
from llmkit.models.serving.adapters import Adapter
from llmkit.models.serving.served_tokens import ServedTokens
from llmkit.models.tokens.turns import messages_to_text

_COUNT = "one two three four five six seven eight"
_BEGUN = "one two three four five six"
_LIKELY, _UNLIKELY = " seven", (" purple", " between")
_ROUNDING = 1e-3
_CLOSE = 1.0
"""Nats by which a value may differ between two requests. Servers in bfloat16 differ by some hundredths; values that
were normalized over the tokens of a request differ by many."""
_TEXT = "Zürich has 3,142 trees; 東京 has more.\n\nDon't count them (again)!"


class ProbeFailed(Exception):
    """Raised when a server's values cannot be true; says what is wrong with them."""


@dataclass(frozen=True)
class _Probe:
    """A prompt, and the tokens of words of which the first is by far the likeliest to follow it."""

    prompt: list[int]
    words: list[list[int]]

    @classmethod
    def of(cls, tokens: ServedTokens) -> _Probe:
        messages = [HumanMessage(f"Repeat: {_COUNT}"), AIMessage(_BEGUN)]
        encoder = tokens.encoder
        if encoder.layout == "chat":
            prompt = encoder.encode_messages(messages)
        else:
            prompt = encoder.encode_text(messages_to_text(messages))
        return cls(prompt, encoder.encode_continuations([_LIKELY, *_UNLIKELY]))

    @property
    def first_tokens(self) -> list[int]:
        return list(dict.fromkeys(word[0] for word in self.words))


async def check_values(adapter: Adapter) -> None:
    """Check counts, signs, the greedy token, a known order, and that a value depends on no other one of the request.

    Raises:
        ProbeFailed: a check failed.
        UnexpectedAnswer: an answer is not in the documented form.
    """
    probe = _Probe.of(adapter.tokens)
    asked = probe.first_tokens
    found = adapter.require(await adapter.next_logprobs(probe.prompt, asked), asked)
    if wrong := [value for value in found.values() if not math.isfinite(value) or value > _ROUNDING]:
        raise ProbeFailed(f"its log-probabilities are not finite and at most 0, such as {wrong[0]:g}")
    greedy = await adapter.greedy_logprob(probe.prompt)
    if greedy is not None and greedy < max(found.values()) - _ROUNDING:
        raise ProbeFailed("the token that it chose at temperature 0 is not the likeliest one")
    if sum(map(math.exp, found.values())) > 1 + _ROUNDING:
        raise ProbeFailed("its probabilities are more than 1 together")
    last = asked[-1]
    alone = adapter.require(await adapter.next_logprobs(probe.prompt, [last]), [last])[last]
    if not abs(alone - found[last]) < _CLOSE:
        raise ProbeFailed("the value of a token depends on the other tokens that are asked for")
    scores = await adapter.score(probe.prompt, probe.words)
    if not scores[0] > max(scores[1:]):
        raise ProbeFailed(f"after {_BEGUN!r} the word {_LIKELY.strip()!r} is not the likeliest")


async def check_tokens(adapter: Adapter) -> None:
    """Compare the server's own tokens of one text with those of the tokenizer here, where the server tells them.

    Raises:
        ServerUnusable: they differ.
    """
    encoder: Any = adapter.tokens.encoder
    messages = [HumanMessage(_TEXT)]
    is_chat = encoder.layout == "chat"
    text = encoder.render(messages) if is_chat else _TEXT
    expected = encoder.encode_messages(messages) if is_chat else encoder.encode_text(_TEXT, special=False)
    bos = adapter.tokens.bos
    served = await adapter.tokenize(text)
    if not served:
        return
    same = [expected, [bos, *expected]]
    if expected[:1] == [bos]:
        same.append(expected[1:])
    if served not in same:
        raise ServerUnusable(
            f"the tokenizer of {adapter.tokens.name} does not match the model that {adapter.client.address} runs: "
            f"of one text it makes {len(expected)} tokens {_preview(expected)}, and the server {len(served)} "
            f"{_preview(served)}; pass tokenizer=, that of the very model"
        )


def _preview(tokens: list[int]) -> str:
    return f"({', '.join(map(str, tokens[:6]))}, …)"

"""Servers that tell log-probabilities only of the tokens of a prompt: each continuation is echoed whole.

The prompt is computed once for each continuation: vLLM reads no prefix cache for such requests, and llama-cpp-python's
server computes one request at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from llmkit.errors import ServerUnusable
from llmkit.models.serving import wire_formats as wire
from llmkit.models.serving.adapters import Adapter, Row, VllmAdapter, token_ids
from llmkit.models.serving.background_loop import gather
from llmkit.models.serving.continuation_tree import longest_only, sum_paths
from llmkit.models.serving.http_client import ServerClient
from llmkit.models.serving.served_tokens import ServedTokens
from llmkit.models.serving.wire_formats import EchoedPrompt, NextLogprobs, Tokens, UnexpectedAnswer


@dataclass(frozen=True)
class _Echo:
    """The log-probabilities of a prompt's tokens, and of the one generated behind them, where the server tells them."""

    tokens: list[float | None]
    generated: float | None


class EchoAdapter(Adapter):
    """`/v1/completions` with `echo`, of a server that takes token ids, such as vLLM of any version."""

    field = "echo with logprobs"
    reserved_tokens = 1  # the server generates one token behind the continuation

    async def next_logprobs(self, prefix: Tokens, children: Tokens) -> NextLogprobs:
        """Return log-probabilities: one echo for each child."""
        echoes = await gather(self._echo([*prefix, child]) for child in children)
        return NextLogprobs({child: _value(echo, -1) for child, echo in zip(children, echoes, strict=True)})

    async def greedy_logprob(self, prefix: Tokens) -> float | None:
        """Return the log-probability of the token that the server generates after a prefix at temperature 0."""
        return (await self._echo(prefix)).generated

    async def score(self, prompt: Tokens, continuations: Sequence[Tokens]) -> Row:
        """Return the log-likelihood of each continuation; those that are beginnings of others need no request."""
        paths = longest_only(continuations)
        echoes = await gather(self._echo([*prompt, *path]) for path in paths)
        logprobs: dict[tuple[int, ...], dict[int, float]] = {}
        for path, echo in zip(paths, echoes, strict=True):
            for at, token in enumerate(path):
                logprobs.setdefault(path[:at], {})[token] = _value(echo, at - len(path))
        return sum_paths(continuations, logprobs)

    async def _echo(self, tokens: Tokens) -> _Echo:
        found = wire.read_echo(await self.client.post("completions", wire.echo_request(self.model, tokens)))
        if len(found.logprobs) not in (len(tokens), len(tokens) + 1):
            raise UnexpectedAnswer(f"it has {len(found.logprobs)} log-probabilities for {len(tokens)} tokens")
        return _Echo(found.logprobs[: len(tokens)], (found.logprobs[len(tokens) :] or [None])[0])

    async def tokenize(self, text: str) -> list[int] | None:
        """Return the server's own tokens of a text, where it has vLLM's route."""
        return await VllmAdapter.tokenize(self, text)  # type: ignore[arg-type]


class LlamaCppPythonAdapter(EchoAdapter):
    """llama-cpp-python's server, which takes only text.

    Each text is compared with the server's own tokens of it before it is used. What the server lists are the tokens
    behind the one that begins the text (BOS), without any further BOS. Without a BOS at the beginning it lists each
    token with the log-probability of another place, so that such prompts are refused.
    """

    field = "llama-cpp-python's echo"
    _adds_bos: bool | None = None

    def __init__(self, client: ServerClient, model: str, tokens: ServedTokens) -> None:
        super().__init__(client, model, tokens)
        self._one = asyncio.Lock()  # requests that wait in the server would be timed out

    def reason_against(self, prompt: Tokens) -> str:
        """Return why there are none for prompts without BOS."""
        if self.tokens.bos is not None and prompt[0] == self.tokens.bos:
            return ""
        return (
            f"{self.client.address} is llama-cpp-python's, which tells no true log-probabilities of a prompt that does "
            "not begin with the token that begins texts: use llama.cpp's own server (llama-server)"
        )

    async def _echo(self, tokens: Tokens) -> _Echo:
        if reason := self.reason_against(tokens):
            raise ServerUnusable(reason)
        body = wire.echo_request(self.model, await self._exact_text(tokens))
        async with self._one:
            answer = await self.client.post("completions", body)
        return _align(wire.read_echo(answer), tokens, tokens[0])

    async def _exact_text(self, tokens: Tokens) -> str:
        """Return the text that the server reads as these very tokens."""
        begins = (False, True) if self._adds_bos is None else (self._adds_bos,)
        for adds_bos in begins:
            text = self.tokens.decode(tokens[1:] if adds_bos else tokens)
            if await self.tokenize(text) == list(tokens):
                self._adds_bos = adds_bos
                return text
        raise ServerUnusable(
            f"{self.client.address} is llama-cpp-python's, which takes only text, and reads this one as other tokens "
            f"than the tokenizer of {self.tokens.name} does: {self.tokens.decode(tokens)[-60:]!r}"
        )

    async def tokenize(self, text: str) -> list[int] | None:
        """Return the server's own tokens of a text, with the token that it puts before a text."""
        return token_ids(await self.client.post("/extras/tokenize", {"input": text}))


def _align(found: EchoedPrompt, tokens: Tokens, bos: int) -> _Echo:
    """Return the log-probability of each token of a prompt that begins with BOS."""
    listed = iter(found.logprobs)
    missing = len(tokens) - tokens.count(bos) - len(found.logprobs)
    if missing not in (0, -1):
        raise UnexpectedAnswer(f"it has {len(found.logprobs)} log-probabilities for {len(tokens)} tokens")
    aligned = [None if token == bos else next(listed) for token in tokens]
    return _Echo(aligned, next(listed, None))


def _value(echo: _Echo, place: int) -> float:
    value = echo.tokens[place]
    if value is None:
        raise UnexpectedAnswer("it has no log-probability of a token of the continuation")
    return value

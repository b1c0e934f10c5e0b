"""Log-probabilities of given next tokens from each server that tells them, and scores of continuations from these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from llmkit.models.serving import wire_formats as wire
from llmkit.models.serving.background_loop import gather
from llmkit.models.serving.continuation_tree import Path, nodes_of, sum_paths
from llmkit.models.serving.http_client import ServerClient
from llmkit.models.serving.served_tokens import ServedTokens
from llmkit.models.serving.wire_formats import NextLogprobs, Tokens, UnexpectedAnswer

Exactness = Literal["exact", "bounded", "none"]
Row = NDArray[np.float64]

VLLM_MOST_IDS = 128
SGLANG_POST = 32  # prompts in one request
LLAMA_CPP_WIDTHS = (256, 4096)  # of the likeliest tokens, before the whole vocabulary is asked for


class Adapter(ABC):
    """Reads log-probabilities from one kind of server.

    Attributes:
        field: the server and the field of its requests, for messages.
        exactness: "exact", or "bounded" if values of unlikely tokens may be bounds from above.
    """

    field: ClassVar[str]
    exactness: Exactness = "exact"
    reserved_tokens: ClassVar[int] = 0  # of the context window, beside a prompt and its continuation

    def __init__(self, client: ServerClient, model: str, tokens: ServedTokens) -> None:
        self.client, self.model, self.tokens = client, model, tokens

    @abstractmethod
    async def next_logprobs(self, prefix: Tokens, children: Tokens) -> NextLogprobs:
        """Return the log-probabilities of given tokens after a prefix.

        Raises:
            UnexpectedAnswer: the answer is not in the documented form.
            ServerError, ServerUnusable: the server answers with an error.
        """

    def reason_against(self, prompt: Tokens) -> str:
        """Return why the server tells no log-probabilities after prompts that begin as this one; empty if it does."""
        return ""

    async def greedy_logprob(self, prefix: Tokens) -> float | None:
        """Return the log-probability of the token that the server generates after a prefix at temperature 0."""
        found = await self.next_logprobs(prefix, [self.tokens.plain_token])
        return None if found.greedy is None else found.values.get(found.greedy)

    async def tokenize(self, text: str) -> list[int] | None:
        """Return the server's own tokens of a text whose markup is special tokens; `None` if it tells none."""
        return None

    async def score(self, prompt: Tokens, continuations: Sequence[Tokens]) -> Row:
        """Return the log-likelihood of each continuation after a prompt.

        The root is read before the other nodes: afterwards the prompt is in the server's prefix cache.
        """
        root, *others = nodes_of(continuations)
        logprobs = {root.path: await self._children(prompt, root.path, root.children)}
        rows = await gather(self._children(prompt, node.path, node.children) for node in others)
        logprobs |= zip((node.path for node in others), rows, strict=True)
        return sum_paths(continuations, logprobs)

    async def _children(self, prompt: Tokens, path: Path, children: Path) -> dict[int, float]:
        return self.require(await self.next_logprobs([*prompt, *path], children), children)

    def require(self, found: NextLogprobs, children: Tokens) -> dict[int, float]:
        """Return the value of each token that was asked for; where values are bounds, the least listed one."""
        if self.exactness == "bounded" and found.least is not None:
            return {token: found.values.get(token, found.least) for token in children}
        if missing := [token for token in children if token not in found.values]:
            raise UnexpectedAnswer(f"it leaves out {len(missing)} of {len(children)} tokens that were asked for")
        return {token: found.values[token] for token in children}


class VllmAdapter(Adapter):
    """vLLM with `logprob_token_ids`, which reads its prefix cache."""

    field = "vLLM's logprob_token_ids"

    async def next_logprobs(self, prefix: Tokens, children: Tokens) -> NextLogprobs:
        """Return log-probabilities; more than 128 tokens are asked for in several requests."""
        parts = [children[start : start + VLLM_MOST_IDS] for start in range(0, len(children), VLLM_MOST_IDS)]
        bodies = [wire.vllm_request(self.model, prefix, part) for part in parts]
        found = [wire.read_vllm(await self.client.post("completions", body)) for body in bodies]
        return NextLogprobs({token: value for one in found for token, value in one.values.items()}, found[0].greedy)

    async def tokenize(self, text: str) -> list[int] | None:
        """Return vLLM's tokens of a text."""
        body = {"model": self.model, "prompt": text, "add_special_tokens": False}
        return token_ids(await self.client.post("/tokenize", body))


class SglangAdapter(Adapter):
    """SGLang with `token_ids_logprob`, which takes several prompts in a request."""

    field = "SGLang's token_ids_logprob"

    async def next_logprobs(self, prefix: Tokens, children: Tokens) -> NextLogprobs:
        """Return log-probabilities."""
        return (await self._post([prefix], [children]))[0]

    async def score(self, prompt: Tokens, continuations: Sequence[Tokens]) -> Row:
        """Return the log-likelihood of each continuation; after the root, nodes are read many at a time."""
        root, *others = nodes_of(continuations)
        parts = [[root], *(others[start : start + SGLANG_POST] for start in range(0, len(others), SGLANG_POST))]
        logprobs: dict[Path, dict[int, float]] = {}
        for nodes in parts:
            found = await self._post([[*prompt, *node.path] for node in nodes], [node.children for node in nodes])
            logprobs |= {node.path: self.require(one, node.children) for node, one in zip(nodes, found, strict=True)}
        return sum_paths(continuations, logprobs)

    async def tokenize(self, text: str) -> list[int] | None:
        """Return SGLang's tokens of a text."""
        body = {"model": self.model, "prompt": text, "add_special_tokens": False}
        return token_ids(await self.client.post("/tokenize", body))

    async def _post(self, prefixes: Sequence[Tokens], children: Sequence[Tokens]) -> list[NextLogprobs]:
        found = wire.read_sglang(await self.client.post("/generate", wire.sglang_request(prefixes, children)))
        if len(found) != len(prefixes):
            raise UnexpectedAnswer(f"it has {len(found)} objects for {len(prefixes)} prompts")
        return found


class LlamaCppAdapter(Adapter):
    """llama.cpp's server with `n_probs`: the likeliest tokens, as many as it takes to have all that are asked for."""

    field = "llama.cpp's n_probs"

    async def next_logprobs(self, prefix: Tokens, children: Tokens) -> NextLogprobs:
        """Return log-probabilities; ask for more tokens until all children are among them, or there are no more."""
        found = NextLogprobs({}, least=0.0)
        for count in (*LLAMA_CPP_WIDTHS, 2 * self.tokens.size):  # a model may have more tokens than its tokenizer
            if count < len(children):
                continue
            listed, found = len(found.values), await self._likeliest(prefix, count)
            if set(children) <= found.values.keys():
                return found
            if len(found.values) <= listed:  # the server lists no more
                break
        self.exactness = "bounded"
        return found

    async def _likeliest(self, prefix: Tokens, count: int) -> NextLogprobs:
        for forced in (None, self.tokens.plain_token):
            answer = await self.client.post("/completion", wire.llama_cpp_request(prefix, count, forced))
            if (found := wire.read_llama_cpp(answer)) is not None:
                return found
        raise UnexpectedAnswer("its completion_probabilities are empty")

    async def tokenize(self, text: str) -> list[int] | None:
        """Return llama.cpp's tokens of a text."""
        return token_ids(await self.client.post("/tokenize", {"content": text, "add_special": False}))


def token_ids(answer: Any) -> list[int] | None:
    """Return the tokens in the answer of a route that tokenizes; `None` if it is in another form."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    is_list = isinstance(tokens, list) and all(isinstance(token, int) for token in tokens)
    return tokens if is_list else None

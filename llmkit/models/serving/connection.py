"""A checked connection to a served model: what the server tells about it, and scores with the first way that works."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from llmkit.errors import InputError, ModelNotFound, ServerError, ServerUnusable
from llmkit.models.serving.adapters import (
    Adapter,
    Exactness,
    LlamaCppAdapter,
    Row,
    SglangAdapter,
    VllmAdapter,
)
from llmkit.models.serving.background_loop import gather
from llmkit.models.serving.echo_adapters import EchoAdapter, LlamaCppPythonAdapter
from llmkit.models.serving.http_client import HttpStatusError, KeyRefused, ServerClient
from llmkit.models.serving.probe import ProbeFailed, check_tokens, check_values
from llmkit.models.serving.served_tokens import ServedTokens
from llmkit.models.serving.wire_formats import Tokens, UnexpectedAnswer

_ADAPTERS: tuple[type[Adapter], ...] = (
    VllmAdapter,
    SglangAdapter,
    LlamaCppAdapter,
    EchoAdapter,
    LlamaCppPythonAdapter,
)
_LIKELY_ADAPTER: Mapping[str, type[Adapter]] = {
    "vllm": VllmAdapter,
    "sglang": SglangAdapter,
    "llamacpp": LlamaCppAdapter,
    "me": LlamaCppPythonAdapter,
}
"""By what `owned_by` of `/v1/models` says."""

_NO_ROUTE = (404, 405, 501)
_WINDOW_IN_ERROR = re.compile(r"(?:context length is|context window of|context size of) (\d+)")
_TOO_LONG = 1 << 17
"""Words of a prompt that exceeds any window of llama-cpp-python's server, which keeps the logits of all its tokens."""


@dataclass(frozen=True)
class ServerFacts:
    """What a server tells of a model.

    Attributes:
        owner: `owned_by` of `/v1/models`, which names the server's program.
        root: what the model was loaded from.
        window: the context window; 0 if the server does not say.
    """

    owner: str = ""
    root: str = ""
    window: int = 0


async def ask_facts(client: ServerClient, model: str) -> ServerFacts:
    """Ask which models a server has, and what it tells of this one.

    Raises:
        ModelNotFound: the server has no model of this name; names those that it has.
        ServerUnusable: the address is no model server's, or the key is refused.
        ServerError: the server cannot be reached.
    """
    try:
        answer = await client.get("models")
    except HttpStatusError as error:
        if error.status not in _NO_ROUTE:
            raise
        raise ServerUnusable(
            f"{client.address} has no route /models (status {error.status}), so it is no OpenAI-compatible API: "
            "check the address of the model server, whose base_url usually ends in /v1"
        ) from error
    entries = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(entries, list):
        raise ServerUnusable(f"{client.address}/models has no list of models: it is no OpenAI-compatible API")
    known = [entry for entry in entries if isinstance(entry, Mapping)]
    found = next((entry for entry in known if model == entry.get("id") or model in (entry.get("aliases") or ())), None)
    if found is None:
        names = ", ".join(str(entry.get("id")) for entry in known[:10]) or "none"
        raise ModelNotFound(f"{client.address} has no model {model!r}: it has {names}")
    window = found.get("max_model_len") or (found.get("meta") or {}).get("n_ctx") or await _ask_window(client)
    return ServerFacts(str(found.get("owned_by") or "").lower(), str(found.get("root") or ""), _count(window))


async def _ask_window(client: ServerClient) -> Any:
    """Return the window that llama.cpp's server or SGLang tells on a route of its own."""
    for route in ("/props", "/get_server_info"):
        try:
            answer = await client.get(route)
        except (HttpStatusError, ServerUnusable):
            continue
        settings = answer.get("default_generation_settings") or {} if isinstance(answer, Mapping) else {}
        found = settings.get("n_ctx") if isinstance(settings, Mapping) else None
        if window := found or (answer.get("context_length") if isinstance(answer, Mapping) else None):
            return window
    return 0


async def ask_window_by_error(client: ServerClient, model: str) -> int:
    """Return the window that a server names when it refuses a prompt that is too long; 0 if it names none."""
    try:
        await client.post("completions", {"model": model, "prompt": "a " * _TOO_LONG, "max_tokens": 1})
    except HttpStatusError as error:
        if found := _WINDOW_IN_ERROR.search(error.reason):
            return int(found[1])
    except ServerError:
        return 0
    return 0


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


@dataclass(frozen=True)
class Connection:
    """A served model that was checked.

    Attributes:
        facts: what the server tells of the model.
        tokens: the tokenizer of the model.
        adapter: how log-probabilities are read; `None` if the server tells none.
        refusal: why there are none, a reason for each way that was tried.
        window: the context window; 0 if nobody says. One token less where the server generates one behind what it
            scores.
    """

    client: ServerClient
    facts: ServerFacts
    tokens: ServedTokens
    adapter: Adapter | None
    refusal: str
    window: int

    @classmethod
    async def open(cls, client: ServerClient, model: str, tokenizer: Any, window: int) -> Connection:
        """Connect to a server, load the tokenizer, and find and check how the server tells log-probabilities."""
        facts = await ask_facts(client, model)
        tokens = await asyncio.to_thread(ServedTokens.load, tokenizer, model, facts.root)
        adapter, refusal = await find_adapter(client, model, tokens, facts.owner)
        known = facts.window
        if not known and not window and isinstance(adapter, LlamaCppPythonAdapter):
            known = await ask_window_by_error(client, model)
        limit = min(filter(None, (known, window)), default=0)
        limit -= adapter.reserved_tokens if adapter and limit else 0
        return cls(client, facts, tokens, adapter, refusal, limit)

    @property
    def exactness(self) -> Exactness:
        """Whether scores are exact, bounds, or none."""
        return "none" if self.adapter is None else self.adapter.exactness

    def require_window(self) -> None:
        """Raise `InputError` if neither the server nor the caller says how long the context window is."""
        if not self.window:
            raise InputError(f"{self.client.address} does not say how long its context window is: pass context_window=")

    def require_scores(self) -> None:
        """Raise `ServerUnusable` if the server tells no log-likelihoods."""
        if self.adapter is None:
            raise ServerUnusable(self.refusal)

    async def score(self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Row]:
        """Return the log-likelihoods of each prompt's continuations.

        Prompts are read in lexicographic order, so that those which begin alike follow each other, and as many at a
        time as requests may be in flight. The first one is read alone: what all begin with is then in the cache.
        """
        self.require_scores()
        order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
        waiting = iter(order[1:])
        rows: dict[int, Row] = {}

        async def read(index: int) -> None:
            rows[index] = await self._score_one(prompts[index], continuations[index])

        async def read_waiting() -> None:
            for index in waiting:
                await read(index)

        await read(order[0])
        await gather(read_waiting() for _ in range(min(self.client.options.in_flight, len(order) - 1)))
        return [rows[index] for index in range(len(prompts))]

    async def _score_one(self, prompt: Tokens, continuations: Sequence[Tokens]) -> Row:
        assert self.adapter is not None
        try:
            return await self.adapter.score(prompt, continuations)
        except UnexpectedAnswer as error:
            raise ServerError(
                f"{self.client.address} answered by {self.adapter.field}, but {error}: see its log, and try again"
            ) from error


async def find_adapter(
    client: ServerClient, model: str, tokens: ServedTokens, owner: str
) -> tuple[Adapter | None, str]:
    """Return the first way to read log-probabilities that passes all checks, or why none does.

    Raises:
        ServerUnusable: the tokenizer is not that of the server's model.
        ServerError: the server cannot be reached any more.
    """
    likely = _LIKELY_ADAPTER.get(owner)
    reasons = []
    for adapter_class in sorted(_ADAPTERS, key=lambda one: one is not likely):
        adapter = adapter_class(client, model, tokens)
        try:
            await check_values(adapter)
        except KeyRefused:
            raise
        except HttpStatusError as error:
            reasons.append(f"{adapter.field}: status {error.status}, {error.reason}")
            if error.status in _NO_ROUTE:
                continue
        except (UnexpectedAnswer, ProbeFailed, ServerUnusable) as error:
            reasons.append(f"{adapter.field}: {error}")
        else:
            await _check_tokens(adapter)
            return adapter, ""
        await _check_tokens(adapter)  # the values may be wrong because the tokenizer is another model's
    return None, (
        f"{client.address} tells no log-likelihoods of given texts ({'; '.join(reasons)}): use a server that does, "
        "such as vLLM, SGLang or llama.cpp's llama-server"
    )


async def _check_tokens(adapter: Adapter) -> None:
    """Raise `ServerUnusable` if the tokenizer is another model's; a server without a route for tokens is not asked."""
    with suppress(HttpStatusError):
        await check_tokens(adapter)

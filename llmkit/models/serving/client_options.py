"""How requests for scores are sent: as those of the chat model whose scores they are."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from llmkit.errors import InputError

IN_FLIGHT = 16
TIMEOUT = 120.0
MAX_RETRIES = 4


def environment_key() -> SecretStr:
    """Return the key of the environment variable `LLMKIT_API_KEY`.

    Without one, a text that is no key: servers that need none take it, and langchain-openai would send that of OpenAI.
    """
    return SecretStr(os.environ.get("LLMKIT_API_KEY") or "none")


@dataclass(frozen=True)
class ClientOptions:
    """How requests are sent."""

    api_key: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    proxy: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT
    max_retries: int = MAX_RETRIES
    in_flight: int = IN_FLIGHT

    @classmethod
    def of(cls, model: Any) -> ClientOptions:
        """Return the options of a model of langchain-openai, or raise `InputError` for a key that is not usable."""
        key = model.openai_api_key
        secret = key.get_secret_value() if isinstance(key, SecretStr) else key() if callable(key) else None
        if secret is not None and not isinstance(secret, str):
            raise InputError("api_key is an asynchronous function, but scores need a text or a synchronous one")
        timeout = model.request_timeout
        if isinstance(timeout, tuple):
            timeout = timeout[-1]
        seconds = getattr(timeout, "read", timeout)
        return cls(
            api_key=secret,
            headers=tuple((model.default_headers or {}).items()),
            query=tuple((model.default_query or {}).items()),
            proxy=model.openai_proxy,
            timeout=TIMEOUT if seconds is None else float(seconds),
            max_retries=MAX_RETRIES if model.max_retries is None else model.max_retries,
            in_flight=model.max_in_flight,
        )

"""What `/v1/chat/completions` and `/v1/completions` share: their settings, and counts of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from llmkit.models.generation.completion import Completion
from llmkit.models.generation.settings import NAMES
from llmkit.server.bodies import ApiRequest
from llmkit.server.errors import Refusal

MAX_N = 64
"""The most completions of one prompt."""


class StreamOptions(BaseModel):
    """What a stream has beside the text."""

    model_config = ConfigDict(strict=True)

    include_usage: bool = False


class BaseCompletionRequest(ApiRequest):
    """Generation settings by the names of OpenAI's API, vLLM's and llmkit's; `GenerationSettings` has their ranges."""

    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_new_tokens: int | None = None
    min_tokens: int | None = None
    min_new_tokens: int | None = None
    n: int = 1
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    timeout: float | None = None
    response_format: dict[str, Any] | None = None
    logprob_token_ids: list[int] | None = None
    return_tokens_as_token_ids: bool = False

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the counts of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage

    def options(self) -> dict[str, Any]:
        """Return the options of a call of llmkit.

        Raises:
            Refusal: more completions are asked for than one request may have.
        """
        if self.n > MAX_N:
            raise Refusal(400, f"n is {self.n}, but may be at most {MAX_N} here: send several requests", param="n")
        given = self.model_dump(exclude_none=True, exclude_unset=True)
        if "min_tokens" in given:
            given["min_new_tokens"] = given.pop("min_tokens")
        known = {*NAMES, "max_tokens", "timeout", "response_format", "logprob_token_ids"}
        return {name: value for name, value in given.items() if name in known}


def usage(prompts: Sequence[Sequence[int]], completions: Iterable[Completion]) -> dict[str, int]:
    """Count the tokens of prompts and completions, those that ended them included."""
    read, written = sum(map(len, prompts)), sum(len(completion.token_ids) for completion in completions)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

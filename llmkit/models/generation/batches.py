"""Which prompts are completed as one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llmkit.models.generation.completion import GenerationRequest


def split_batches(requests: Sequence[GenerationRequest], limits: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of requests that fit one batch: with the same settings, alike in length.

    `limits` are the most tokens of each completion, `max_tokens` those of a batch.
    """
    groups: dict[Any, list[int]] = {}
    for index, request in enumerate(requests):
        groups.setdefault((request.settings, request.constraint is None), []).append(index)
    for (settings, _), indices in groups.items():
        batch: list[int] = []
        for index in sorted(indices, key=lambda index: -len(requests[index].prompt)):
            longest = batch[0] if batch else index
            tokens = (len(batch) + 1) * settings.n * (len(requests[longest].prompt) + limits[longest])
            if batch and tokens > max_tokens:
                yield batch
                batch = []
            batch.append(index)
        yield batch

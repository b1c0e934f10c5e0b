"""The engine's answers as LangChain's results: text, usage, the reason of the end, log-probabilities, timings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages.ai import UsageMetadata

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmkit.models.generation.completion import Completion


def usage(answer: Completion) -> UsageMetadata:
    """Count the tokens of the prompt and of the answer, the one that ended it included."""
    read, written = len(answer.request.prompt), len(answer.token_ids)
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def metadata(answer: Completion, name: str, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Give what `response_metadata` holds; times are in seconds."""
    steps = len(answer.token_ids) - 1
    details: dict[str, Any] = {
        "model_name": name,
        "model_provider": "huggingface",
        "finish_reason": answer.finish_reason,
        "timings": {
            "time_to_first_token": answer.first_token_at - answer.started_at,
            "time_per_output_token": (answer.finished_at - answer.first_token_at) / steps if steps > 0 else 0.0,
        },
    }
    if answer.request.logprobs is not None:
        details["logprobs"] = {"content": logprobs(answer, tokenizer)}
    return details


def logprobs(answer: Completion, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """Give each token's log-probability in nats, in the layout of the common chat APIs."""

    def entry(token: int, value: float) -> dict[str, Any]:
        return {"token": tokenizer.decode([token]), "logprob": value}

    return [
        {**entry(score.token_id, score.logprob), "top_logprobs": [entry(*pair) for pair in score.top]}
        for score in answer.logprobs
    ]

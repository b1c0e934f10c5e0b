"""The engine's answers as LangChain's results: text, usage, the reason of the end, log-probabilities, timings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages.ai import UsageMetadata

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmkit.models.generation.sequence import Answer


def usage(answer: Answer) -> UsageMetadata:
    """Count the tokens of the prompt and of the answer, the one that ended it included."""
    read, written = len(answer.request.prompt), len(answer.ids)
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def metadata(answer: Answer, name: str, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Give what `response_metadata` holds; times are in seconds."""
    steps = len(answer.ids) - 1
    details: dict[str, Any] = {
        "model_name": name,
        "model_provider": "huggingface",
        "finish_reason": answer.finish_reason,
        "timings": {
            "time_to_first_token": answer.first - answer.started,
            "time_per_output_token": (answer.ended - answer.first) / steps if steps > 0 else 0.0,
        },
    }
    if answer.request.logprobs is not None:
        details["logprobs"] = {"content": logprobs(answer, tokenizer)}
    return details


def logprobs(answer: Answer, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """Give each token's log-probability in nats, in the layout of the common chat APIs."""

    def entry(token: int, value: float) -> dict[str, Any]:
        return {"token": tokenizer.decode([token]), "logprob": value}

    return [
        {**entry(score.id, score.logprob), "top_logprobs": [entry(*pair) for pair in score.top]}
        for score in answer.scores
    ]

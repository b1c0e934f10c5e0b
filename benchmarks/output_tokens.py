"""How many tokens a model generated."""

from __future__ import annotations

from langchain_core.messages import AIMessage


def output_tokens(answer: AIMessage) -> int:
    """Return how many tokens an answer has; of a stream, its last piece knows.

    Raises:
        ValueError: the model does not say, as in a piece that is not the last.
    """
    if answer.usage_metadata is None:
        raise ValueError("the number of tokens comes with an answer, or with the last piece of a stream")
    return answer.usage_metadata["output_tokens"]

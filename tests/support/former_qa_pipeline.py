"""The algorithm of transformers' question-answering pipeline, which was removed in version 5.3.

Written after its description: https://huggingface.co/docs/transformers/v4.57.0/en/main_classes/pipelines
"""

from typing import Any

import numpy as np
import torch

from tests.support.encoders import TinyEncoder


def softmax(values: Any) -> Any:
    odds = np.exp(values - values.max())
    return odds / odds.sum()


def answers(
    model: TinyEncoder, question: str, context: str, *, size: int, stride: int, top_k: int = 1, longest: int = 15
) -> tuple[list[tuple[int, int, float]], float]:
    """Return start, end and score of the best spans of all windows, and the least score of no answer."""
    encoded = model.tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=size,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    found, no_answer = [], 1.0
    for number, ids in enumerate(encoded["input_ids"]):
        inputs = {name: torch.tensor([encoded[name][number]]) for name in model.tokenizer.model_input_names}
        with torch.no_grad():
            outputs = model.model(**inputs)
        allowed = np.array([place == 1 for place in encoded.sequence_ids(number)])
        null = ids.index(model.tokenizer.cls_token_id)
        kept = allowed.copy()
        kept[null] = True
        start, end = (
            softmax(np.where(kept, logits[0].double().numpy(), -1e4))
            for logits in (outputs.start_logits, outputs.end_logits)
        )
        no_answer = min(no_answer, float(start[null] * end[null]))
        start[null] = end[null] = 0.0
        scores = np.tril(np.triu(np.outer(start, end)), longest - 1)
        for flat in np.argsort(-scores, axis=None)[:top_k]:
            first, last = np.unravel_index(flat, scores.shape)
            if allowed[first] and allowed[last] and scores[first, last] > 0:
                encoding = encoded.encodings[number]
                begin = encoding.word_to_chars(encoding.token_to_word(first), 1)[0]
                stop = encoding.word_to_chars(encoding.token_to_word(last), 1)[1]
                found.append((begin, stop, float(scores[first, last])))
    return sorted(found, key=lambda item: -item[2])[:top_k], no_answer

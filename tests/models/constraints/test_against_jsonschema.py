"""Token masks agree with `jsonschema`: what may be written validates, and what validates may be written."""

import json
import random

import jsonschema
import pytest
import torch

from tests.support.schemas import drawn_text, engine_of
from tests.support.valid_pairs import pair


def check(seed: int) -> bool:
    """Check one schema in both directions; return whether a drawn completion was finished."""
    rng = random.Random(seed)
    schema, value = pair(rng)
    jsonschema.validate(value, schema)
    engine = engine_of("llama")
    matcher = engine.constraints.json_schema(schema).start(1000)
    for token in engine.encoder.encode_text(json.dumps(value, ensure_ascii=False), special=False):
        scores = torch.zeros(engine.constraints._vocabulary.vocab_size)
        matcher.mask(scores)
        assert scores[token] == 0, (seed, schema, value)
        assert matcher.allows(token, 500), (seed, schema, value)
        matcher.consume(token)
    assert matcher.complete or matcher.shortest_end == [], (seed, schema, value)
    text = drawn_text(engine.constraints, schema, rng)
    if text is not None:
        jsonschema.validate(json.loads(text), schema)
    return text is not None


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 400), marks=pytest.mark.slow)], ids=["few", "many"])
def test_masks_agree_with_a_validator(seeds: range) -> None:
    finished = [check(seed) for seed in seeds]
    assert sum(finished) > 0.9 * len(finished)

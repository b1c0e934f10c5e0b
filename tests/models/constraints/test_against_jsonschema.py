"""Token masks agree with `jsonschema`: what may be written validates, and what validates may be written."""

import json
import random

import jsonschema
import pytest
import torch

from llmkit.errors import SettingsError
from llmkit.models.constraints.grammar import ConstraintFactory
from tests.support.schemas import engine_of
from tests.support.valid_pairs import pair

LIMIT = 120


def drawn_text(factory: ConstraintFactory, schema: object, rng: random.Random) -> str | None:
    """Return a completion of random allowed tokens within LIMIT; `None` if none was finished."""
    try:
        matcher = factory.json_schema(schema).start(LIMIT)  # type: ignore[arg-type]
    except SettingsError:
        return None
    written: list[int] = []
    while not matcher.complete and len(written) < LIMIT:
        scores = torch.zeros(factory._vocabulary.vocab_size)
        matcher.mask(scores)
        allowed = [int(one) for one in torch.nonzero(scores == 0).flatten()]
        token = rng.choice(allowed)
        if factory._vocabulary.is_special_token(token):
            break
        if not matcher.allows(token, LIMIT - len(written) - 1):
            written += matcher.shortest_end or []
            return factory._vocabulary.decode_str(written)
        matcher.consume(token)
        written.append(token)
    return factory._vocabulary.decode_str(written) if matcher.complete or matcher.shortest_end == [] else None


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

"""Constraints with Metaspace tokenizers: the bytes of tokens, and the space at the beginning of a text."""

import json
import re
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from llmkit.errors import ConstraintError
from llmkit.models.constraints.grammar import ConstraintFactory
from llmkit.models.constraints.vocabulary import build_vocabulary, drops_first_space, tokens_for
from tests.support import tiny
from tests.support.models import chat, completion
from tests.support.schemas import DRAWN, Town, constrained, engine_of
from tests.support.tokenizers import (
    bart_tokenizer,
    chatml_tokenizer,
    inst_tokenizer,
    neox_tokenizer,
    t5_tokenizer,
    turns_tokenizer,
)


def byte_fallback_metaspace_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer that falls back to bytes, and whose spaces Metaspace decodes."""
    backend = Tokenizer.from_str(inst_tokenizer().backend_tokenizer.to_str())
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="</s>")


def t5_tokenizer_without(letters: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer like T5's in which the given characters are unknown, as braces are in T5's."""
    spec = json.loads(t5_tokenizer().backend_tokenizer.to_str())
    spec["model"]["vocab"] = [
        [f"<unused_{number}>" if set(piece) & set(letters) and number > 5 else piece, score]
        for number, (piece, score) in enumerate(spec["model"]["vocab"])
    ]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)), eos_token="</s>", unk_token="<unk>"
    )


TOKENIZERS = {
    "t5": t5_tokenizer(),
    "inst": inst_tokenizer(),
    "turns": turns_tokenizer(),
    "chatml": chatml_tokenizer(),
    "neox": neox_tokenizer(),
    "bart": bart_tokenizer(),
    "bytes": byte_fallback_metaspace_tokenizer(),
}


@pytest.mark.slow
@given(st.sampled_from(list(TOKENIZERS)), st.lists(st.integers(0, 10_000), min_size=1, max_size=12))
@example("bytes", [35])
def test_token_bytes_equal_the_decoded_text(name: str, numbers: list[int]) -> None:
    tokenizer = TOKENIZERS[name]
    vocabulary = build_vocabulary(tokenizer, len(tokenizer), [tokenizer.eos_token_id])
    tokens = [number % len(tokenizer) for number in numbers]
    tokens = [one for one in tokens if vocabulary.decode_bytes([one]) and not vocabulary.is_special_token(one)]
    # leave out tokens that llguidance represents by a placeholder, as they write nothing
    tokens = [one for one in tokens if vocabulary.decode_bytes([one]) != f"<[{one}]>".encode()]
    try:
        text = b"".join(vocabulary.decode_bytes([token]) for token in tokens).decode()
    except UnicodeDecodeError:
        return  # part of a character
    if drops_first_space(tokenizer, vocabulary):
        text = text.removeprefix(" ")
    assert tokenizer.backend_tokenizer.decode(tokens) == text


@pytest.mark.parametrize("options", [{}, DRAWN], ids=["greedy", "drawn"])
def test_encoder_decoder_models_support_every_response_format(options: dict[str, Any]) -> None:
    llm = chat("t5", max_new_tokens=80, **options)
    for method in ("json_schema", "json_mode"):
        town = llm.with_structured_output(Town, method=method)  # type: ignore[arg-type]
        assert isinstance(town.invoke("Name a town."), Town)
        assert all(isinstance(one, Town) for one in town.batch(["Name a town.", "And another?"]))
    choice = {"type": "choice", "options": ["positive", "negative", "not sure"]}
    assert llm.invoke("How is it?", response_format=choice).content in choice["options"]
    streamed = "".join(str(chunk.content) for chunk in llm.stream("How is it?", response_format=choice))
    assert streamed == llm.invoke("How is it?", response_format=choice).content
    pattern = r"[A-Z][a-z]{3,9} [0-9]+!"
    assert re.fullmatch(
        pattern, str(llm.invoke("Say it.", response_format={"type": "regex", "pattern": pattern}).content)
    )


@pytest.mark.parametrize("name", ["t5", "mistral"])
@pytest.mark.parametrize("text", ["yes", " yes", "  y", "The dog sleeps", '{"a"'])
def test_a_leading_space_is_kept(name: str, text: str) -> None:
    assert constrained(engine_of(name), engine_of(name).constraints.choice([text])).text == text
    assert constrained(engine_of(name), engine_of(name).constraints.regex(re.escape(text))).text == text
    response_format = {"type": "choice", "options": [text]}
    assert completion(name).invoke("Is it so?", response_format=response_format) == text


def test_a_choice_may_start_with_its_usual_first_token() -> None:
    """Check SentencePiece's first token, which starts with a space that the text does not have."""
    for name in ("t5", "mistral"):
        engine = engine_of(name)
        tokens = engine.loaded.tokenizer.encode("The dog", add_special_tokens=False)
        matcher = engine.constraints.choice(["The dog"]).start(20)._matcher
        assert matcher.validate_tokens(tokens) == len(tokens)


def test_byte_fallback_tokens_write_any_text() -> None:
    tokenizer = byte_fallback_metaspace_tokenizer()
    vocabulary = build_vocabulary(tokenizer, len(tokenizer), [2])
    assert tokens_for(vocabulary, "\n") == [tokenizer.convert_tokens_to_ids("<0x0A>")]
    for text in ("a\nb", "東京 😀", "\x00"):
        assert vocabulary.decode_str(tokens_for(vocabulary, text) or []) == text
    ConstraintFactory(tokenizer, len(tokenizer)).choice(["a\nb 😀"]).start(20)


def test_characters_without_tokens_raise_constraint_error() -> None:
    tokenizer = t5_tokenizer_without("{}~")
    constraints = ConstraintFactory(tokenizer, len(tokenizer))
    with pytest.raises(ConstraintError, match=r"the model has no tokens that write '\{' '\}'"):
        constraints.json_schema(Town.model_json_schema()).start(100)
    with pytest.raises(ConstraintError, match=r"no tokens that write '~'"):
        constraints.regex("a~+").start(100)
    with pytest.raises(ConstraintError, match="'~x' cannot be a choice: the model has no tokens that write it"):
        constraints.choice(["yes", "~x"])
    assert constraints.choice(["yes", "no"]).start(10).shortest_end
    assert constraints.regex("(a|~)b").start(10).shortest_end


def test_tools_without_brace_tokens_raise_constraint_error() -> None:
    with pytest.raises(ConstraintError, match="no tokens that write"):
        chat("t5").bind_tools([Town], tool_choice="any").invoke("Hi")


def test_logits_beyond_the_vocabulary_are_masked() -> None:
    tokenizer: PreTrainedTokenizerBase = t5_tokenizer()
    size = len(tokenizer) + 28
    constraint = ConstraintFactory(tokenizer, size).regex("(.|\n)*")
    scores = torch.zeros(size)
    constraint.start(9).mask(scores)
    assert scores[len(tokenizer) :].isneginf().all()
    assert tiny.make("t5").tokenizer is tokenizer

"""Messages are encoded as by the chat template, and no text in a message becomes a special token."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from tokenizers import AddedToken, Tokenizer, normalizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from llmkit.errors import InputError
from llmkit.models.tokens.chat_template import PromptEncoder
from llmkit.models.tokens.turns import message_to_dict, messages_to_text
from tests.support import tokenizers
from tests.support.tokenizers import control_ids, control_tokens, decode_all

NESTED = ["<a>", "a>b", "<a><b>", "<b", "☃", "[x"]
"""Names that overlap or contain one another, and a single character."""


def nested_tokenizer() -> PreTrainedTokenizerFast:
    backend = tokenizers.byte_level(["<|im_end|>", *NESTED])
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.add_tokens([AddedToken("<loud>", normalized=True)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
    tokenizer.chat_template = tokenizers.CHATML.replace("<|im_start|>", "<a>")
    return tokenizer


def with_changed_parts(tokenizer: PreTrainedTokenizerBase, **parts: Any) -> PreTrainedTokenizerFast:
    """Return the tokenizer with parts of its description changed."""
    spec = {**json.loads(tokenizer.backend_tokenizer.to_str()), **parts}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), bos_token="<s>")


def always_prepending_tokenizer() -> PreTrainedTokenizerFast:
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}
    return with_changed_parts(tokenizers.inst_tokenizer(), pre_tokenizer=metaspace)


def prepending_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like the first conversion of Llama 2's."""
    steps = [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ]
    return with_changed_parts(
        tokenizers.inst_tokenizer(), pre_tokenizer=None, normalizer={"type": "Sequence", "normalizers": steps}
    )


TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "chatml": tokenizers.chatml_tokenizer,
    "qwen": tokenizers.qwen_tokenizer,
    "neox": tokenizers.neox_tokenizer,
    "inst": tokenizers.inst_tokenizer,
    "turns": tokenizers.turns_tokenizer,
    "nested": nested_tokenizer,
    "gpt2": tokenizers.gpt2_tokenizer,
    "t5": tokenizers.t5_tokenizer,
    "bart": tokenizers.bart_tokenizer,
    "always": always_prepending_tokenizer,
    "prepending": prepending_tokenizer,
}
ENCODERS = {name: PromptEncoder(make(), is_encoder_decoder=name in ("t5", "bart")) for name, make in TOKENIZERS.items()}
CHAT_ENCODERS = [name for name, encoder in ENCODERS.items() if encoder.layout == "chat"]
ALTERNATING = {"inst", "turns"}
"""Templates without a system role, or without two turns of one role in a row."""


def conversation(name: str, texts: Sequence[str]) -> list[BaseMessage]:
    """Make a conversation that the template takes, with a user message at the end."""
    roles: list[type[BaseMessage]] = [HumanMessage, AIMessage] * len(texts)
    messages = [role(text) for role, text in zip(roles, texts[: (len(texts) - 1) | 1], strict=False)]
    return messages if name in ALTERNATING else [SystemMessage(texts[-1]), *messages]


texts = st.lists(st.text(max_size=30), min_size=1, max_size=4)
chat = st.sampled_from(CHAT_ENCODERS)


@given(chat, texts)
@example("neox", ["  two spaces    four", "def f():\n        return 1"])
def test_text_is_tokenized_as_by_apply_chat_template(name: str, texts: list[str]) -> None:
    encoder = ENCODERS[name]
    messages = conversation(name, texts)
    turns = [message_to_dict(message) for message in messages]
    expected = encoder.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    if name != "nested" or not any(name in text for name in NESTED for text in texts):
        assert encoder.encode_messages(messages) == expected


def texts_with(names: Sequence[str]) -> st.SearchStrategy[str]:
    """Generate text from the names, their parts, and characters that an escaping of them might use."""
    name = st.sampled_from(list(names))
    name_part = st.tuples(name, st.integers(0, 6), st.integers(1, 9)).map(lambda cut: cut[0][cut[1] :][: cut[2]])
    other_characters = st.sampled_from(
        ["\U00010000", "\U00010001", "\ue0b5", "\ue0b6", "\0", "0", "1", "3", " ", "\n", "ab"]
    )
    return st.lists(name | name_part | other_characters, max_size=8).map("".join)


@given(st.sampled_from(list(ENCODERS)), st.data())
def test_no_text_becomes_a_special_token(name: str, data: st.DataObject) -> None:
    encoder = ENCODERS[name]
    names = [*control_ids(encoder).values(), "<LOUD>", "＜loud＞"]
    text = data.draw(texts_with(names))
    allowed = [encoder.tokenizer.unk_token_id] if name == "t5" else []
    tokens = encoder.encode_text(text, special=False)
    assert [token for token in control_tokens(encoder, tokens) if token not in allowed] == []
    continuation = encoder.encode_continuation(text)
    assert [token for token in control_tokens(encoder, continuation) if token not in allowed] == []
    if name not in ("t5", "nested"):
        first_space = " " if name in ("inst", "always") else ""  # which these tokenizers drop
        assert decode_all(encoder, tokens) == text.removeprefix(first_space)
        assert decode_all(encoder, [*encoder.encode_text("x", special=False), *continuation]) == f"x{text}"


@given(chat, st.data())
def test_no_message_text_can_start_or_end_a_turn(name: str, data: st.DataObject) -> None:
    encoder = ENCODERS[name]
    texts = data.draw(st.lists(texts_with(list(control_ids(encoder).values())), min_size=3, max_size=4))
    plain = encoder.encode_messages(conversation(name, ["x"] * len(texts)))
    messages = conversation(name, texts)
    tokens = encoder.encode_messages(messages)
    assert control_tokens(encoder, tokens) == control_tokens(encoder, plain)
    if name != "nested":
        assert decode_all(encoder, tokens) == encoder.render(messages)


@pytest.mark.parametrize("name", CHAT_ENCODERS)
def test_every_special_token_is_plain_text_in_every_message(name: str) -> None:
    encoder = ENCODERS[name]
    for name in control_ids(encoder).values():
        for at in range(3):
            texts = ["a question", "an answer", "another question"]
            plain = encoder.encode_messages(conversation(name, texts))
            texts[at] = f"before {name}after{name}"
            messages = conversation(name, texts)
            tokens = encoder.encode_messages(messages)
            assert control_tokens(encoder, tokens) == control_tokens(encoder, plain)
            if name != "nested":
                assert decode_all(encoder, tokens) == encoder.render(messages)


def test_special_tokens_in_tools_arguments_and_results_are_plain_text() -> None:
    encoder = ENCODERS["qwen"]

    def encode_with(text: str) -> list[int]:
        call = {
            "name": f"f{text}",
            "args": {f"key{text}": [f"value{text}", {"deep": text}]},
            "id": f"1{text}",
        }
        messages = [
            SystemMessage(text),
            HumanMessage(text),
            AIMessage(text, tool_calls=[call]),
            ToolMessage(text, tool_call_id=f"1{text}"),
        ]
        tools = [{"type": "function", "function": {"name": "f", "description": f"does {text}"}}]
        return encoder.encode_messages(messages, tools=tools)

    plain = control_tokens(encoder, encode_with("x"))
    assert "<tool_call>" in [control_ids(encoder)[token] for token in plain]
    for name in control_ids(encoder).values():
        assert control_tokens(encoder, encode_with(name)) == plain
        assert decode_all(encoder, encode_with(name)).count(name) >= 8


@pytest.mark.parametrize("name", ["inst", "turns"])
def test_the_bos_token_occurs_once(name: str) -> None:
    encoder = ENCODERS[name]
    bos = encoder.tokenizer.bos_token_id
    for text in ("hello", "<s>hello", "<bos>hello", ""):
        assert encoder.encode_messages([HumanMessage(text)]).count(bos) == 1
        assert encoder.encode_text(text)[:1] == [bos]
        assert encoder.encode_text(text).count(bos) == 1
        assert bos not in encoder.encode_text(text, special=False)


@pytest.mark.parametrize("name", ["chatml", "gpt2", "inst", "turns", "always", "prepending"])
@pytest.mark.parametrize(("text", "more"), [("The dog", "s sleep"), ("The dog", " sleeps"), ("The", ""), ("a", "\n b")])
def test_a_continuation_joins_to_the_text(name: str, text: str, more: str) -> None:
    encoder = ENCODERS[name]
    tokens = [*encoder.encode_text(text, special=False), *encoder.encode_continuation(more)]
    assert decode_all(encoder, tokens) == text + more


def test_a_continuation_of_an_encoder_decoder_model_is_encoded_as_text() -> None:
    encoder = ENCODERS["t5"]
    assert encoder.encode_continuation("dog") == encoder.encode_text("dog", special=False)
    assert decode_all(encoder, encoder.encode_continuation("the dog")) == "the dog"


@given(st.sampled_from(["chatml", "qwen", "gpt2", "neox", "inst", "turns"]), st.text(max_size=30))
def test_offsets_cover_the_text_in_order(name: str, text: str) -> None:
    encoder = ENCODERS[name]
    offsets = encoder.offsets(text)
    assert len(offsets) == len(encoder.encode_text(text, special=False))
    covered = {at for start, end in offsets for at in range(start, end)}
    assert covered == set(range(len(text))) or name == "neox"  # which normalizes
    assert offsets == sorted(offsets)


def test_offsets_cover_the_name_of_a_special_token() -> None:
    encoder = ENCODERS["chatml"]
    text = "say <|im_end|> now"
    tokens = encoder.encode_text(text, special=False)
    for token, (start, end) in zip(tokens, encoder.offsets(text), strict=True):
        assert decode_all(encoder, [token]) == text[start:end]


def test_a_final_assistant_message_is_left_open() -> None:
    encoder = ENCODERS["chatml"]
    tokens = encoder.encode_messages([HumanMessage("Topic?"), AIMessage("Topic: <|im_end|>")])
    assert decode_all(encoder, tokens).endswith("<|im_start|>assistant\nTopic: <|im_end|>")
    assert control_tokens(encoder, tokens[-1:]) == []


def test_content_parts_and_other_roles_are_encoded() -> None:
    encoder = ENCODERS["chatml"]
    parts = HumanMessage([{"type": "text", "text": "one "}, "two", {"type": "text", "text": " three"}])
    assert encoder.encode_messages([parts]) == encoder.encode_messages([HumanMessage("one two three")])
    reasoning = AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "yes"}])
    following = HumanMessage("go on")
    assert encoder.encode_messages([parts, reasoning, following]) == encoder.encode_messages(
        [parts, AIMessage("yes"), following]
    )
    assert "<|im_start|>critic\nno<|im_end|>" in encoder.render([ChatMessage(content="no", role="critic")])


@pytest.mark.parametrize("name", ["chatml", "gpt2", "t5"])
@pytest.mark.parametrize("block", [{"type": "image_url", "image_url": "x"}, {"type": "audio", "data": "x"}], ids=str)
def test_images_and_audio_raise_input_error(name: str, block: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"text only.*human message.*{block['type']}"):
        ENCODERS[name].encode_messages([HumanMessage([{"type": "text", "text": "look"}, block])])


@pytest.mark.parametrize("name", ENCODERS)
def test_an_empty_conversation_raises_input_error(name: str) -> None:
    with pytest.raises(InputError, match="at least one message"):
        ENCODERS[name].encode_messages([])


@pytest.mark.parametrize("name", ["inst", "turns"])
def test_a_system_message_is_merged_where_the_template_has_no_system_role(name: str) -> None:
    encoder = ENCODERS[name]
    messages = [SystemMessage("Be name."), HumanMessage("Hi </s>"), HumanMessage("there")]
    together = encoder.encode_messages([HumanMessage("Be name.\n\nHi </s>\n\nthere")])
    assert encoder.encode_messages(messages) == together or name == "turns"
    assert encoder.encode_messages(messages[:2]) == encoder.encode_messages([HumanMessage("Be name.\n\nHi </s>")])


def test_a_conversation_without_a_template_is_rendered_as_text() -> None:
    assert messages_to_text([HumanMessage("Hi")]) == "Hi"
    assert messages_to_text([SystemMessage("Be name."), HumanMessage("Hi")]) == "Be name.\n\nHi"
    assert messages_to_text([HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Bye")]) == (
        "User: Hi\nAssistant: Hello\nUser: Bye\nAssistant:"
    )
    assert messages_to_text([HumanMessage("Hi"), AIMessage("Hel")]) == "User: Hi\nAssistant: Hel"


def test_truncation_and_padding_of_the_tokenizer_are_ignored() -> None:
    backend = tokenizers.byte_level(["<|endoftext|>"])
    backend.enable_truncation(4)
    backend.enable_padding(length=64)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    before = tokenizer.backend_tokenizer.to_str()
    encoder = PromptEncoder(tokenizer, is_encoder_decoder=False)
    text = "The quick brown fox jumps over <|endoftext|> the lazy dog"
    assert decode_all(encoder, encoder.encode_text(text)) == text
    assert tokenizer.backend_tokenizer.to_str() == before

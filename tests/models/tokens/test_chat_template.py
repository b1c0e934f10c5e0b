"""Messages become the tokens that the chat template says, and nothing in a message's text becomes a special token."""

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

from llmkit.errors import InputError, PromptError
from llmkit.models.tokens.chat_template import PromptEncoder, message_to_dict, messages_to_text
from tests.support import tokenizers as made
from tests.support.tokenizers import control_ids, control_tokens, decode_all

NESTED = ["<a>", "a>b", "<a><b>", "<b", "☃", "[x"]
"""Names that overlap, that contain one another, and one of a single character."""


def nested_tokenizer() -> PreTrainedTokenizerFast:
    backend = made.byte_level(["<|im_end|>", *NESTED])
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.add_tokens([AddedToken("<loud>", normalized=True)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
    tokenizer.chat_template = made.CHATML.replace("<|im_start|>", "<a>")
    return tokenizer


def rewritten(tokenizer: PreTrainedTokenizerBase, **parts: Any) -> PreTrainedTokenizerFast:
    """Return the tokenizer with parts of its description changed."""
    spec = {**json.loads(tokenizer.backend_tokenizer.to_str()), **parts}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), bos_token="<s>")


def always_tokenizer() -> PreTrainedTokenizerFast:
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}
    return rewritten(made.inst_tokenizer(), pre_tokenizer=metaspace)


def prepending_tokenizer() -> PreTrainedTokenizerFast:
    """Llama 2's, as it was first converted."""
    steps = [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ]
    return rewritten(made.inst_tokenizer(), pre_tokenizer=None, normalizer={"type": "Sequence", "normalizers": steps})


TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "chatml": made.chatml_tokenizer,
    "qwen": made.qwen_tokenizer,
    "neox": made.neox_tokenizer,
    "inst": made.inst_tokenizer,
    "turns": made.turns_tokenizer,
    "nested": nested_tokenizer,
    "gpt2": made.gpt2_tokenizer,
    "t5": made.t5_tokenizer,
    "bart": made.bart_tokenizer,
    "always": always_tokenizer,
    "prepending": prepending_tokenizer,
}
ENCODERS = {name: PromptEncoder(make(), is_encoder_decoder=name in ("t5", "bart")) for name, make in TOKENIZERS.items()}
CHAT = [name for name, encoder in ENCODERS.items() if encoder.layout == "chat"]
ALTERNATING = {"inst", "turns"}
"""Templates without a system role, or without two turns of one role in a row."""


def conversation(name: str, texts: Sequence[str]) -> list[BaseMessage]:
    """Make a conversation that the template takes, with a user message at the end."""
    roles: list[type[BaseMessage]] = [HumanMessage, AIMessage] * len(texts)
    messages = [role(text) for role, text in zip(roles, texts[: (len(texts) - 1) | 1], strict=False)]
    return messages if name in ALTERNATING else [SystemMessage(texts[-1]), *messages]


texts = st.lists(st.text(max_size=30), min_size=1, max_size=4)
chat = st.sampled_from(CHAT)


@given(chat, texts)
@example("neox", ["  two spaces    four", "def f():\n        return 1"])
def test_text_is_tokenized_as_by_apply_chat_template(name: str, texts: list[str]) -> None:
    encoder = ENCODERS[name]
    messages = conversation(name, texts)
    turns = [message_to_dict(message) for message in messages]
    wanted = encoder.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    if name != "nested" or not any(name in text for name in NESTED for text in texts):
        assert encoder.encode_messages(messages) == wanted


def pieces_of(names: Sequence[str]) -> st.SearchStrategy[str]:
    """Text made of names, of their parts, and of what a guard against them might use."""
    whole = st.sampled_from(list(names))
    part = st.tuples(whole, st.integers(0, 6), st.integers(1, 9)).map(lambda cut: cut[0][cut[1] :][: cut[2]])
    strange = st.sampled_from(["\U00010000", "\U00010001", "\ue0b5", "\ue0b6", "\0", "0", "1", "3", " ", "\n", "ab"])
    return st.lists(whole | part | strange, max_size=8).map("".join)


@given(st.sampled_from(list(ENCODERS)), st.data())
def test_no_text_becomes_a_special_token(name: str, data: st.DataObject) -> None:
    encoder = ENCODERS[name]
    names = [*control_ids(encoder).values(), "<LOUD>", "＜loud＞"]
    text = data.draw(pieces_of(names))
    allowed = [encoder.tokenizer.unk_token_id] if name == "t5" else []
    tokens = encoder.encode_text(text, special=False)
    assert [token for token in control_tokens(encoder, tokens) if token not in allowed] == []
    onward = encoder.encode_continuation(text)
    assert [token for token in control_tokens(encoder, onward) if token not in allowed] == []
    if name not in ("t5", "nested"):
        first_space = " " if name in ("inst", "always") else ""  # which these take for their own
        assert decode_all(encoder, tokens) == text.removeprefix(first_space)
        assert decode_all(encoder, [*encoder.encode_text("x", special=False), *onward]) == f"x{text}"


@given(chat, st.data())
def test_no_message_can_open_or_close_a_turn(name: str, data: st.DataObject) -> None:
    encoder = ENCODERS[name]
    texts = data.draw(st.lists(pieces_of(list(control_ids(encoder).values())), min_size=3, max_size=4))
    harmless = encoder.encode_messages(conversation(name, ["x"] * len(texts)))
    messages = conversation(name, texts)
    tokens = encoder.encode_messages(messages)
    assert control_tokens(encoder, tokens) == control_tokens(encoder, harmless)
    if name != "nested":
        assert decode_all(encoder, tokens) == encoder.render(messages)


@pytest.mark.parametrize("name", CHAT)
def test_every_special_token_in_every_message(name: str) -> None:
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


def test_special_tokens_in_tools_arguments_and_results_are_text() -> None:
    encoder = ENCODERS["qwen"]

    def told(text: str) -> list[int]:
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

    plain = control_tokens(encoder, told("x"))
    assert "<tool_call>" in [control_ids(encoder)[token] for token in plain]
    for name in control_ids(encoder).values():
        assert control_tokens(encoder, told(name)) == plain
        assert decode_all(encoder, told(name)).count(name) >= 8


@pytest.mark.parametrize("name", ["inst", "turns"])
def test_the_start_token_occurs_once(name: str) -> None:
    encoder = ENCODERS[name]
    start = encoder.tokenizer.bos_token_id
    for text in ("hello", "<s>hello", "<bos>hello", ""):
        assert encoder.encode_messages([HumanMessage(text)]).count(start) == 1
        assert encoder.encode_text(text)[:1] == [start]
        assert encoder.encode_text(text).count(start) == 1
        assert start not in encoder.encode_text(text, special=False)


@pytest.mark.parametrize("name", ["chatml", "gpt2", "inst", "turns", "always", "prepending"])
@pytest.mark.parametrize(("text", "more"), [("The dog", "s sleep"), ("The dog", " sleeps"), ("The", ""), ("a", "\n b")])
def test_continuations(name: str, text: str, more: str) -> None:
    encoder = ENCODERS[name]
    tokens = [*encoder.encode_text(text, special=False), *encoder.encode_continuation(more)]
    assert decode_all(encoder, tokens) == text + more


def test_continuations_of_an_encoder_decoder_model() -> None:
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


def test_offsets_with_the_name_of_a_special_token() -> None:
    encoder = ENCODERS["chatml"]
    text = "say <|im_end|> now"
    tokens = encoder.encode_text(text, special=False)
    for token, (start, end) in zip(tokens, encoder.offsets(text), strict=True):
        assert decode_all(encoder, [token]) == text[start:end]


def test_an_assistants_last_message_is_left_open() -> None:
    encoder = ENCODERS["chatml"]
    tokens = encoder.encode_messages([HumanMessage("Topic?"), AIMessage("Topic: <|im_end|>")])
    assert decode_all(encoder, tokens).endswith("<|im_start|>assistant\nTopic: <|im_end|>")
    assert control_tokens(encoder, tokens[-1:]) == []


def test_messages_of_parts_and_of_other_roles() -> None:
    encoder = ENCODERS["chatml"]
    parts = HumanMessage([{"type": "text", "text": "one "}, "two", {"type": "text", "text": " three"}])
    assert encoder.encode_messages([parts]) == encoder.encode_messages([HumanMessage("one two three")])
    thought = AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "yes"}])
    after = HumanMessage("go on")
    assert encoder.encode_messages([parts, thought, after]) == encoder.encode_messages([parts, AIMessage("yes"), after])
    assert "<|im_start|>critic\nno<|im_end|>" in encoder.render([ChatMessage(content="no", role="critic")])


@pytest.mark.parametrize("name", ["chatml", "gpt2", "t5"])
@pytest.mark.parametrize("block", [{"type": "image_url", "image_url": "x"}, {"type": "audio", "data": "x"}], ids=str)
def test_images_and_sounds_are_refused(name: str, block: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"text only.*human message.*{block['type']}"):
        ENCODERS[name].encode_messages([HumanMessage([{"type": "text", "text": "look"}, block])])


@pytest.mark.parametrize("name", ENCODERS)
def test_no_messages_at_all(name: str) -> None:
    with pytest.raises(InputError, match="at least one message"):
        ENCODERS[name].encode_messages([])


def test_a_conversation_that_the_template_refuses() -> None:
    with pytest.raises(PromptError, match=r"refuses these messages: .*must alternate"):
        ENCODERS["inst"].encode_messages([AIMessage("a"), HumanMessage("b")])


@pytest.mark.parametrize("name", ["inst", "turns"])
def test_a_template_without_a_system_role(name: str) -> None:
    encoder = ENCODERS[name]
    messages = [SystemMessage("Be name."), HumanMessage("Hi </s>"), HumanMessage("there")]
    together = encoder.encode_messages([HumanMessage("Be name.\n\nHi </s>\n\nthere")])
    assert encoder.encode_messages(messages) == together or name == "turns"
    assert encoder.encode_messages(messages[:2]) == encoder.encode_messages([HumanMessage("Be name.\n\nHi </s>")])


def test_a_conversation_without_a_template() -> None:
    assert messages_to_text([HumanMessage("Hi")]) == "Hi"
    assert messages_to_text([SystemMessage("Be name."), HumanMessage("Hi")]) == "Be name.\n\nHi"
    assert messages_to_text([HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Bye")]) == (
        "User: Hi\nAssistant: Hello\nUser: Bye\nAssistant:"
    )
    assert messages_to_text([HumanMessage("Hi"), AIMessage("Hel")]) == "User: Hi\nAssistant: Hel"


def test_truncation_and_padding_of_the_tokenizer_are_ignored() -> None:
    backend = made.byte_level(["<|endoftext|>"])
    backend.enable_truncation(4)
    backend.enable_padding(length=64)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    before = tokenizer.backend_tokenizer.to_str()
    encoder = PromptEncoder(tokenizer, is_encoder_decoder=False)
    text = "The quick brown fox jumps over <|endoftext|> the lazy dog"
    assert decode_all(encoder, encoder.encode_text(text)) == text
    assert tokenizer.backend_tokenizer.to_str() == before

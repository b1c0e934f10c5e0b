"""Chat models that only count tokens: the real encoder over different tokenizers, built in memory."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from llmkit.models.tokens.chat_template import PromptEncoder

CORPUS = [
    "Summarize the conversation in one or two short sentences.",
    "#Person1#: What time is it, Tom? #Person2#: It's ten to nine by my watch.",
    "The railway station is very close. In this conversation, Tom tells the time.",
    "In dieser Unterhaltung. 今天天气很好。你好吗？ שלום עולם مرحبا بالعالم 😀👍",
] * 8

CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRIMMED = (
    "{{ '<s>' }}{% for m in messages %}"
    "{{ '[' + m['role'] + '] ' + m['content'] | trim + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant] ' }}{% endif %}"
)
TOKENIZER_NAMES = ("chatml", "trimmed", "wordpiece", "flan")


@cache
def encoder(tokenizer_name: str) -> PromptEncoder:
    build = {"chatml": _byte_level, "trimmed": _metaspace, "wordpiece": _wordpiece, "flan": _unigram}[tokenizer_name]
    return PromptEncoder(build(), is_encoder_decoder=tokenizer_name == "flan")


def _byte_level() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    control = ["<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=control, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=control[0], eos_token=control[1], chat_template=CHATML
    )


def _metaspace() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    spec = json.loads(tokenizer.to_str())  # the trainer makes the bytes special tokens: make them ordinary again
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["id"] < 3]
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=TRIMMED,
    )


def _wordpiece() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]"))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", bos_token="[CLS]")


def _unigram() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\n", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=250, special_tokens=names, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


class CountingChat(BaseChatModel):
    """A chat model that answers with the number of tokens of its prompt."""

    tokenizer_name: str = "chatml"
    context_window: int = 256

    @property
    def layout(self) -> str:
        return encoder(self.tokenizer_name).layout

    def get_num_tokens(self, text: str) -> int:
        return len(encoder(self.tokenizer_name).encode_text(text, special=False))

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return encoder(self.tokenizer_name).offsets(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None) -> int:
        return len(encoder(self.tokenizer_name).encode_messages(messages))

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        answer = AIMessage(str(self.get_num_tokens_from_messages(messages)))
        return ChatResult(generations=[ChatGeneration(message=answer)])

    @property
    def _llm_type(self) -> str:
        return "counting"


def example_of_words(count: int) -> dict[str, str]:
    """Return an example whose input has `count` words."""
    return {"input": "time " * count, "output": "Tom"}

"""Fast tokenizers like those of well-known models, trained on a few lines."""

import json
from collections.abc import Sequence
from functools import cache

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from llmkit.models.tokens.chat_template import PromptEncoder

TEXT = (
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "What is the capital of France? The capital of France is Paris.",
    'A call is written as JSON: {"name": "get_weather", "arguments": {"city": "Paris", "days": 3}}.',
    "Zwölf Boxkämpfer jagen Viktor über den Deich. 東京 is 日本の首都 😀 — naïve café, 1234567890.",
    "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, 1))\n",
)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN = (
    "{% if tools %}<|im_start|>system\n"
    "{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}# Tools\n<tools>"
    "{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}\n</tools>\n"
    "Answer within <tool_call></tool_call>.<|im_end|>\n"
    "{% elif messages[0].role == 'system' %}<|im_start|>system\n{{ messages[0].content }}<|im_end|>\n"
    "{% endif %}"
    "{% for message in messages %}{% if message.role == 'tool' %}"
    "<|im_start|>user\n<tool_response>\n{{ message.content }}\n</tool_response><|im_end|>\n"
    "{% elif not (message.role == 'system' and loop.first) %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}"
    "{% for call in message.tool_calls or [] %}"
    '\n<tool_call>\n{"name": "{{ call.function.name }}", "arguments": '
    "{{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined %}"
    "{{ '<think>\n' if enable_thinking else '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
INST = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message.role == 'user' %}[INST] {{ message.content | trim }} [/INST]"
    "{% else %} {{ message.content | trim }}{{ eos_token }}{% endif %}{% endfor %}"
)
TURNS = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def byte_level(special: list[str], size: int = 400) -> Tokenizer:
    """Return a tokenizer like those of GPT-2, Llama 3 and Qwen: byte pairs, no unknown text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def byte_fallback(special: list[str], size: int = 480) -> Tokenizer:
    """Return a tokenizer like those of Llama 2 and Gemma: byte pairs over characters, bytes for the rest."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(
        (line for text in TEXT for line in text.split()),  # otherwise whole lines would become pieces
        trainers.BpeTrainer(vocab_size=size, special_tokens=[*special, *pieces], show_progress=False),
    )
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] in special]
    return Tokenizer.from_str(json.dumps(spec))


def unigram(special: list[str]) -> Tokenizer:
    """Return a tokenizer like that of T5: likeliest pieces; other text is unknown."""
    words = [f"▁{word}" for text in TEXT for word in text.split() if word.isascii()]
    pieces = {piece: -4.0 - len(piece) / 4 for word in words for piece in (word, word[:4], word[-2:])}
    letters = dict.fromkeys("▁" + "".join(map(chr, range(ord("!"), ord("}") + 1))), -9.0)
    scores = {**dict.fromkeys(special, 0.0), **letters, **pieces}
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=special.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\n", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(special)
    return tokenizer


def word_level() -> PreTrainedTokenizerFast:
    """Return a tokenizer of whole words, which cannot represent other text."""
    words = {word: index for index, word in enumerate(["<unk>", "</s>", *sorted(set(" ".join(TEXT).split()))])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")


def _add_tokens_around(tokenizer: Tokenizer, begin: str, end: str) -> None:
    """Let the tokenizer add these tokens before and after a text."""
    single = " ".join(part for part in (begin, "$A", end) if part)
    names = [(name, tokenizer.token_to_id(name)) for name in (begin, end) if name]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=names)


@cache
def chatml_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of SmolLM."""
    backend = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    tokenizer.chat_template = CHATML
    return tokenizer


@cache
def qwen_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of Qwen 3: no start token; visible tokens that enclose tool calls and reasoning."""
    backend = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], size=395)
    tags = ["<tool_call>", "</tool_call>", "<think>", "</think>", "<tool_response>"]
    backend.add_tokens([AddedToken(tag, normalized=False) for tag in tags])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = QWEN
    return tokenizer


@cache
def gpt2_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of GPT-2: one control token, no chat template."""
    backend = byte_level(["<|endoftext|>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


@cache
def neox_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of GPT-NeoX: runs of spaces are added tokens."""
    backend = byte_level(["<|endoftext|>"], size=396)
    backend.add_tokens([AddedToken(" " * count, normalized=True) for count in (4, 3, 2)])
    backend.normalizer = normalizers.NFC()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|endoftext|>", eos_token="<|endoftext|>")
    tokenizer.chat_template = CHATML.replace("<|im_start|>", "<|").replace("<|im_end|>", "<|endoftext|>")
    return tokenizer


@cache
def inst_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like those of Llama 2 and Mistral: a start token before every text, alternating roles."""
    backend = byte_fallback(["<unk>", "<s>", "</s>"])
    _add_tokens_around(backend, "<s>", "")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<unk>"
    )
    tokenizer.chat_template = INST
    return tokenizer


@cache
def turns_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of Gemma: start and end of turns, and no system role."""
    backend = byte_fallback(["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    _add_tokens_around(backend, "<bos>", "")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    )
    tokenizer.chat_template = TURNS
    return tokenizer


@cache
def t5_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of T5."""
    backend = unigram(["<pad>", "</s>", "<unk>", "<extra_id_0>", "<extra_id_1>"])
    _add_tokens_around(backend, "", "</s>")
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


@cache
def bart_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of BART."""
    backend = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    _add_tokens_around(backend, "<s>", "</s>")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token=AddedToken("<mask>", lstrip=True),
    )


def control_ids(encoder: PromptEncoder) -> dict[int, str]:
    added = encoder.tokenizer.added_tokens_decoder.items()
    return {number: token.content for number, token in added if token.content.strip()}


def control_tokens(encoder: PromptEncoder, tokens: Sequence[int]) -> list[int]:
    return [token for token in tokens if token in control_ids(encoder)]


def decode_all(encoder: PromptEncoder, tokens: Sequence[int]) -> str:
    return str(encoder.tokenizer.backend_tokenizer.decode(list(tokens), skip_special_tokens=False))

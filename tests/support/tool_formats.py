"""Models with the chat template of each tool call format, for the tests of tools."""

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel, Field
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from llmkit import HuggingFaceChat
from tests.support import tiny
from tests.support.tokenizers import CHATML

TOOL_TEMPLATE = "{% if tools %}<|im_start|>system\n{{ tools | tojson }} WRITE<|im_end|>\n{% endif %}" + CHATML.replace(
    "{{ message.content }}", "{{ message.content }}{{ message.tool_calls | tojson if message.tool_calls }}"
)
"""A chat template that lists the tools and the format of a call."""

FORMATS = {
    "described in words": CHATML,
    "hermes": TOOL_TEMPLATE.replace("WRITE", "<tool_call></tool_call>"),
    "mistral": TOOL_TEMPLATE.replace("WRITE", "[TOOL_CALLS]"),
    "llama": TOOL_TEMPLATE.replace("WRITE", '{"name": function name, "parameters": dictionary}'),
}

BY_TOKENS = {
    "hermes by tokens": (FORMATS["hermes"], ("<tool_call>", "</tool_call>")),
    "mistral by tokens": (FORMATS["mistral"], ("[TOOL_CALLS]",)),
    "mistral by spaced tokens": (
        TOOL_TEMPLATE.replace("WRITE", "[TOOL_CALLS] [").replace("<|im_", "[im_"),
        ("[TOOL_CALLS]",),
    ),
    "mistral of 2025": (TOOL_TEMPLATE.replace("WRITE", "[TOOL_CALLS]f[ARGS]{}"), ("[TOOL_CALLS]", "[ARGS]")),
    "llama by tokens": (FORMATS["llama"], ("<|python_tag|>",)),
}
"""Formats in which special tokens, which are otherwise hidden in the text of an answer, enclose a call."""


class Search(BaseModel):
    """Search for something."""

    query: str = Field(max_length=12)
    limit: int = Field(ge=1, le=50)


class Locate(BaseModel):
    """Where am I?"""


def with_special_tokens(tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer in which rarely used tokens are replaced by special tokens of these names."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    unused = ("<0x00>", "<0x01>") if "<0x00>" in spec["model"]["vocab"] else ("<file_sep>", "<|endoftext|>")
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] not in unused[: len(names)]]
    for old, name in zip(unused, names, strict=False):
        number = spec["model"]["vocab"][name] = spec["model"]["vocab"].pop(old)
        token = {**spec["added_tokens"][0], "id": number, "content": name, "special": True}
        spec["added_tokens"] = sorted([*spec["added_tokens"], token], key=lambda token: token["id"])
    special_names = {name: getattr(tokenizer, name) for name in ("bos_token", "eos_token", "pad_token")}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), **special_names)


def chat_with_format(format_name: str, **options: Any) -> HuggingFaceChat:
    """Return a model whose chat template has this tool format; in "tags", the tags are added tokens."""
    model, tokenizer = tiny.make(
        "qwen3" if format_name == "tags" else "mistral" if "spaced" in format_name else "llama"
    )
    if format_name in BY_TOKENS:
        tokenizer = with_special_tokens(tokenizer, BY_TOKENS[format_name][1])
        tokenizer.chat_template = BY_TOKENS[format_name][0]
    elif format_name != "tags":
        tokenizer = copy.copy(tokenizer)
        tokenizer.chat_template = FORMATS[format_name]
    options = {"temperature": 1.2, "seed": 3, "max_new_tokens": 120, "context_window": 4096, **options}
    return HuggingFaceChat(model=model, tokenizer=tokenizer, **options)


FORMAT_NAMES = [*FORMATS, *BY_TOKENS, "tags"]
every_format = pytest.mark.parametrize(
    "format_name", tiny.fast_and_slow(FORMAT_NAMES, {"hermes", "mistral by tokens", "tags"})
)

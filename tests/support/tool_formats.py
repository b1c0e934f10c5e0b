"""What the tests of tools share: models that speak each format of calls."""

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

TOLD = "{% if tools %}<|im_start|>system\n{{ tools | tojson }} WRITE<|im_end|>\n{% endif %}" + CHATML.replace(
    "{{ message.content }}", "{{ message.content }}{{ message.tool_calls | tojson if message.tool_calls }}"
)
"""A chat template that tells tools, and how to write a call."""

FORMATS = {
    "told in words": CHATML,
    "hermes": TOLD.replace("WRITE", "<tool_call></tool_call>"),
    "mistral": TOLD.replace("WRITE", "[TOOL_CALLS]"),
    "llama": TOLD.replace("WRITE", '{"name": function name, "parameters": dictionary}'),
}

BY_TOKENS = {
    "hermes by tokens": (FORMATS["hermes"], ("<tool_call>", "</tool_call>")),
    "mistral by tokens": (FORMATS["mistral"], ("[TOOL_CALLS]",)),
    "mistral by spaced tokens": (TOLD.replace("WRITE", "[TOOL_CALLS] [").replace("<|im_", "[im_"), ("[TOOL_CALLS]",)),
    "mistral of 2025": (TOLD.replace("WRITE", "[TOOL_CALLS]f[ARGS]{}"), ("[TOOL_CALLS]", "[ARGS]")),
    "llama by tokens": (FORMATS["llama"], ("<|python_tag|>",)),
}
"""Formats in which special tokens, which no answer's text shows otherwise, stand around a call."""


class Search(BaseModel):
    """Search for something."""

    query: str = Field(max_length=12)
    limit: int = Field(ge=1, le=50)


class Locate(BaseModel):
    """Where am I?"""


def with_special(tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer in which tokens that are hardly used have become special ones of these names."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    unused = ("<0x00>", "<0x01>") if "<0x00>" in spec["model"]["vocab"] else ("<file_sep>", "<|endoftext|>")
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] not in unused[: len(names)]]
    for old, name in zip(unused, names, strict=False):
        number = spec["model"]["vocab"][name] = spec["model"]["vocab"].pop(old)
        token = {**spec["added_tokens"][0], "id": number, "content": name, "special": True}
        spec["added_tokens"] = sorted([*spec["added_tokens"], token], key=lambda one: one["id"])
    kept = {name: getattr(tokenizer, name) for name in ("bos_token", "eos_token", "pad_token")}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), **kept)


def speaking(form: str, **options: Any) -> HuggingFaceChat:
    """Return a model whose template is of this form; "tags" is one whose tags are tokens of their own."""
    model, tokenizer = tiny.make("qwen3" if form == "tags" else "mistral" if "spaced" in form else "llama")
    if form in BY_TOKENS:
        tokenizer = with_special(tokenizer, BY_TOKENS[form][1])
        tokenizer.chat_template = BY_TOKENS[form][0]
    elif form != "tags":
        tokenizer = copy.copy(tokenizer)
        tokenizer.chat_template = FORMATS[form]
    options = {"temperature": 1.2, "seed": 3, "max_new_tokens": 120, "context_window": 4096, **options}
    return HuggingFaceChat(model=model, tokenizer=tokenizer, **options)


FORMS = [*FORMATS, *BY_TOKENS, "tags"]
forms = pytest.mark.parametrize("form", tiny.fast_and_slow(FORMS, {"hermes", "mistral by tokens", "tags"}))

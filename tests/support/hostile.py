"""Texts, files, a model and pages that try to control the terminal, and a search for what reaches it of them."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import torch

from tests.support import tiny
from tests.support.tokenizers import chatml_tokenizer

EVIL = (
    "\x1b]52;c;ZXZpbA==\x07\x1b]0;evil\x1b\\\x1b[38;5;213m\x1b[77;7H\x9b77;7H\x9d0;evil\x9c\x1b]8;;http:evil\x1b\\ "
    "half\rover\b\b\x7f\u202e\u2066[red]{0}%s"
)
"""Writes the clipboard, names the window, sets a colour, moves, links, overwrites and reverses; a file may have it."""
_FOREIGN = re.compile("\x1b\\[38;5;213m|\x1b\\[77;7H|\rover|over\b")
_OURS = re.compile(r"\x1b(?:\[[\d;]*[mABCDGHJKn]|\[\?(?:1|7|12|25|2004)[hl]|\[\d? q)|\r|\x08")
"""What rich and prompt_toolkit write: styles, moves of the cursor, erased lines, modes of the terminal."""
_BIDIRECTIONAL = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def harm_in(output: bytes, *, terminal: bool) -> set[str]:
    """Return what could control a terminal, apart from what rich and prompt_toolkit write to one."""
    text = output.decode(errors="surrogateescape")
    found = set(_FOREIGN.findall(text))
    text = _OURS.sub("", text) if terminal else text
    return found | {char for char in text if _is_control(char)}


def _is_control(char: str) -> bool:
    return (unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t") or char in _BIDIRECTIONAL


def save_model(folder: Path, *, template: str = "") -> Path:
    """Save a tiny model whose answers have only tokens of control sequences."""
    tokens = [f"{EVIL} ", "\x9b2J \x1b[38;5;213m\r\n"]
    tokenizer = chatml_tokenizer().__class__(tokenizer_object=chatml_tokenizer().backend_tokenizer)
    tokenizer.add_special_tokens({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"})
    tokenizer.chat_template = template or chatml_tokenizer().chat_template
    tokenizer.add_tokens(tokens)
    model = tiny.build("Llama", tokenizer, {**tiny.BODY, "max_position_embeddings": 4096})
    with torch.no_grad():
        head = model.lm_head.weight
        direction = torch.ones(head.shape[1])
        direction[::2] = -1
        for row, sign in zip(tokenizer.convert_tokens_to_ids(tokens), (1, -1), strict=True):
            head[row] = 5 * sign * direction  # one of the two is always the likeliest
    model.generation_config.max_new_tokens = 6
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_conversation(folder: Path, name: str, model: str) -> None:
    """Save a conversation in which all is hostile."""
    changes = [
        {"do": "begin", "version": 1},
        {"do": "model", "name": model},
        {"do": "system", "text": EVIL},
        {"do": "set", "name": "stop", "value": [EVIL]},
        {"do": "set", "name": EVIL, "value": EVIL},
        {"do": "attach", "text": f"Ann is here. {EVIL}", "source": EVIL, "title": EVIL},
        {"do": "say", "text": EVIL},
        {"do": "piece", "text": f"```{EVIL}\n{EVIL}\n```\n\n| {EVIL} |\n|---|\n| [x]({EVIL}) |\n\n<b>{EVIL}</b>"},
        {"do": "cite", "text": EVIL},
        {"do": "end", "finish_reason": EVIL},
        {"do": EVIL},
        EVIL,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{json.dumps(change, ensure_ascii=False)}\n" for change in changes)
    (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")

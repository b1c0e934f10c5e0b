"""Attempts on a model's folder: tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.folder_damages import Damage, change, change_each

TOKENIZER: dict[str, Damage] = {
    **change_each(
        "tokenizer_config.json",
        {
            "tokenizer_class": ("nope", 5, None, "BertTokenizer", "../x"),
            "eos_token": (5, None, {}, "x" * 10**6, {"content": 5}, ["a"]),
            "bos_token": (5, {"content": None}, []),
            "pad_token": (5, {}),
            "model_max_length": (-1, "x", float("nan"), 10**30, []),
            "added_tokens_decoder": (5, {"x": 5}, {"0": {"content": "a"}}, {str(10**9): {"content": "zz"}}, []),
            "chat_template": (5, [], {}, [{"name": "x", "template": "y"}], [5], "{{"),
            "extra_special_tokens": (5, {"a": 5}, [1]),
            "additional_special_tokens": (5, [5], "x"),
            "auto_map": (5, {"AutoTokenizer": ["x.Y", None]}),
            "padding_side": ("up", 5),
            "clean_up_tokenization_spaces": ("x",),
            "add_prefix_space": ("x", 5),
        },
    ),
    **change_each(
        "tokenizer.json",
        {
            "model": (5, {}, None, {"type": "BPE"}, {"type": "BPE", "vocab": {"a": -1}, "merges": []}),
            "normalizer": (5, {"type": "nope"}),
            "decoder": (5, None, {"type": "Replace", "pattern": {"String": ""}, "content": "x" * 10**6}),
            "pre_tokenizer": (5, {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}),
            "added_tokens": (5, [5], [{"id": 10**9, "content": "x"}]),
            "post_processor": (5, {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}),
            "truncation": (5, {"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 0}),
            "padding": (
                5,
                {
                    "strategy": {"Fixed": 10**12},
                    "direction": "Right",
                    "pad_to_multiple_of": None,
                    "pad_id": 0,
                    "pad_type_id": 0,
                    "pad_token": "x",
                },
            ),
        },
    ),
    "a normalizer that makes each character a million": change(
        "tokenizer.json",
        "normalizer",
        value={"type": "Replace", "pattern": {"Regex": "."}, "content": "ab" * 500_000},
    ),
    "a normalizer that multiplies ten times": change(
        "tokenizer.json",
        "normalizer",
        value={
            "type": "Sequence",
            "normalizers": [{"type": "Replace", "pattern": {"Regex": "."}, "content": "abcdefghij"}] * 10,
        },
    ),
    "a normalizer that prepends a million": change(
        "tokenizer.json", "normalizer", value={"type": "Prepend", "prepend": "ab" * 500_000}
    ),
    "a pattern that backtracks": change(
        "tokenizer.json",
        "pre_tokenizer",
        value={
            "type": "Split",
            "pattern": {"Regex": r"(a|a|b|\w|\w\w)*\W\d"},
            "behavior": "Isolated",
            "invert": False,
        },
    ),
}


def _vocabulary(edit: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(folder: Path) -> None:
        whole = json.loads((folder / "tokenizer.json").read_text())
        edit(whole)
        (folder / "tokenizer.json").write_text(json.dumps(whole))

    return damage


def _moved(distance: int) -> Damage:
    return _vocabulary(
        lambda whole: whole["model"]["vocab"].update(
            {name: token + distance for name, token in whole["model"]["vocab"].items() if token > 4}
        )
    )


def _models() -> dict[str, Any]:
    return {
        "of words": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "nope"},
        "of a token": {"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]], "byte_fallback": False},
        "without its unknown token": {"type": "Unigram", "unk_id": 10**9, "vocab": [["a", -1.0]]},
        "of high scores": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 1e308], ["b", -1e308]]},
        "of word pieces": {
            "type": "WordPiece",
            "vocab": {"a": 0},
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 10**12,
        },
    }


_START = [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
_TEMPLATE: dict[str, Any] = {"type": "TemplateProcessing", "single": _START, "pair": _START[1:], "special_tokens": {}}
DAMAGED: dict[str, Damage] = {
    "a character map of 4 GB": change(
        "tokenizer.json", "normalizer", value={"type": "Precompiled", "precompiled_charsmap": "/////w=="}
    ),
    "a normalizer that fails": change(
        "tokenizer.json", "normalizer", value={"type": "Replace", "pattern": {"Regex": ""}, "content": "ab"}
    ),
    "tokens that the model does not have": _moved(10**6),
    "tokens of 2^32": _moved(2**32 - 10**4),
    "tokens of special names that the model does not have": _vocabulary(
        lambda whole: [token.update(id=token["id"] + 10**6) for token in whole["added_tokens"]]
    ),
    "an added token of ten million characters": _vocabulary(
        lambda whole: whole["added_tokens"].append({**whole["added_tokens"][0], "id": 399, "content": "z" * 10**7})
    ),
    "one token for all": _vocabulary(
        lambda whole: whole["model"].update(vocab=dict.fromkeys(whole["model"]["vocab"], 0))
    ),
    "no such unknown token": _vocabulary(lambda whole: whole["model"].update(unk_token="nope")),
    "long ends of words": _vocabulary(
        lambda whole: whole["model"].update(end_of_word_suffix="x" * 10**6, continuing_subword_prefix="y" * 10**6)
    ),
    "no such merges": _vocabulary(lambda whole: whole["model"].update(merges=[["nope", "nix"]])),
    "many merges": _vocabulary(lambda whole: whole["model"].update(merges=[["a", "a"]] * 10**5)),
    **{f"a model {name}": change("tokenizer.json", "model", value=value) for name, value in _models().items()},
    **change_each(
        "tokenizer.json",
        {
            "normalizer": (
                *({"type": "Precompiled", "precompiled_charsmap": code} for code in ("", "AAAA", "!!")),
                {"type": "Sequence", "normalizers": [{"type": "NFKC"}] * 50},
                {"type": "Replace", "pattern": {"Regex": "("}, "content": "ab"},
                {"type": "Replace", "pattern": {"Regex": "."}, "content": ""},
            ),
            "pre_tokenizer": (
                {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
                {"type": "Punctuation", "behavior": "Nope"},
                {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}] * 10_000},
                {"type": "CharDelimiterSplit", "delimiter": ""},
                {"type": "FixedLength", "length": 0},
                {"type": "Metaspace", "replacement": "", "prepend_scheme": "first"},
            ),
            "decoder": (
                {"type": "Strip", "content": " ", "start": 10**9, "stop": 10**9},
                {"type": "ByteFallback"},
                {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": True},
                {"type": "BPEDecoder", "suffix": ""},
                {"type": "WordPiece", "prefix": "", "cleanup": True},
            ),
            "post_processor": (
                _TEMPLATE,
                {**_TEMPLATE, "special_tokens": {"[X]": {"id": "[X]", "ids": [10**6] * 5, "tokens": ["[X]"] * 5}}},
                {"type": "BertProcessing", "sep": ["x", -1], "cls": ["y", 1]},
            ),
        },
    ),
}
TOKENIZER |= DAMAGED

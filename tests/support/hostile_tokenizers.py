"""Attempts on a model's folder: tokenizers."""

from __future__ import annotations

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

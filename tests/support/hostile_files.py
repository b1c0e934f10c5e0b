"""Attempts on a model's folder: its files."""

from __future__ import annotations

from tests.support.folder_damages import Damage, cut, header, index, link, pipe, sparse, unix_socket, write

JSON_FILES = ("config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json")
OTHERS = (*JSON_FILES, "chat_template.jinja", "special_tokens_map.json", "added_tokens.json", "model.safetensors")
FILES: dict[str, Damage] = {
    **{
        f"{file}: {what}": write(file, text)
        for file in (*JSON_FILES, "special_tokens_map.json", "added_tokens.json", "model.safetensors.index.json")
        for what, text in {
            "deep": "[" * 200_000 + "]" * 200_000,
            "deep dicts": '{"a":' * 100_000 + "1" + "}" * 100_000,
            "a list": "[1]",
            "a number": "5",
            "null": "null",
            "empty": "",
            "half": '{"a": ',
            "text": '"x"',
            "not UTF-8": b"\xff\xfe\x00",
            "NaN": '{"vocab_size": NaN}',
            "big number": '{"vocab_size": 1' + "0" * 5000 + "}",
            "byte order mark": b"\xef\xbb\xbf{}",
            "empty object": "{}",
        }.items()
    },
    **{
        f"{file}: {what}": make(file)
        for file in OTHERS
        for what, make in {
            "pipe": pipe,
            "socket": unix_socket,
            "/dev/zero": lambda f: link(f, "/dev/zero"),
            "/dev/stdin": lambda f: link(f, "/dev/stdin"),
            "link in a circle": lambda f: link(f, f),
            "link to nothing": lambda f: link(f, "/nowhere/x"),
            "link to the folder": lambda f: link(f, "."),
            "10 GB of zeros": lambda f: sparse(f, 10**10),
        }.items()
    },
    "additional template: pipe": pipe("additional_chat_templates/x.jinja"),
    "weights: half": cut("model.safetensors", 20_000),
    "weights: 4 bytes": cut("model.safetensors", 4),
    "weights: empty": write("model.safetensors", b""),
    "weights: no tensors": header({}),
    "weights: header of 10^18": write("model.safetensors", (10**18).to_bytes(8, "little") + b"{}"),
    "weights: header is a list": header([]),
    "weights: offsets outside": header({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}),
    "weights: deep header": write("model.safetensors", (200_000).to_bytes(8, "little") + b"[" * 200_000),
    "index: outside of the folder": index({"a": "../../../../etc/passwd"}),
    "index: absolute": index({"a": "/etc/passwd"}),
    "index: a pipe": pipe("model.safetensors.index.json"),
    "index: missing file": index({"a": "nowhere.safetensors"}),
    "index: numbers": index({"a": 5}),
    "index: a list": index(["a"]),
    "index: nothing": index({}),
    "index: NUL": index({"a": "x\0y"}),
    "index: long name": index({"a": "x" * 5000}),
    "index: a folder": index({"a": "."}),
}

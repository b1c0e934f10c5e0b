"""What a folder's configuration may ask for, checked before memory is allocated: no more than its files have."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llmkit.errors import ModelUnusable
from llmkit.models.weights.folder_files import (
    CONFIG,
    GENERATION_CONFIG,
    TOKENIZER,
    StoredWeights,
    read_content,
    read_object,
    stored_weights,
    weight_files,
)

_LIMITS = {
    re.compile(r"layers?$|depth$|n(um)?_blocks?$"): 1_000,
    re.compile(r"experts$"): 10_000,
    re.compile(r"labels$"): 100_000,
    re.compile(r"beams$"): 256,
    re.compile(r"ngram_size$"): 100_000,
}
"""The highest numbers, by the end of an entry's name: transformers makes objects or copies in such numbers at once."""
_LAYERS = re.compile(r"(?:n|num|encoder|decoder)_(?:\w+_)?layers?$")
_RANKS = ("r", "init_r", "target_r", "rank", "rank_pattern")
_MAX_REPLICATIONS = 100
_MAX_LAYER_EXPERTS = 50_000
_SPARE = 1 << 20
_MAX_BUFFERS = 1 << 28
_PER_QUANTIZED_BYTE = 8
_MAX_INSERT = 100  # characters that a normalizer puts in the place of one
_MAX_GROWTH = 1_000
_MAX_ADDED = 2_000_000  # characters; the automaton that finds them takes a hundred times as much memory
_ADDED = re.compile(rb'"content"\s*:\s*"((?:[^"\\]|\\.)*+)"')
_INSERTING = {
    **{name: re.compile(name + rb"\s*[,}]") for name in (b'"Replace"', b'"Prepend"', b'"Precompiled"')},
    rb"\u00": re.compile(rb"\\u00(?:[2-6]|7[^fF])"),
}
"""The types of components that insert text, or a printable ASCII character that is escaped: a text to find first."""


def check_settings(folder: Path) -> None:
    """Raise `ModelUnusable` for a count that no model has, such as a billion layers, or for code to be fetched."""
    for file in (folder / CONFIG, folder / GENERATION_CONFIG):
        if file.is_file():
            entries = list(_entries(read_object(file)))
            _check_counts(file, [(key, value) for key, value in entries if isinstance(value, int | float)])
            for key, value in entries:
                if "implementation" in key and "/" in str(value):  # transformers would run what the hub has there
                    raise ModelUnusable(f"{file} has {key[:100]}={str(value)!r:.100}, code that is not run: remove it")


def _check_counts(file: Path, numbers: Sequence[tuple[str, float]]) -> None:
    highest = dict.fromkeys(_LIMITS, 0.0)
    for key, value in numbers:
        if value < 0 and _LAYERS.match(key):
            raise ModelUnusable(f"{file} has {key[:100]}={value:.12g}: it is damaged, so get the model's files again")
        for pattern, limit in _LIMITS.items():
            if pattern.search(key):
                highest[pattern] = max(highest[pattern], value)
                if value > limit:
                    raise ModelUnusable(
                        f"{file} has {key[:100]}={value:.12g}, more than {limit:,}: it is damaged, so get the model's "
                        "files again"
                    )
    layers, experts, *_ = highest.values()
    if layers * experts > _MAX_LAYER_EXPERTS:
        raise ModelUnusable(f"{file} has {layers:g} layers of {experts:g} experts: no such model is known")


def check_size(folder: Path, config: Any, auto_class: Any) -> None:
    """Raise `ModelUnusable` if a configuration asks for more than twice the weights that a folder has.

    A model without values is made for that, which takes as long as transformers needs for its own (some 30 ms). What is
    missing or has another shape below that limit is named when the weights are read.
    """
    import torch

    stored = stored_weights(weight_files(folder))
    is_quantized = bool(getattr(config, "quantization_config", None))
    available = _PER_QUANTIZED_BYTE * stored.nbytes if is_quantized else 2 * stored.numbers
    plain = copy.deepcopy(config)
    if is_quantized:
        del plain.quantization_config
    with torch.device("meta"):
        model = auto_class.from_config(plain)
    asked = sum(weight.numel() for weight in model.parameters())
    computed = sum(buffer.numel() for buffer in model.buffers())
    if asked > available + _SPARE or computed > max(available, _MAX_BUFFERS):
        raise ModelUnusable(
            f"{folder} is incomplete or damaged: by {CONFIG} the model has {asked + computed:,} weights, but its files "
            f"have {stored.numbers:,}; get the model's files again, all from one place"
        )


def check_adapter(file: Path, stored: StoredWeights) -> None:
    """Raise `ModelUnusable` for what an adapter's configuration asks for and its weights do not have, or for code.

    That is a rank that is longer than any side of them, layers that are repeated a thousand times, and the name of a
    module that peft would import.
    """
    config = read_object(file)
    for key, value in _entries(config):
        if key in _RANKS and isinstance(value, int | float) and value > max(stored.longest, 1):
            raise ModelUnusable(
                f"{file} has {key}={value:.12g}, but its weights have no side of more than {stored.longest}: it is "
                "damaged, so get the adapter's files again"
            )
    if config.get("megatron_config") is not None:
        raise ModelUnusable(f"{file} has a megatron_config, for which code would be imported: it is not supported")
    repeated = config.get("layer_replication")
    if isinstance(repeated, list) and len(repeated) > _MAX_REPLICATIONS:
        raise ModelUnusable(f"{file} has a layer_replication of {len(repeated):,} parts: no such adapter is known")


def check_tokenizer_file(folder: Path) -> None:
    """Raise `ModelUnusable` for a tokenizer.json that makes a text much longer, or has very long added tokens.

    Parsing takes a tenth of a second for each few megabytes, so it is done only if a component has such a name.
    """
    file = folder / TOKENIZER
    if file.is_file():
        content = read_content(file)
        if sum(len(found[1]) for found in _ADDED.finditer(content)) > _MAX_ADDED:
            raise ModelUnusable(
                f"{file} has added tokens of more than {_MAX_ADDED:,} characters: it is damaged, so get the model's "
                "files again"
            )
        if any(text in content and pattern.search(content) for text, pattern in _INSERTING.items()):
            check_growth(file, read_object(file))


def check_growth(where: object, components: dict[str, Any]) -> None:
    """Raise `ModelUnusable` if a tokenizer's normalizer or decoder makes a text much longer."""
    for name in ("normalizer", "decoder"):
        growth = 1
        try:
            sizes = list(_inserts(components.get(name)))
        except ValueError as error:
            raise ModelUnusable(f"{where} is damaged: its {name} has {error}") from error
        for size in sizes:
            growth *= max(size, 1)
            if size > _MAX_INSERT or growth > _MAX_GROWTH:
                raise ModelUnusable(
                    f"{where} has a {name} that makes a text more than {min(size, _MAX_GROWTH):,} times as long: it is "
                    "damaged, so get the model's files again"
                )


def backend_components(tokenizer: Any) -> dict[str, Any]:
    """Return the description of a loaded tokenizer's normalizer and decoder, as tokenizer.json has it."""
    backend = tokenizer.backend_tokenizer
    parts = {"normalizer": backend.normalizer, "decoder": backend.decoder}
    return {name: json.loads(part.__getstate__()) for name, part in parts.items() if part is not None}


def _entries(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all values in a JSON object that are no objects or lists, with the key of the entry that has them.

    The keys of a `rank_pattern` are names of layers, so that it is the key itself.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _entries(item, key if key == "rank_pattern" else name)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _entries(item, key)
    elif not isinstance(value, bool):
        yield key, value


def _inserts(component: Any) -> Iterator[int]:
    """Yield how many characters each part of a normalizer or decoder may write for one."""
    if isinstance(component, list):
        for part in component:
            yield from _inserts(part)
    if not isinstance(component, dict):
        return
    for name in ("normalizers", "decoders"):
        yield from _inserts(component.get(name))
    for name in ("content", "prepend", "replacement", "prefix", "suffix"):
        if isinstance(component.get(name), str):
            yield len(component[name])
    if isinstance(component.get("precompiled_charsmap"), str):
        yield _longest_replacement(component["precompiled_charsmap"])


def _longest_replacement(charsmap: str) -> int:
    """Return the length of the longest text in the character map of sentencepiece: a trie, then texts that end in NUL.

    https://github.com/google/sentencepiece/blob/master/src/normalizer.cc (DecodePrecompiledCharsMap)
    """
    content = base64.b64decode(charsmap, validate=True)
    size = int.from_bytes(content[:4], "little")
    if not 0 < size <= len(content) - 4 or size % 4:  # tokenizers asks for so much memory
        raise ValueError("a character map without a trie")
    return max(map(len, content[4 + size :].split(b"\0")), default=0)

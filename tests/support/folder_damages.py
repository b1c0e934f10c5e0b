"""Ways to damage the folder of a model: values in its JSON files, other content, special files."""

from __future__ import annotations

import copy
import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support import tiny

Damage = Callable[[Path], object]


def save_folder(folder: Path, name: str = "llama") -> Path:
    """Save a tiny model that is whole."""
    one = tiny.make(name)
    copy.deepcopy(one.model).float().save_pretrained(folder)
    one.tokenizer.save_pretrained(folder)
    return folder


def change(file: str, *path: str | int, value: Any) -> Damage:
    """Return a damage: an entry of a JSON file has another value."""

    def damage(folder: Path) -> None:
        whole = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
        place = whole
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        (folder / file).write_text(json.dumps(whole))

    return damage


def change_each(file: str, table: Mapping[str, Iterable[object]]) -> dict[str, Damage]:
    """Return a damage for each value of each entry, by a name that says it."""
    return {
        f"{file}: {name}={value!r:.60}": change(file, name, value=value)
        for name, values in table.items()
        for value in values
    }


def write(file: str, content: str | bytes) -> Damage:
    """Return a damage: a file has another content."""

    def damage(folder: Path) -> None:
        _make_free(folder / file)
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def link(file: str, target: str) -> Damage:
    """Return a damage: a file is a link."""

    def damage(folder: Path) -> None:
        _make_free(folder / file)
        (folder / file).symlink_to(target)

    return damage


def pipe(file: str) -> Damage:
    """Return a damage: a file is a named pipe."""

    def damage(folder: Path) -> None:
        _make_free(folder / file)
        os.mkfifo(folder / file)

    return damage


def unix_socket(file: str) -> Damage:
    """Return a damage: a file is a socket."""

    def damage(folder: Path) -> None:
        _make_free(folder / file)
        here = os.getcwd()
        os.chdir(folder)  # the names of sockets are short
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(file)
        os.chdir(here)

    return damage


def sparse(file: str, size: int) -> Damage:
    """Return a damage: a file goes on with zeros, which take no space on the disk."""

    def damage(folder: Path) -> None:
        with (folder / file).open("ab") as opened:
            opened.truncate(size)

    return damage


def cut(file: str, size: int) -> Damage:
    """Return a damage: a file ends early."""

    def damage(folder: Path) -> None:
        (folder / file).write_bytes((folder / file).read_bytes()[:size])

    return damage


def index(weight_map: object) -> Damage:
    """Return a damage: an index says in which files the weights are."""
    return write("model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": weight_map}))


def header(tensors: object) -> Damage:
    """Return a damage: the weights are a header alone."""
    text = json.dumps(tensors).encode()
    return write("model.safetensors", len(text).to_bytes(8, "little") + text)


def _make_free(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)

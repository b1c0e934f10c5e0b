"""The grids of a model's weights, in a file beside them, so that they need not be looked for at each start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from llmkit.models.lean.grid import Grid, Nibbles, find

FILE = "grids.safetensors"


def write(model: nn.Module, folder: Path) -> None:
    """Look for the grids of a model's linear layers, and write those that there are."""
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in model.named_modules():
        grid = find(layer.weight.data) if isinstance(layer, nn.Linear) else None
        for place, part in enumerate(grid or ()):
            tensors[f"{name}.{place}.pairs"] = part.pairs
            tensors[f"{name}.{place}.scales"] = part.scales
    if tensors:
        save_file(tensors, folder / FILE)


class Grids(Mapping[nn.Module, Grid]):
    """The grids of a model's linear layers, as far as a folder tells them; each is read when it is asked for."""

    def __init__(self, model: nn.Module, folder: Path | None) -> None:
        self._places: dict[nn.Module, list[str]] = {}
        if folder is None or not (folder / FILE).exists():
            return
        self._path = folder / FILE
        layers = dict(model.named_modules())
        with safe_open(self._path, "pt") as file:
            for key in sorted(file.keys()):
                place, what = key.rsplit(".", 1)
                if what == "pairs":
                    self._places.setdefault(layers[place.rsplit(".", 1)[0]], []).append(place)

    def __getitem__(self, layer: nn.Module) -> Grid:
        """Give a layer's grid; raises `KeyError` where none is known."""
        return tuple(self._read(place) for place in self._places[layer])

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _read(self, place: str) -> Nibbles:
        with safe_open(self._path, "pt") as file:
            # copied, or the file would stay in memory as well
            return Nibbles(*(file.get_tensor(f"{place}.{what}").clone() for what in ("pairs", "scales")))

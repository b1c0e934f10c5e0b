"""A fitted chain as data: what it learned in `chain.json` and `arrays.safetensors`, and no code."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from llmkit.chains.guarantees.guarantee import Guarantee
from llmkit.chains.guarantees.seen import SeenTexts
from llmkit.errors import InputError
from llmkit.regular_files import parse_object, read_regular, reason
from llmkit.text.words import with_article

Arrays = dict[str, NDArray[np.float64]]

SETTINGS_FILE, ARRAYS_FILE = "chain.json", "arrays.safetensors"
MAX_BYTES = 1 << 31
PROBE = "N/A"
"""A text of which an embedder's vector is saved, and labels' scores, to recognize the model."""
MAX_SCORE_DIFFERENCE = 1.0
"""In nats: the same model in another precision differs by some tenths at most, another model by many nats."""
MAX_PROBABILITY_DIFFERENCE = 0.25
"""In nats, for encoders: in bfloat16 `minilm-l6` differs by up to 0.1."""
MIN_COSINE = 0.999
_FORMAT = re.compile(r"llmkit (?P<kind>\S+) chain, version \d+")


class SavedChain(BaseModel):
    """What is saved of every chain as JSON.

    Attributes:
        format: which chain it is of, and the version.
        threshold: the one in use.
        guarantee: what `calibrate` guaranteed, if it did.
        seen_texts: of how many texts, which the chain learned from, a digest is in an array.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    kind: ClassVar[str]
    """What the chain is called in errors."""

    format: str
    threshold: float | None
    guarantee: Guarantee | None = None
    seen_texts: int = 0


S = TypeVar("S", bound=SavedChain)


def write_chain(folder: str | os.PathLike[str], settings: SavedChain, arrays: Arrays) -> None:
    """Write both files; raise `InputError` if the folder cannot be written."""
    from safetensors.numpy import save

    path = Path(folder)
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name, data in ((ARRAYS_FILE, content), (SETTINGS_FILE, settings.model_dump_json(indent=1).encode())):
            unfinished = path / f"{name}.part-{os.getpid()}"
            unfinished.write_bytes(data)
            unfinished.replace(path / name)
    except OSError as error:
        raise InputError(f"the chain cannot be saved in {path}: {reason(error)}; name another folder") from error


def read_chain(folder: str | os.PathLike[str], settings_type: type[S]) -> tuple[S, Arrays]:
    """Read both files; raise `InputError` if they are missing, damaged, of another chain or of another version."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(folder)
    try:
        fields = parse_object(_read(path, SETTINGS_FILE))
        _check_format(path, fields.get("format"), settings_type)
        settings = settings_type.model_validate(fields)
        arrays = load(_read(path, ARRAYS_FILE))
    except InputError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise _unreadable(path, settings_type.kind, error) from error
    return settings, {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}


def digest(folder: str | os.PathLike[str]) -> str:
    """Return a digest of both files of a saved chain; raise `InputError` if they cannot be read."""
    path = Path(folder)
    try:
        parts = [_read(path, name) for name in (SETTINGS_FILE, ARRAYS_FILE)]
    except OSError as error:
        raise _unreadable(path, "", error) from error
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _read(folder: Path, name: str) -> bytes:
    return read_regular(folder / name, MAX_BYTES)


def _check_format(path: Path, found: Any, settings_type: type[SavedChain]) -> None:
    wanted = settings_type.model_fields["format"].default
    other = _FORMAT.fullmatch(str(found))
    if other and other["kind"] != settings_type.kind:
        wanted_kind = f"{with_article(settings_type.kind)} chain"
        raise InputError(f"{path} has {with_article(other['kind'])} chain, not {wanted_kind}: give another folder")
    if found != wanted:
        raise ValueError(f"its format is {found!r:.80}, but must be {wanted!r}")


def _unreadable(path: Path, kind: str, error: Exception) -> InputError:
    """Return the error of a folder, which says in a line what is wrong with it and what to do."""
    what = f"{path} has no saved {f'{kind} ' if kind else ''}chain that can be read"
    if isinstance(error, NotADirectoryError):
        return InputError(f"{what}: it is a file; give the folder that a chain was saved in")
    if isinstance(error, FileNotFoundError):
        name = SETTINGS_FILE if not (path / SETTINGS_FILE).exists() else ARRAYS_FILE
        return InputError(f"{what}: there is no {name} in it; give the folder that a chain was saved in")
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return InputError(f"{what}: in {SETTINGS_FILE}, {place}: {first['msg']}; save the chain again")
    return InputError(f"{what}: {reason(error)}; save the chain again")


def take_array(arrays: Mapping[str, NDArray[np.float64]], name: str, *shape: int) -> NDArray[np.float64]:
    """Return an array, or raise `InputError` if it is missing or of another shape."""
    found = arrays.get(name)
    if found is None or found.shape != shape:
        have = "is missing" if found is None else f"has the shape {found.shape}"
        raise InputError(f"the saved chain is damaged: its array {name!r} {have}, but must have the shape {shape}")
    if not np.isfinite(found).all():
        raise InputError(f"the saved chain is damaged: its array {name!r} has numbers that are not finite")
    return found


def seen_array(seen: SeenTexts) -> NDArray[np.float64]:
    """Return the digests of the texts that a chain learned from, as the array "seen" has them."""
    return np.array(sorted(seen.digests), dtype=np.float64)


def take_seen(saved: SavedChain, arrays: Arrays) -> SeenTexts:
    """Return the texts that the chain learned from; a chain that was saved by an earlier version has none."""
    digests: Iterable[Any] = take_array(arrays, "seen", saved.seen_texts) if saved.seen_texts else ()
    return SeenTexts(int(digest) for digest in digests)


def validate_same_method(saved: str, found: str) -> None:
    """Raise `InputError` if the model answers in another way than the one that the chain was saved with."""
    if saved != found:
        raise InputError(
            f"the chain was saved with a model that answers by {saved}, but this one does by {found}: load it with the "
            "same model, or fit a new chain"
        )


def validate_same_model(
    saved: NDArray[np.float64], found: NDArray[np.float64], max_difference: float, what: str = "its scores"
) -> None:
    """Raise `InputError` if the scores of the probes are those of another model or prompt."""
    difference = float(np.abs(saved - found).max())
    if difference > max_difference:
        raise InputError(
            f"the chain was saved with another model or prompt: {what} differ by up to {difference:.1f} nats. Load it "
            "with the same ones, or fit a new chain"
        )


def validate_embedder_given(*, saved: bool, given: bool) -> None:
    """Raise `InputError` if a chain was saved with an embedder and none is given, or the reverse."""
    if saved and not given:
        raise InputError("the chain was saved with an embedder: give the same one with embedder=")
    if given and not saved:
        raise InputError("the chain was saved without an embedder: leave it out, or fit a new chain")


def validate_same_embedder(saved: NDArray[np.float64] | None, found: Sequence[float] | NDArray[np.float64]) -> None:
    """Raise `InputError` if the unit vector of the probe is that of another embedder."""
    vector = np.asarray(found, dtype=np.float64)
    if saved is None or saved.shape != vector.shape or not saved @ vector >= MIN_COSINE:  # also for NaN
        raise InputError("the chain was saved with another embedder: load it with the same one, or fit a new chain")

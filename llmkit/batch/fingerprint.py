"""The fingerprint of a batch: everything that changes its results, so that results of two runs are never mixed."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any

from llmkit import __version__
from llmkit.batch.spec import ChainSpec

Identity = dict[str, Any]
_SHOWN = 60


def identify(spec: ChainSpec) -> Identity:
    """Return everything that changes the results of a specification, as plain data.

    Fetches the model if it is not here, but does not load it. Of a served model, address and name count. The name of a
    model and the folder of a saved chain are left
    out: what counts is the content of their files. "auto" is resolved to the data type of this machine.

    Raises:
        ModelNotFound, ModelUnusable, InputError: no such model, embedder or saved chain.
    """
    found = asdict(spec)
    for name in ("model", "device", "saved"):
        found.pop(name)
    found |= {"llmkit": __version__, "prompts": _prompts_digest()}
    if spec.base_url is not None:  # whose weights are not seen from here
        found["model"] = spec.model
    elif spec.model is not None:
        from llmkit.models.weights.identity import chosen_dtype, weights_digest

        found["weights"] = weights_digest(spec.model)
        found["dtype"] = chosen_dtype(spec.model, spec.device, spec.dtype)
    if isinstance(embedder := spec.arguments.get("embedder"), str):
        from llmkit.models.weights.identity import weights_digest

        found["embedder weights"] = weights_digest(embedder)
    if spec.saved is not None:
        from llmkit.chains.saving import digest

        found["saved chain"] = digest(spec.saved)[:16]
    if ":" in spec.chain:
        found["code"] = _digest(inspect.getsource(import_module(spec.chain.partition(":")[0])))
    return found


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return the fingerprint of an identity, in 16 hexadecimal digits."""
    return _digest(json.dumps(identity, sort_keys=True))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between two identities, each as `name is …, and was …`."""
    old, new = dict(_flat(before)), dict(_flat(now))
    names = [*old, *(name for name in new if name not in old)]
    changed = (name for name in names if old.get(name) != new.get(name))
    return [f"{name} is {_shown(new, name)}, and was {_shown(old, name)}" for name in changed]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings by their path, without those that are not set."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, "" if name in ("arguments", "settings") else f"{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "not set"
    text = json.dumps(values[name], ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _prompts_digest() -> str:
    from llmkit.prompts.library import list_prompts, read

    return _digest(json.dumps([[name, read(name)] for name in list_prompts()]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

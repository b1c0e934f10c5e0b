"""How much memory the weights of models take, and whether those of several fit together, before one is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmkit.errors import InputError
from llmkit.models.weights.adapters import find_adapter
from llmkit.models.weights.catalog import resolve
from llmkit.models.weights.folder_files import CONFIG, read_object, stored_weights, weight_files
from llmkit.models.weights.loading import choose_device, choose_dtype

_CGROUP = Path("/sys/fs/cgroup")  # of a container, or of a service with a limit; version 2


def weights_nbytes_of(name: str) -> int:
    """Return the bytes that the weights of a model take when it is loaded, by the headers of its files.

    Numbers of floating point have the precision of the device, and packed ones that of the files. Memory beside the
    weights, such as that of keys and values, is not counted.

    Args:
        name: as for `resolve`, which fetches the model if it is not here.
    """
    folder = resolve(name)
    adapter = find_adapter(folder)
    folder = folder if adapter is None else adapter.base
    stored = stored_weights(weight_files(folder))
    if read_object(folder / CONFIG).get("quantization_config"):
        return stored.nbytes
    return stored.packed_nbytes + stored.floats * choose_dtype(choose_device()).itemsize


def check_memory(names: Sequence[str]) -> None:
    """Check that the weights of several models fit into the free memory of their device together, each once.

    Raises:
        InputError: they do not; tells what each needs.
    """
    needed = {name: weights_nbytes_of(name) for name in names}
    free = free_memory()
    if sum(needed.values()) > free:
        each = ", ".join(f"{name} {gigabytes(nbytes)}" for name, nbytes in needed.items())
        raise InputError(
            f"the models need {gigabytes(sum(needed.values()))} of memory together ({each}), but {gigabytes(free)} is "
            "free: serve fewer or smaller ones"
        )


def gigabytes(nbytes: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{nbytes / 1e9:.2f} GB"


def free_memory() -> int:
    """Return the bytes that new weights can take on the best device here."""
    import torch

    if choose_device() == "cuda":
        from llmkit.models.batch_sizes import CudaMemory

        return CudaMemory(torch.device("cuda")).free()
    import psutil

    found = int(psutil.virtual_memory().available)
    return found if (limited := _free_of_cgroup()) is None else min(found, limited)


def _free_of_cgroup() -> int | None:
    """Return what the limit of this process's container leaves; `None` without a limit.

    Pages of files that were not used lately count as free: the kernel gives them up first.
    """
    try:
        most, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        counts = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return most - used + int(counts["inactive_file"])
    except (OSError, ValueError, KeyError):  # there is none, or its limit is "max"
        return None

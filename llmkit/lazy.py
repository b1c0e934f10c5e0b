"""Packages whose public names are loaded when first used, so that an import costs only what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pkgutil import walk_packages
from typing import Any


def lazy(package: str, names: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` (PEP 562) of a package; `names` are the public names of each module."""
    modules = {name: module for module, public in names.items() for name in public}

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return load, lambda: sorted({*vars(sys.modules[package]), *modules})


def take_over(package: str) -> None:
    """Make a package importable without `llmkit.`, too.

    From a checkout's root, `import chains` follows the link `chains -> llmkit/chains` and runs that file under another
    name. The real package is loaded, all of it, and registered under that name: every class exists once.
    """
    for module_info in walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module_info.name)
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            sys.modules[name.removeprefix("llmkit.")] = module

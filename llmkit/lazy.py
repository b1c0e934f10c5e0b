"""Packages whose public names are loaded when they are first used, so that an import costs only what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import walk_packages
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Give a package's `__getattr__` and `__dir__` (PEP 562).

    Args:
        package: its full name.
        homes: the module within it that each public name comes from.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return load, lambda: sorted({*vars(sys.modules[package]), *homes})


def take_over(package: str) -> None:
    """Let a package answer to the name without `llmkit.` too.

    From a checkout's root, `import chains` follows the link `chains -> llmkit/chains` and runs that file under another
    name. The real package is loaded, all of it, and takes over that name: every class exists once.
    """
    for each in walk_packages(import_module(package).__path__, f"{package}."):
        import_module(each.name)
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            sys.modules[name.removeprefix("llmkit.")] = module

"""Where llmkit keeps files: its cache, its user's data, and the configuration.

| variable | default (platformdirs) | contents |
| --- | --- | --- |
| `LLMKIT_CACHE` | the user's cache folder | models, web pages; may be deleted at any time |
| `LLMKIT_DATA` | the user's data and state folders | conversations and the input history of `llmkit chat` |
| `LLMKIT_CONFIG` | `config.toml` in the user's config folder | defaults of the command line |
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from llmkit.errors import InputError


def cache_dir() -> Path:
    """Return the folder of everything that can be fetched or computed again."""
    return _from_environment("LLMKIT_CACHE") or platformdirs.user_cache_path("llmkit")


def data_dir() -> Path:
    """Return the folder of what users would not want to lose, such as conversations."""
    return _from_environment("LLMKIT_DATA") or platformdirs.user_data_path("llmkit")


def state_dir() -> Path:
    """Return the folder of what is convenient but not precious, such as the input history."""
    return _from_environment("LLMKIT_DATA") or platformdirs.user_state_path("llmkit")


def config_file() -> Path:
    """Return the path of the configuration file, which need not exist."""
    return _from_environment("LLMKIT_CONFIG") or platformdirs.user_config_path("llmkit") / "config.toml"


def _from_environment(variable: str) -> Path | None:
    path = os.environ.get(variable)
    try:
        return Path(path).expanduser().absolute() if path else None
    except RuntimeError as error:  # ~ of an unknown user
        raise InputError(f"{variable} is {path!r:.200}, which is no path: {error}") from error

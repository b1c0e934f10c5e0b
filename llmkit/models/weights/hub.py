"""Models of the Hugging Face hub, through `huggingface_hub`, with its cache and its environment variables."""

from __future__ import annotations

import re
from pathlib import Path

from llmkit.errors import DownloadError, ModelNotFound

_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]
# The same weights again, for other programs.
_UNWANTED = ["original/*", "onnx/*", "openvino/*", "consolidated*.safetensors", "*.fp16.safetensors"]


def is_hub_id(name: str) -> bool:
    """Return whether a name has the form `org/name`."""
    return _ID.fullmatch(name) is not None


def snapshot(name: str, *, local: bool = False, weights: bool = True) -> Path:
    """Return the folder of a hub model, fetched if it is not in huggingface_hub's cache.

    Without a network, with `HF_HUB_OFFLINE=1` or with `local`, only the cache is used. Without `weights`, only the
    tokenizer and the configuration are fetched.

    Raises:
        ModelNotFound: the hub has no such model, or not for this user.
        DownloadError: the hub cannot be reached, or asks to accept a licence first.
    """
    from huggingface_hub import errors, snapshot_download

    wanted = _WANTED if weights else [pattern for pattern in _WANTED if "safetensors" not in pattern]
    try:
        found = snapshot_download(name, allow_patterns=wanted, ignore_patterns=_UNWANTED, local_files_only=local)
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"the hub keeps {name} behind a licence: accept it on its page, then log in with 'hf auth login'"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ModelNotFound(
            f"the Hugging Face hub has no model {name!r} that you may see, and no folder here has this name: "
            "check its spelling, or log in with 'hf auth login' if it is private"
        ) from error
    except Exception as error:  # httpx's, the system's and the hub's own: whatever stops a download
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise DownloadError(
            f"{name} cannot be fetched from the Hugging Face hub ({reason}), and its cache here has no copy: "
            "check the network and HF_HUB_OFFLINE, or name a local folder or one of 'llmkit models'"
        ) from error
    return Path(found)

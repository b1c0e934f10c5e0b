"""Names of options that callers write for several providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmkit.errors import SettingsError

WITHOUT_EFFECT = (
    "ls_structured_output_format",
    "max_retries",
    "strict",  # a call always fits its schema here
    "metadata",
    "stream_usage",  # the last chunk always has it
    "stream_options",
    "user",
    "safety_identifier",
    "service_tier",
    "store",
    "prompt_cache_key",
    "prompt_cache_retention",
    "cache_control",
    "extra_headers",
    "default_headers",
    "betas",
    "inference_geo",
)
"""Options for tracers, and for models behind a network, that callers of several providers pass."""


def rename_options(options: dict[str, Any], stop: Sequence[str] | None) -> Sequence[str] | None:
    """Use the names of this package for options that other integrations have, with the same meaning.

    Returns:
        What ends the completion: `stop`, or Anthropic's `stop_sequences`.

    Raises:
        SettingsError: an option is given by two names.
    """
    if (sequences := options.pop("stop_sequences", None)) is not None:
        if stop is not None:
            raise SettingsError("stop and stop_sequences are given: they are two names of one setting, give one")
        stop = sequences
    if "tool_config" in options:  # Gemini and Bedrock
        config = options.pop("tool_config")
        choice = config.get("toolChoice", config) if isinstance(config, Mapping) else config
        if options.get("tool_choice") is not None:
            raise SettingsError("tool_choice and tool_config are given: they are two names of one option, give one")
        options["tool_choice"] = choice or None
    if "disable_parallel_tool_use" in options:  # Anthropic
        disabled = options.pop("disable_parallel_tool_use")
        options.setdefault("parallel_tool_calls", not disabled if isinstance(disabled, bool) else disabled)
    if "request_timeout" in options:
        options.setdefault("timeout", options.pop("request_timeout"))
    return stop

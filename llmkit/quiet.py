"""Messages of other libraries that mean nothing to users of llmkit: the one place where they are silenced."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


def silence_loggers(*names: str) -> None:
    """Keep libraries' warnings off stderr; an application that configures logging still gets their errors."""
    for name in names:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.ERROR)
            logger.addHandler(logging.NullHandler())


def silence_kernels() -> None:
    """Keep messages about kernels for GPUs that are not installed off stderr, also those at a model's first use.

    torchao and bitsandbytes write them when they are imported, which transformers and peft do; transformers itself for
    state space models such as Mamba.
    """
    silence_loggers("torchao", "bitsandbytes", "torch.utils._pytree", "transformers.integrations.hub_kernels")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide transformers' warnings and progress bars, and those of the quantization libraries that it imports."""
    from transformers.utils import logging as transformers_logging

    silence_kernels()
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()

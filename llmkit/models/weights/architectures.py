"""Which architectures generate text, and what the others are for."""

from __future__ import annotations

from typing import Any

from llmkit.errors import ModelUnusable
from llmkit.text.words import with_article

_HEADS = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMaskedLM",
    "ForPreTraining",
)
"""Endings of the names of architectures that generate no text, and that `HuggingFaceEncoder` takes."""
_OTHERS = ("ForMultipleChoice", "ForNextSentencePrediction")
"""Endings of others that generate no text."""

_INSTEAD = "choose a causal language model (…ForCausalLM) or an encoder-decoder model (…ForConditionalGeneration)"


def is_for_encoder(architecture: str, *, embeds: bool = False) -> bool:
    """Return whether `HuggingFaceEncoder` loads an architecture: one with a head, or an embedder without one."""
    return architecture.endswith(_HEADS) or (embeds and architecture.endswith("Model"))


def require_generator(config: Any, where: str, *, is_loaded: bool = False) -> None:
    """Raise `ModelUnusable` for the configuration of a model that generates no text.

    With `is_loaded`, the model is one with a head for generation, whatever the name in its configuration.

    transformers loads an encoder such as BERT as a causal language model, whose tokens then attend to later ones, and
    a classifier without its head. An encoder that was trained to generate has `is_decoder` in its configuration.
    """
    architecture = next(iter(getattr(config, "architectures", None) or ()), "")
    ending = next((ending for ending in (*_HEADS, *_OTHERS) if architecture.endswith(ending)), "")
    is_encoder = _is_encoder(config)
    if not is_encoder and (is_loaded or ending in ("", "ForPreTraining")):
        return
    what = f"{with_article(architecture)}, " if architecture else f"a model of type {config.model_type}, "
    what += "an encoder, which generates no text" if is_encoder else "which generates no text"
    raise ModelUnusable(f"{where} {what}: {_INSTEAD}{_use_of(architecture, ending)}")


def _is_encoder(config: Any) -> bool:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    if config.is_encoder_decoder or config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return False
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return not (getattr(config, "is_decoder", False) or getattr(config, "causal", False))
    return config.model_type not in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES


def _use_of(architecture: str, ending: str) -> str:
    if ending in _HEADS:
        return "; HuggingFaceEncoder takes this one, and the chains take that"
    if architecture.endswith("Model"):
        return "; HuggingFaceEncoder takes this one, if it is a sentence embedder (a folder of sentence-transformers)"
    return ""

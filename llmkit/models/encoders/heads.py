"""The head of an encoder-only model, by its configuration, and what it can do."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from llmkit.errors import ModelUnusable
from llmkit.text.words import with_article


class Head(StrEnum):
    """What the last layers of a model were trained for; the value names it in messages."""

    ENTAILMENT = "entailment classifier"
    RELEVANCE = "cross-encoder with one score"
    CLASSIFIER = "classifier of texts"
    EMBEDDER = "sentence embedder"
    MASKED_LM = "masked language model"
    TOKEN_CLASSIFIER = "classifier of tokens"
    QUESTION_ANSWERING = "question-answering head"

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The methods of `HuggingFaceEncoder` that this head has."""
        return _CAPABILITIES[self]


_CAPABILITIES: dict[Head, tuple[str, ...]] = {
    Head.ENTAILMENT: ("label_scores",),
    Head.RELEVANCE: ("label_scores",),
    Head.CLASSIFIER: ("label_scores",),
    Head.EMBEDDER: ("label_scores",),
    Head.MASKED_LM: ("label_scores", "fill_mask"),
    Head.TOKEN_CLASSIFIER: ("span_scores",),
    Head.QUESTION_ANSWERING: ("answer_spans",),
}
USES = {
    "label_scores": "ZeroShotClassificationChain",
    "span_scores": "NERChain",
    "answer_spans": "QAChain and WebQAChain",
    "fill_mask": "fill_mask",
}
"""What each capability is for."""
_AUTO_CLASSES = {
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForPreTraining": "AutoModelForMaskedLM",
}
"""The class of transformers that loads an architecture, by the ending of its name."""


def auto_class_of(architecture: str) -> Any:
    """Return the class of transformers that loads an architecture with its head; `None` if it has none."""
    import transformers

    return next(
        (getattr(transformers, name) for end, name in _AUTO_CLASSES.items() if architecture.endswith(end)), None
    )


def find_head(architecture: str, config: Any) -> Head | None:
    """Return the head of an architecture with this configuration; `None` for a model without one of these heads."""
    if architecture.endswith(("ForMaskedLM", "ForPreTraining")):
        return Head.MASKED_LM
    if architecture.endswith("ForTokenClassification"):
        return Head.TOKEN_CLASSIFIER
    if architecture.endswith("ForQuestionAnswering"):
        return Head.QUESTION_ANSWERING
    if not architecture.endswith("ForSequenceClassification"):
        return None
    if entailment_index(config) is not None:
        return Head.ENTAILMENT
    return Head.RELEVANCE if config.num_labels == 1 else Head.CLASSIFIER


def label_names(config: Any) -> list[str]:
    """Return the names of a head's labels, in the order of its outputs."""
    return [str(config.id2label.get(index, f"LABEL_{index}")) for index in range(config.num_labels)]


def entailment_index(config: Any) -> int | None:
    """Return which output of a classifier is "entailment", by the configuration; `None` if none is.

    `id2label` is what transformers names results by. Files that only have `label2id` have the other one filled in.
    """
    names = [name.lower() for name in label_names(config)]
    names_by_id = {index: str(name).lower() for name, index in (config.label2id or {}).items()}
    for index, name in enumerate(names):
        if name.startswith("entail") or names_by_id.get(index, "").startswith("entail"):
            return index
    return None


def contradiction_index(config: Any, entailment: int) -> int:
    """Return which output speaks against "entailment": "contradiction", or else the only other one.

    Raises:
        ModelUnusable: the configuration does not say which it is.
    """
    others = {index: name.lower() for index, name in enumerate(label_names(config)) if index != entailment}
    found = [index for index, name in others.items() if name.startswith(("contra", "not", "non"))] or list(others)
    if len(found) != 1:
        raise ModelUnusable(
            f"the labels of this head are {', '.join(label_names(config))}, of which none is called contradiction: "
            "name it in id2label of config.json"
        )
    return found[0]


def no_head(where: str, architecture: str) -> ModelUnusable:
    """Return the error for a model without a head that can be used."""
    what = with_article(architecture) if architecture else "a model without the name of an architecture"
    return ModelUnusable(
        f"{where} {what}, which HuggingFaceEncoder cannot use: choose a model with a head (…ForSequenceClassification, "
        "…ForTokenClassification, …ForQuestionAnswering, …ForMaskedLM), or a folder of sentence-transformers"
    )

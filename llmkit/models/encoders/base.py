"""An encoder-only model that is loaded: construction, names, sizes, tokens and pickling."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self, get_args

from llmkit.errors import InputError
from llmkit.models.encoders.arguments import validate_count, validate_template, validate_window
from llmkit.models.encoders.forward_passes import ForwardPasses
from llmkit.models.encoders.heads import USES, Head
from llmkit.models.encoders.loading import find_encoder, from_objects
from llmkit.models.encoders.token_classifier import Aggregation
from llmkit.models.weights.file_state import ModelSpec
from llmkit.models.weights.quantization import weights_nbytes
from llmkit.text.words import with_article

BATCH_SIZE = 32


class LocalEncoder:
    """A loaded encoder and its head; see `HuggingFaceEncoder` for the arguments."""

    def __init__(
        self,
        model: Any,
        *,
        tokenizer: Any = None,
        device: str = "auto",
        dtype: str = "auto",
        quantization: str | None = None,
        context_window: int | None = None,
        template: str | None = None,
        aggregation: Aggregation = "first",
        batch_size: Any = BATCH_SIZE,
    ) -> None:
        model = os.fspath(model) if isinstance(model, os.PathLike) else model
        if aggregation not in get_args(Aggregation):
            raise InputError(f"aggregation is {aggregation!r}, but must be one of {', '.join(get_args(Aggregation))}")
        self._options = {
            **{"context_window": context_window, "template": template},
            **{"aggregation": aggregation, "batch_size": batch_size},
        }
        validate_count(batch_size=batch_size)
        self._spec = ModelSpec(model, device, dtype, quantization) if isinstance(model, str) else None
        self._encoder = find_encoder(self._spec) if self._spec else from_objects(model, tokenizer)
        self._aggregation: Aggregation = aggregation
        self.template = validate_template(template, self._encoder.head)
        self._passes = ForwardPasses(self._encoder.loaded, validate_window(context_window, self._encoder), batch_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_name!r}, head={self.head.value!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._spec is None or self.weights_version:
            raise InputError(
                "an encoder that was given as an object, or whose weights have changed, cannot be pickled: save it "
                "(save_pretrained(folder), the tokenizer too) and load the folder"
            )
        return _restore, (type(self), self._spec, self._options)

    def __copy__(self) -> Self:
        """Return an encoder that shares the weights."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an encoder that shares the weights: nothing in it changes by its use."""
        return self.__copy__()

    @property
    def head(self) -> Head:
        """What the model's last layers were trained for."""
        return self._encoder.head

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The methods that this model has: `label_scores`, `span_scores`, `answer_spans`, `fill_mask`."""
        return self.head.capabilities

    @property
    def model_name(self) -> str:
        """The model's name in the catalog or on the hub, or else its folder or class."""
        return self._encoder.loaded.name

    @property
    def context_window(self) -> int:
        """The most tokens that are read at once, special tokens included."""
        return self._passes.window

    @property
    def weights_version(self) -> int:
        """How many changes of the weights were noticed since they were loaded; looks for one now."""
        return self._encoder.loaded.check_weights()

    @property
    def num_parameters(self) -> int:
        """How many weights the model has."""
        return sum(weight.numel() for weight in self._encoder.loaded.model.parameters())

    def memory_footprint(self) -> int:
        """Return the memory of the weights, in bytes."""
        return weights_nbytes(self._encoder.loaded.model)

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text alone, without special tokens."""
        return len(self._passes.encode_text(text).ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the half-open range of characters of `text` that each of its tokens covers."""
        return [(start, end) for start, end in self._passes.encode_text(text).offsets]

    def cannot(self, capability: str) -> InputError:
        """Return the error of a method that this model does not have, which names those that it has."""
        does = " and ".join(f"{name} ({USES[name]})" for name in self.capabilities)
        return InputError(
            f"{self.model_name} has {with_article(self.head.value)}, which has no {capability}: it does {does}"
        )

    def require(self, capability: str) -> None:
        """Raise `InputError` if the model does not have a method of this name."""
        if capability not in self.capabilities:
            raise self.cannot(capability)


def _restore(made: type[LocalEncoder], spec: ModelSpec, options: Mapping[str, Any]) -> LocalEncoder:
    where: dict[str, Any] = {"device": spec.device, "dtype": spec.dtype, "quantization": spec.quantization}
    return made(spec.model, **where, **options)

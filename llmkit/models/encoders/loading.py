"""From a name, or from loaded objects, to an encoder-only model with its head."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from llmkit.errors import InputError, ModelUnusable, kind_of
from llmkit.models.encoders.heads import Head, auto_class_of, find_head, no_head
from llmkit.models.library_errors import library_errors
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.openmp import warn_of_busy_waiting
from llmkit.models.weights.catalog import CATALOG, resolve
from llmkit.models.weights.context_window import NO_LIMIT
from llmkit.models.weights.digest import folder_digest, hash_text
from llmkit.models.weights.file_state import ModelSpec, file_state, is_unchanged
from llmkit.models.weights.folder_files import ADAPTER_CONFIG
from llmkit.models.weights.loading import DEVICE_MAPS, choose_device, choose_dtype, known_name, validate_placement
from llmkit.models.weights.model_folder import sentence_transformers_class
from llmkit.models.weights.quantization import quantization_config
from llmkit.models.weights.reading import check_finite, read_config, read_tokenizer, read_weights
from llmkit.models.weights.size_limits import check_size, check_tokenizer_file
from llmkit.models.weights_monitor import require_eval_mode
from llmkit.quiet import quiet_transformers
from llmkit.text.words import with_article

_EMBEDDER, _CROSS_ENCODER = "SentenceTransformer", "CrossEncoder"
_REFUSED = ("SparseEncoder", "MultiVectorEncoder")
"""Classes of sentence-transformers. A `CrossEncoder` is a classifier of transformers, and has its files."""


@dataclass(eq=False)
class LoadedEncoder:
    """An encoder-only model with its tokenizer and its head.

    Attributes:
        loaded: the model; for a sentence embedder a `SentenceTransformer`.
        files: what of its files was seen before they were read.
    """

    loaded: LoadedModel
    head: Head
    files: tuple[object, ...] = ()


_lock = threading.RLock()
_encoders: WeakValueDictionary[ModelSpec, LoadedEncoder] = WeakValueDictionary()


def find_encoder(spec: ModelSpec) -> LoadedEncoder:
    """Return the encoder in this process that was loaded in the same way and has not changed since, or load one."""
    with _lock:
        files = file_state(spec.model)
        encoder = _encoders.get(spec)
        if encoder is None or not is_unchanged(encoder.loaded, encoder.files, files):
            encoder = _encoders[spec] = load(spec)
            encoder.files = files
        return encoder


def load(spec: ModelSpec) -> LoadedEncoder:
    """Load an encoder-only model by name (see `llmkit.models.weights.catalog.resolve`).

    Raises:
        ModelNotFound, ModelUnusable: no such model, or it has no head that can be used.
        InputError: `device`, `dtype` or `quantization` is not available here.
    """
    validate_placement(spec.device, spec.dtype, spec.quantization)
    if spec.model in CATALOG and CATALOG[spec.model].kind != "embedding":
        raise ModelUnusable(f"{spec.model} generates text: use HuggingFaceChat({spec.model!r})")
    with library_errors(lambda reason: ModelUnusable(f"{spec.model} cannot be read: {reason}")):
        folder = resolve(spec.model)
    if (folder / ADAPTER_CONFIG).is_file():
        raise ModelUnusable(
            f"{folder} has an adapter, which HuggingFaceEncoder does not apply: merge it into its base "
            "(merge_and_unload) and save that"
        )
    saved_by = sentence_transformers_class(folder)
    if saved_by not in ("", _EMBEDDER, _CROSS_ENCODER):
        raise _refused(str(folder), saved_by)
    where = choose_device() if spec.device == "auto" else spec.device
    warn_of_busy_waiting(where)
    name = known_name(spec.model, folder)
    with library_errors(lambda reason: ModelUnusable(f"{folder} cannot be loaded: {reason}")), quiet_transformers():
        source = hash_text(folder_digest(folder), spec.quantization)
        if saved_by == _EMBEDDER:
            return _embedder(_read_embedder(folder, where, spec), name, source)
        config = read_config(folder)
        architecture = next(iter(getattr(config, "architectures", None) or ()), "")
        auto_class, head = auto_class_of(architecture), find_head(architecture, config)
        if auto_class is None or head is None:
            raise no_head(f"{folder} has", architecture)
        if type(config) not in auto_class._model_mapping:
            raise ModelUnusable(
                f"{folder} has a {config.model_type} model, which transformers cannot load with this head"
            )
        check_size(folder, config, auto_class)
        tokenizer = read_tokenizer(folder)
        model = read_weights(folder, config, auto_class, where, _dtype(spec, where), spec.quantization)
        return _with_head(model, tokenizer, head, name, source)


def from_objects(model: Any, tokenizer: Any) -> LoadedEncoder:
    """Wrap a model and a tokenizer that are already loaded; neither is changed.

    Raises:
        InputError: these are no such objects.
        ModelUnusable: the model has no head that can be used or is being trained, or the tokenizer is not a fast one.
    """
    if refused := [name for name in _REFUSED if _is_a(model, name)]:
        raise _refused("this", refused[0])
    if _is_a(model, _CROSS_ENCODER):
        model, tokenizer = model.model, tokenizer or model.tokenizer
    if _is_a(model, _EMBEDDER):
        require_eval_mode(model)
        return _embedder(model, type(model).__name__, "")
    if not hasattr(model, "config"):
        raise InputError(
            f"model is {kind_of(model)}, but must be a name, or a model of transformers or sentence-transformers"
        )
    if tokenizer is None:
        raise InputError("a loaded model needs its tokenizer: pass tokenizer= with model=")
    head = find_head(type(model).__name__, model.config)
    if head is None or type(model).__name__.endswith("ForPreTraining"):  # whose outputs are those of two heads
        raise no_head("this is", type(model).__name__)
    require_eval_mode(model)
    return _with_head(model, tokenizer, head, getattr(model.config, "_name_or_path", "") or type(model).__name__, "")


def _is_a(model: Any, name: str) -> bool:
    """Return whether this is an object of a class of sentence-transformers, without importing that library."""
    return any(base.__name__ == name for base in type(model).__mro__)


def _refused(what: str, name: str) -> ModelUnusable:
    return ModelUnusable(
        f"{what} is {with_article(name)} of sentence-transformers, which HuggingFaceEncoder cannot use: choose a "
        "SentenceTransformer or a CrossEncoder"
    )


def _with_head(model: Any, tokenizer: Any, head: Head, name: str, source: str) -> LoadedEncoder:
    _require_fast(tokenizer)
    return LoadedEncoder(LoadedModel(name, model, tokenizer, _window(model, tokenizer), 0, source=source), head)


def _embedder(model: Any, name: str, source: str) -> LoadedEncoder:
    _require_fast(model.tokenizer)
    window = model.max_seq_length or _window(model[0].auto_model, model.tokenizer)
    return LoadedEncoder(LoadedModel(name, model, model.tokenizer, int(window), 0, source=source), Head.EMBEDDER)


def _read_embedder(folder: Path, device: str, spec: ModelSpec) -> Any:
    from sentence_transformers import SentenceTransformer

    dtype = _dtype(spec, device)
    check_tokenizer_file(folder)
    read_config(folder)
    options = {"dtype": dtype, "use_safetensors": True, **quantization_config(spec.quantization, dtype)}
    model = SentenceTransformer(
        str(folder), device=device, local_files_only=True, trust_remote_code=False, model_kwargs=options
    )
    if spec.quantization is None:
        check_finite(folder, model)
    return model.eval()


def _dtype(spec: ModelSpec, device: str) -> Any:
    """Return the type of the weights; "auto" is float32 on a CPU, where encoders are small enough to be exact."""
    import torch

    if spec.dtype != "auto":
        return getattr(torch, spec.dtype)
    best = choose_device() if device in DEVICE_MAPS else device
    return torch.float32 if best.startswith("cpu") else choose_dtype(best)


def _require_fast(tokenizer: Any) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise ModelUnusable(
            f"{type(tokenizer).__name__} is not a fast tokenizer, which offsets in the text need: save it again with a "
            "tokenizer.json (AutoTokenizer.from_pretrained(...).save_pretrained(...))"
        )


def _window(model: Any, tokenizer: Any) -> int:
    """Return the most tokens that a model reads at once, special tokens included; `NO_LIMIT` if nothing says so.

    RoBERTa and its relatives count positions from the padding token's on, so that as many are never used:
    https://github.com/huggingface/transformers/blob/main/src/transformers/models/roberta/modeling_roberta.py
    """
    import torch

    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or NO_LIMIT
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            positions = min(positions, module.num_embeddings - unused)
    return min(positions, int(min(tokenizer.model_max_length, NO_LIMIT)))

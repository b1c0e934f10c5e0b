"""From a name, or from loaded objects, to a `LoadedModel`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError, ModelUnusable
from llmkit.models.library_errors import library_errors
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.openmp import warn_of_busy_waiting
from llmkit.models.weights.adapters import Adapter, find_adapter
from llmkit.models.weights.architectures import require_generator
from llmkit.models.weights.catalog import CATALOG, folder_of, resolve
from llmkit.models.weights.context_window import NO_LIMIT, find_window, validate_window
from llmkit.models.weights.digest import folder_digest, hash_text
from llmkit.models.weights.quantization import validate_method
from llmkit.models.weights.reading import read_config, read_generation_config, read_tokenizer, read_weights
from llmkit.models.weights.size_limits import check_size
from llmkit.models.weights_monitor import require_eval_mode
from llmkit.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICE_MAPS = ("balanced", "balanced_low_0", "sequential")  # of accelerate


def load(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str | None = None,
    context_window: int | None = None,
) -> LoadedModel:
    """Load a model by name (see `llmkit.models.weights.catalog.resolve`).

    Raises:
        ModelNotFound, ModelUnusable: no such model, or it cannot generate text.
        InputError: `device`, `dtype` or `quantization` is not available here.
    """
    validate_placement(device, dtype, quantization)
    if name in CATALOG and CATALOG[name].kind != "chat":
        raise ModelUnusable(
            f"{name} makes {CATALOG[name].kind}s and generates no text: choose another model, or use HuggingFaceEncoder"
        )
    with library_errors(lambda reason: ModelUnusable(f"{name} cannot be read: {reason}")):
        folder = resolve(name)
        adapter = find_adapter(folder)
    import torch

    where = choose_device() if device == "auto" else device
    warn_of_busy_waiting(where)
    best = choose_dtype(choose_device() if where in DEVICE_MAPS else where)
    precision = best if dtype == "auto" else getattr(torch, dtype)
    known = known_name(name, folder)
    with library_errors(lambda reason: ModelUnusable(f"{folder} cannot be loaded: {reason}")):
        with quiet_transformers():
            tokenizer, model = _read_adapted(adapter or folder, where, precision, quantization)
        loaded = from_objects(model, tokenizer, name=known, context_window=context_window)
        exact = dtype == "float32"  # float32 promises exact results, without the rounding of a 4-bit product
        return replace(
            loaded,
            fast_forward=None if quantization or exact else _fast_forward(model, folder),
            source=hash_text(folder_digest(folder), adapter and folder_digest(adapter.base), quantization),
        )


def validate_placement(device: str, dtype: str, quantization: str | None) -> None:
    """Raise `InputError` for a type or a quantization that does not exist, or a device that is not available here."""
    if dtype not in _DTYPES:
        raise InputError(f"dtype is {dtype!r}, but must be one of {', '.join(_DTYPES)}")
    validate_method(quantization)
    if device != "auto":
        _check_device(device)


def known_name(name: str, folder: Path) -> str:
    """Return the catalog's name of a folder in the cache, else the name that was given."""
    return next((key for key in CATALOG if folder.resolve() == folder_of(key).resolve()), name)


def _fast_forward(model: Any, folder: Path) -> Any:
    from llmkit.models.fast.fast_forward import build_fast_forward

    return build_fast_forward(model, folder)


def from_objects(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str = "", context_window: int | None = None
) -> LoadedModel:
    """Wrap a model and a tokenizer that are already loaded; neither is changed.

    Raises:
        ModelUnusable: the model cannot generate or is being trained, the tokenizer is not a fast one, or no window is
            known.
    """
    if not getattr(model, "can_generate", lambda: False)():
        raise ModelUnusable(
            f"{type(model).__name__} cannot generate text: use a causal language model (…ForCausalLM) or an "
            "encoder-decoder model (…ForConditionalGeneration)"
        )
    require_generator(model.config, f"the configuration of this {type(model).__name__} has", is_loaded=True)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelUnusable(
            f"{type(tokenizer).__name__} is not a fast tokenizer: save it again with a tokenizer.json "
            "(AutoTokenizer.from_pretrained(...).save_pretrained(...))"
        )
    require_eval_mode(model)
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise ModelUnusable(
            f"this {type(model).__name__} puts virtual tokens before the prompt, which is not supported: adapters of "
            "weights, as LoRA, work"
        )
    if context_window:
        validate_window(model, context_window)
    window = context_window or find_window(model.config, tokenizer)
    positions = getattr(model.config, "max_position_embeddings", None) if model.config.is_encoder_decoder else window
    name = name or _name_of(model)
    return LoadedModel(name, model, tokenizer, window, positions or NO_LIMIT)


def _name_of(model: Any) -> str:
    """Return the catalog's name of a model with the weights of its folder in the cache, else its path or class."""
    from llmkit.models.cpu.int4_linear import was_packed_from

    name = str(getattr(model.config, "_name_or_path", "")) or type(model).__name__
    try:
        path = Path(name).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # config.json may say anything
        return name
    keys = (key for key in CATALOG if path == folder_of(key).resolve() and was_packed_from(model, folder_of(key)))
    return next(keys, name)


def _read_adapted(folder: Path | Adapter, *options: Any) -> tuple[Any, Any]:
    """Return tokenizer and model of a folder, or those of an adapter and its base."""
    if isinstance(folder, Path):
        return _read(folder, *options)
    with folder.base_alone() as base:
        tokenizer, model = _read(base, *options)
    model.config._name_or_path = model.name_or_path = str(folder.base)
    if folder.tokenizer != folder.base:
        tokenizer = read_tokenizer(folder.tokenizer)
    return tokenizer, folder.apply(model, tokenizer).eval()


def _read(folder: Path, device: str, dtype: torch.dtype, quantization: str | None) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = read_config(folder)
    require_generator(config, f"{folder} has")
    auto_class: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if type(config) not in auto_class._model_mapping:
        raise ModelUnusable(
            f"{folder} has a {config.model_type} model, which cannot generate text: choose a causal language model "
            "(…ForCausalLM) or an encoder-decoder model (…ForConditionalGeneration)"
        )
    changed = read_generation_config(folder)
    check_size(folder, config, auto_class)
    return read_tokenizer(folder), read_weights(folder, config, auto_class, device, dtype, quantization, **changed)


def _check_device(device: str) -> None:
    import torch

    if device in DEVICE_MAPS:
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device is {device!r}, which is not available here: {str(error).splitlines()[0]}") from error


def choose_device() -> str:
    """Return the best device here: cuda, else mps, else cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_dtype(device: str) -> torch.dtype:
    """Return bfloat16 if the device multiplies matrices in it, else float16 on a GPU and float32 on a CPU."""
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.startswith("mps"):
        return torch.float16
    matrix_units = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(has for name, has in matrix_units.items() if name.endswith("bf16")) else torch.float32

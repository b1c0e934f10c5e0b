"""Folders with an adapter of PEFT, such as LoRA: beside its base's weights, or alone, with the name of its base."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmkit.errors import InputError, LlmkitError, ModelNotFound, ModelUnusable
from llmkit.models.weights.catalog import resolve
from llmkit.models.weights.folder_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, read_object, stored_weights
from llmkit.models.weights.model_folder import TOKENIZER_FILES, has_base_weights
from llmkit.models.weights.size_limits import check_ranks

_VIRTUAL_TOKENS = {"PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "CPT", "ADAPTION_PROMPT"}
_TASKS = {"CAUSAL_LM", "SEQ_2_SEQ_LM", None}


@dataclass(frozen=True)
class Adapter:
    """An adapter and its base.

    Attributes:
        folder: the adapter's.
        base: the folder of the model that it was trained on; may be the same.
    """

    folder: Path
    base: Path

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer: the adapter's, if it has one, as training may add tokens or a chat template."""
        own = any((self.folder / name).is_file() for name in TOKENIZER_FILES)
        return self.folder if own else self.base

    @contextmanager
    def base_alone(self) -> Iterator[Path]:
        """Yield a folder with the base and without the adapter, which transformers would load or ignore by itself."""
        if self.base != self.folder:
            yield self.base
            return
        with tempfile.TemporaryDirectory() as temporary:
            for path in self.folder.iterdir():
                if path.is_file() and not path.name.startswith("adapter_"):
                    _link(path, Path(temporary) / path.name)
            yield Path(temporary)

    def apply(self, model: Any, tokenizer: Any) -> Any:
        """Return the base model with the adapter, as a model of PEFT.

        Raises:
            ModelUnusable: the adapter's weights do not fit the base.
        """
        from peft import PeftConfig, get_peft_model
        from peft.utils import load_peft_weights, set_peft_model_state_dict

        if len(tokenizer) > model.get_input_embeddings().num_embeddings:  # tokens were added for the training
            model.resize_token_embeddings(len(tokenizer))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                config = PeftConfig.from_pretrained(str(self.folder))
                config.inference_mode = True
                adapted = get_peft_model(model, config)
                weights = load_peft_weights(str(self.folder), device="cpu")
                result: Any = set_peft_model_state_dict(adapted, dict(weights))
            except (RuntimeError, ValueError, TypeError, KeyError, NotImplementedError) as error:
                reason = " ".join(str(error).split())[:300]
                raise ModelUnusable(
                    f"the adapter in {self.folder} does not fit its base {self.base}: {reason}"
                ) from error
        tensors = {name: tensor for name, tensor in adapted.state_dict().items() if adapted.base_model.prefix in name}
        absent = tensors.keys() & set(result.missing_keys)
        read = {tensors[name].data_ptr() for name in tensors.keys() - absent}
        # A tensor that layers share is saved once, and has a name in each.
        missing = sorted(name for name in absent if tensors[name].data_ptr() not in read)
        self._check(missing, _without_place(result.unexpected_keys, weights), weights)
        return adapted

    def _check(self, missing: list[str], extra: list[str], weights: Mapping[str, Any]) -> None:
        """Raise `ModelUnusable` for weights that are missing, that would be ignored, or that are no numbers."""
        import torch

        if missing:
            raise ModelUnusable(
                f"the adapter in {self.folder} does not fit its base {self.base}: {len(missing)} of its weights are "
                f"missing, such as {missing[0]}"
            )
        if extra:
            modules = dict.fromkeys(name.partition(".lora_")[0].rpartition(".")[2] for name in extra)
            raise ModelUnusable(
                f"the adapter in {self.folder} has {len(extra)} weights without a place in its base {self.base} by its "
                f"{ADAPTER_CONFIG}, such as {extra[0]}: name their modules ({', '.join(list(modules)[:6])}) in its "
                "target_modules or modules_to_save, or save the adapter again"
            )
        wrong = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
        if wrong:
            raise ModelUnusable(
                f"the adapter in {self.folder} is damaged: {len(wrong)} of its weights have values that are no finite "
                f"numbers, such as {wrong[0]}"
            )


def _without_place(unexpected: Iterable[str], weights: Mapping[str, Any]) -> list[str]:
    """Return the names that PEFT passed over, but for embeddings that were resized, which it saves under two names."""
    saved = ".modules_to_save."
    return [name for name in unexpected if saved not in name or name.replace(saved, ".") not in weights]


def find_adapter(folder: Path) -> Adapter | None:
    """Return the adapter of a model's folder, with its base found or fetched; `None` if the folder has no adapter.

    Raises:
        InputError: peft is not installed.
        ModelUnusable: the adapter is of a kind that is not supported, or does not name its base.
        ModelNotFound: its base is not found.
    """
    if not (folder / ADAPTER_CONFIG).is_file():
        return None
    config = read_object(folder / ADAPTER_CONFIG)
    check_ranks(folder / ADAPTER_CONFIG, stored_weights([folder / ADAPTER_WEIGHTS]))
    kind, task, base = config.get("peft_type"), config.get("task_type"), config.get("base_model_name_or_path")
    what = f"{folder} has {'an' if str(kind)[:1] in 'AEIOU' else 'a'} {kind} adapter"
    if kind in _VIRTUAL_TOKENS:
        raise ModelUnusable(f"{what}, which puts virtual tokens before the prompt: adapters of weights, as LoRA, work")
    if task not in _TASKS:
        raise ModelUnusable(f"{what} for {task}, which generates no text: choose one for CAUSAL_LM or SEQ_2_SEQ_LM")
    alone = not has_base_weights(folder)
    if alone and not base:
        raise ModelUnusable(
            f"{what} without its base: write the base's name or folder as base_model_name_or_path into {ADAPTER_CONFIG}"
        )
    try:
        import peft
    except ImportError as error:
        named = f" for the model {base}" if alone else " beside the weights of its base"
        raise InputError(
            f"{what}{named}, which needs peft: python -m pip install 'llmkit[adapters]'"
            + ("" if alone else f"; to use the base alone, move {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} away")
        ) from error
    if kind not in peft.PEFT_TYPE_TO_CONFIG_MAPPING:
        raise ModelUnusable(
            f"{folder} has an adapter of type {kind!r}, which PEFT {peft.__version__} does not know: install a newer "
            f"one, or correct peft_type in {ADAPTER_CONFIG}"
        )
    return Adapter(folder, _find_base(folder, str(base), what) if alone else folder)


def _find_base(folder: Path, base: str, what: str) -> Path:
    beside = folder / base
    try:
        found = resolve(str(beside) if beside.is_dir() and not Path(base).is_dir() else base)
    except LlmkitError as error:
        message = f"{what} for the model {base}, which cannot be used: {error}"
        raise (type(error) if isinstance(error, ModelNotFound) else ModelUnusable)(message) from error
    if (found / ADAPTER_CONFIG).is_file():
        raise ModelUnusable(f"{what} for {base}, which is an adapter itself: merge that one first (merge_and_unload)")
    return found


def _link(path: Path, target: Path) -> None:
    try:
        os.symlink(path.resolve(), target)
    except OSError:  # Windows lets not everybody make links
        shutil.copy(path, target)

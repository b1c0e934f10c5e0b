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
from llmkit.models.weights.size_limits import check_adapter
from llmkit.quiet import silence_kernels
from llmkit.text.words import with_article

_VIRTUAL_TOKENS = {"PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "CPT", "ADAPTION_PROMPT"}
_TASKS = {"CAUSAL_LM", "SEQ_2_SEQ_LM", None}
_MAX_NAME = 500


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


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter's configuration says of it.

    Attributes:
        folder: where it is.
        type: PEFT's name, such as `LORA`.
        rank: of the matrices that are added; `None` if it has none.
        task: what it was trained for.
        base: the name or folder of its base.
        is_alone: whether the base's weights are not in the same folder.
    """

    folder: Path
    type: str
    rank: int | None
    task: str | None
    base: str
    is_alone: bool

    @classmethod
    def read(cls, folder: Path) -> AdapterInfo | None:
        """Return what a folder's adapter is; `None` if it has none."""
        if not (folder / ADAPTER_CONFIG).is_file():
            return None
        config = read_object(folder / ADAPTER_CONFIG)
        for name in ("peft_type", "task_type", "base_model_name_or_path"):
            if len(str(config.get(name))) > _MAX_NAME:
                raise ModelUnusable(f"{folder / ADAPTER_CONFIG} has a {name} of thousands of letters: it is damaged")
        base, rank = str(config.get("base_model_name_or_path") or ""), config.get("r", config.get("rank"))
        task = None if config.get("task_type") is None else str(config["task_type"])
        return cls(folder, str(config.get("peft_type")), rank, task, base, not has_base_weights(folder))

    @property
    def what(self) -> str:
        """The beginning of a sentence about it."""
        return f"{self.folder} has {with_article(self.type)} adapter"

    @property
    def base_name(self) -> str:
        """The name by which the base is found; a folder beside the adapter comes before a name of the hub."""
        beside = self.folder / self.base
        return str(beside) if beside.is_dir() and not Path(self.base).is_dir() else self.base

    def find_base(self) -> Path:
        """Return the folder of the base, which is fetched if needed, or raise as `find_adapter` does."""
        if not self.is_alone:
            return self.folder
        if not self.base:
            raise ModelUnusable(
                f"{self.what} without its base: write the base's name or folder as base_model_name_or_path into "
                f"{ADAPTER_CONFIG}"
            )
        try:
            found = resolve(self.base_name)
        except LlmkitError as error:
            message = f"{self.what} for the model {self.base}, which cannot be used: {error}"
            raise (type(error) if isinstance(error, ModelNotFound) else ModelUnusable)(message) from error
        if (found / ADAPTER_CONFIG).is_file():
            raise ModelUnusable(
                f"{self.what} for {self.base}, which is an adapter itself: merge that one first (merge_and_unload)"
            )
        return found


def find_adapter(folder: Path) -> Adapter | None:
    """Return the adapter of a model's folder, with its base found or fetched; `None` if the folder has no adapter.

    Raises:
        InputError: peft is not installed.
        ModelUnusable: the adapter is of a kind that is not supported, or does not name its base.
        ModelNotFound: its base is not found.
    """
    info = AdapterInfo.read(folder)
    if info is None:
        return None
    check_adapter(folder / ADAPTER_CONFIG, stored_weights([folder / ADAPTER_WEIGHTS]))
    if info.type in _VIRTUAL_TOKENS:
        raise ModelUnusable(
            f"{info.what}, which puts virtual tokens before the prompt: adapters of weights, as LoRA, work"
        )
    if info.task not in _TASKS:
        raise ModelUnusable(
            f"{info.what} for {info.task}, which generates no text: choose one for CAUSAL_LM or SEQ_2_SEQ_LM"
        )
    if info.is_alone and not info.base:
        info.find_base()  # says what is missing, with or without peft
    _require_peft(info)
    return Adapter(folder, info.find_base())


def _require_peft(info: AdapterInfo) -> None:
    silence_kernels()
    try:
        import peft
    except ImportError as error:
        named = f" for the model {info.base}" if info.is_alone else " beside the weights of its base"
        alone = f"; to use the base alone, move {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} away"
        raise InputError(
            f"{info.what}{named}, which needs peft: python -m pip install 'llmkit[adapters]'"
            + ("" if info.is_alone else alone)
        ) from error
    if info.type not in peft.PEFT_TYPE_TO_CONFIG_MAPPING:
        raise ModelUnusable(
            f"{info.folder} has an adapter of type {info.type}, which PEFT {peft.__version__} does not know: install "
            f"a newer one, or correct peft_type in {ADAPTER_CONFIG}"
        )


def _link(path: Path, target: Path) -> None:
    try:
        os.symlink(path.resolve(), target)
    except OSError:  # Windows lets not everybody make links
        shutil.copy(path, target)

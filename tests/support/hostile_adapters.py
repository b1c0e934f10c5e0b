"""Attempts on the folder of an adapter."""

from __future__ import annotations

import copy
from pathlib import Path

from tests.support import tiny
from tests.support.folder_damages import Damage, change_each, link, pipe, sparse, write

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

ADAPTERS: dict[str, Damage] = {
    **change_each(
        CONFIG,
        {
            "r": (10**9, 10**5, 300, 5, 0, -1, "x", None),
            "lora_alpha": (1e300, "x", float("nan")),
            "rank_pattern": ({"q_proj": 10**9}, 5),
            "alpha_pattern": ({"q_proj": "x"}, 5),
            "peft_type": (5, [1], "NOPE", None, "X" * 5000, {}),
            "task_type": (5, [1], {}, "X" * 5000),
            "base_model_name_or_path": (5, [1], "~nobody/x", "a\0b", "x" * 5000, "../..", ".", "/dev/zero", "", None),
            "target_modules": (5, "(", [], ["nope"], None, {}),
            "layers_to_transform": (10**9, [10**9], "x"),
            "layer_replication": ([[0, 10**9]], [[0, 1]] * 3000, 5),
            "modules_to_save": (5, ["lm_head"], ["nope"]),
            "lora_dropout": ("x", 5),
            "use_dora": (5, "x"),
            "init_lora_weights": ("nope", 5),
            "bias": ("nope", "all"),
            "megatron_config": ({"x": 1},),
            "eva_config": (5,),
            "trainable_token_indices": ([10**9], 5),
            "exclude_modules": (5, "("),
            "target_parameters": (["x"], 5),
            "unknown": (5,),
        },
    ),
    "adapter: deep": write(CONFIG, "[" * 200_000),
    "adapter: pipe": pipe(CONFIG),
    "adapter: empty": write(CONFIG, "{}"),
    "adapter weights: pipe": pipe(WEIGHTS),
    "adapter weights: /dev/zero": link(WEIGHTS, "/dev/zero"),
    "adapter weights: 10 GB of zeros": sparse(WEIGHTS, 10**10),
    "adapter weights: empty": write(WEIGHTS, b""),
}


def save_adapter(folder: Path, base: Path) -> Path:
    """Save an adapter of the tiny model in another folder."""
    import peft

    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    model = peft.get_peft_model(copy.deepcopy(tiny.make("llama").model).float(), config)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(folder)
    return folder

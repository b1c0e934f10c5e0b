"""Ways in which the weights of a Llama, or what its layers do, can change behind a model object."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils import prune

Change = Callable[[Any], Any]


def scaled(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor * 1.5 for name, tensor in model.state_dict().items()}


def optimizer_step(model: Any) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss.backward()
    optimizer.step()


def write_in_place(model: Any) -> None:
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.mul_(-1)


def write_data(model: Any) -> None:
    model.model.layers[0].self_attn.v_proj.weight.data.mul_(-1)


def replace_data(model: Any) -> None:
    weight = model.model.layers[0].self_attn.v_proj.weight
    weight.data = -weight.data


def replace_parameter(model: Any) -> None:
    projection = model.model.layers[0].mlp.up_proj
    projection.weight = torch.nn.Parameter(-projection.weight.detach())


def replace_layer(model: Any) -> None:
    model.model.layers[0] = copy.deepcopy(model.model.layers[1])


def quantize(model: Any) -> None:
    torchao = pytest.importorskip("torchao.quantization")
    torchao.quantize_(model.model.layers[0], torchao.Int8WeightOnlyConfig(version=2))


def write_column(model: Any) -> None:
    model.model.layers[0].self_attn.v_proj.weight.data[:, 5] *= -2


def write_through_numpy(model: Any) -> None:
    model.model.layers[0].self_attn.v_proj.weight.detach().numpy()[3, 7] += 9


def steer(model: Any) -> None:
    model.model.layers[0].self_attn.v_proj.register_forward_hook(lambda module, args, output: output * 3)


def change_input(model: Any) -> None:
    model.model.layers[1].register_forward_pre_hook(lambda module, args: (args[0] * 3, *args[1:]))


def replace_forward(model: Any) -> None:
    projection = model.model.layers[0].self_attn.v_proj
    forward = projection.forward
    projection.forward = lambda states: forward(states) * 3


def scale_positions(model: Any) -> None:
    model.model.rotary_emb.inv_freq.mul_(2)


CHANGES: dict[str, Change] = {
    "load_state_dict": lambda model: model.load_state_dict(scaled(model)),
    "assign": lambda model: model.load_state_dict(scaled(model), assign=True),
    "optimizer": optimizer_step,
    "in-place": write_in_place,
    "data": write_data,
    "other-data": replace_data,
    "parameter": replace_parameter,
    "layer": replace_layer,
    "dtype": lambda model: model.to(torch.bfloat16),
    "prune": lambda model: prune.l1_unstructured(model.model.layers[0].mlp.up_proj, "weight", 0.5),
    "quantize": quantize,
    "column": write_column,
    "numpy": write_through_numpy,
    "hook": steer,
    "pre-hook": change_input,
    "forward": replace_forward,
    "positions": scale_positions,
}

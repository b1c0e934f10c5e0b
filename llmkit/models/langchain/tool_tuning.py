"""What decides about the tool calls of small models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ToolTuning:
    """When a model that was not trained to call tools is made to call one. The defaults are neutral.

    Such a model hardly ever begins a call by itself. So with `tool_choice="auto"` it has to call a tool if the
    beginning of a call is likelier after the conversation than after a greeting (contextual calibration, Zhao et al.
    2021, https://arxiv.org/abs/2102.09690).

    Attributes:
        model: the `llm.model_name` that the numbers were fitted on; `None` for neutral values.
        call_margin: how much likelier, in nats.
        repeats_calls: whether a call may be repeated, with the same arguments, right after its result, where the model
            could call another tool or answer instead. Small models repeat the call that they have just read, and an
            agent never ends; set it for tools whose result changes, which are polled. It holds for any model.
    """

    model: str | None = None
    call_margin: float = 0.0
    repeats_calls: bool = False


NEUTRAL = ToolTuning()
SMOLLM2_135M = ToolTuning(model="smollm2-135m", call_margin=2.2)
"""Measured on the default model with one tool of five at a time: above the margin are 10 of the 13 questions that need
the tool, below it 30 of 30 that do not; with all five at once, 9 of 13 and 5 of 6."""


def tuning_for(model_name: str, tuning: ToolTuning | None) -> ToolTuning:
    """Return the tuning that is given, else the one that was fitted on this model, else the neutral one."""
    return tuning or (SMOLLM2_135M if model_name == SMOLLM2_135M.model else NEUTRAL)

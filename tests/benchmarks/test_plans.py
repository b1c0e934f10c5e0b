"""The benchmarks that are plans of llmkit compare: each is one."""

from pathlib import Path

import pytest

from llmkit.evaluation import Plan

PLANS = sorted((Path(__file__).parents[2] / "benchmarks" / "plans").glob("*.toml"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_each_is_a_plan_with_a_baseline_and_others(path):
    plan = Plan.load(path)
    assert len(plan.cells) > 1
    assert plan.with_data(path.parent).data.parent == path.parent


def test_there_are_some():
    assert [path.name for path in PLANS] == ["dialogsum.toml"]

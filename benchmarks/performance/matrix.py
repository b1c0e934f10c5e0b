"""The cells of a comparison: all in one command, a command for each, and a loop over prompts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peer import stock_pipeline
from benchmarks.performance.results import Comparison, RunOptions, Variant, Variants
from llmkit import HuggingFaceChat
from llmkit.evaluation import Cell, Plan
from llmkit.evaluation.cell_chain import prompt_of
from llmkit.evaluation.items import read_data
from llmkit.models.weights.catalog import resolve
from llmkit.prompts import FittedPrompt

ITEMS, TOKENS, MOST_EXAMPLES = 12, 50, 3
CELLS = {
    "no prompt": 'prompt = "none"',
    "instruction": 'prompt = "summarize-text"',
    "one example": 'prompt = "summarize-flan"\nexamples = 1',
    "three examples": f'prompt = "summarize-flan"\nexamples = {MOST_EXAMPLES}',
}
HEAD = f"""
task = "generate"
data = "items.jsonl"
example_data = "examples.jsonl"
input = "dialogue"
reference = "summaries"
metrics = ["length"]
max_new_tokens = {TOKENS}
temperature = 0
"""


def matrix(run_options: RunOptions) -> Comparison:
    """Compare ways to answer the same prompts: those of four cells on the same dialogues."""
    assert run_options.data is not None
    with TemporaryDirectory() as folder:
        rows = (run_options.data / "dialogsum_test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        examples, items = rows[:MOST_EXAMPLES], rows[MOST_EXAMPLES : MOST_EXAMPLES + ITEMS]
        (Path(folder) / "examples.jsonl").write_text("".join(examples), encoding="utf-8")
        (Path(folder) / "items.jsonl").write_text("".join(items), encoding="utf-8")
        whole = _write_plan(Path(folder), "all", list(CELLS), run_options.model)
        parts = [_write_plan(Path(folder), name, [name], run_options.model) for name in CELLS]
        plan = Plan.load(whole)
        llm = HuggingFaceChat(model=run_options.model, temperature=0, max_new_tokens=TOKENS)
        peer = stock_pipeline(resolve(run_options.model), TOKENS)
        prompts = [fitted for cell in plan.cells for fitted in _prompts(plan, cell, llm)]
        rendered = [llm.engine.encoder.render(prompt.to_messages()) for prompt in prompts]

        def loop() -> None:
            llm.engine.prefix_cache.clear()
            for prompt in prompts:
                llm.invoke(prompt)

        baseline = "HuggingFacePipeline, prompt by prompt"
        variants = {
            baseline: _seconds(lambda: [peer.invoke(text) for text in rendered]),
            "llmkit, prompt by prompt": _seconds(loop),
            "llmkit compare, a command for each cell": _seconds(lambda: _compare(parts)),
            "llmkit compare, one command": _seconds(lambda: _compare([whole])),
        }
        values = Variants(variants).measure(run_options.rounds, warm=False)
    return Comparison(
        "A matrix of prompts",
        "seconds",
        values,
        baseline,
        f"{len(CELLS)} cells on {ITEMS} dialogues: no prompt, an instruction, one and three examples; up to {TOKENS} "
        "new tokens, greedy. The commands load the model, write results and a report; the loops have it loaded.",
        more_is_better=False,
    )


def _write_plan(folder: Path, name: str, cells: Sequence[str], model: str) -> Path:
    path = folder / f"{name.replace(' ', '-')}.toml"
    tables = "".join(f'\n[[cells]]\nname = "{cell}"\n{CELLS[cell]}\n' for cell in cells)
    path.write_text(f'{HEAD}model = "{model}"\n{tables}', encoding="utf-8")
    return path


def _prompts(plan: Plan, cell: Cell, llm: HuggingFaceChat) -> list[FittedPrompt]:
    data = read_data(plan)
    prompt = prompt_of(cell, plan.task, data, plan.seed)
    return [prompt.fit(item.text, model=llm, max_new_tokens=TOKENS) for item in data.items]


def _compare(plans: Sequence[Path]) -> None:
    for plan in plans:
        with TemporaryDirectory() as output:
            command = [sys.executable, "-m", "llmkit", "compare", str(plan), "--output", f"{output}/runs"]
            subprocess.run(command, check=True, capture_output=True)


def _seconds(work: Callable[[], object]) -> Variant:
    def run() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return run

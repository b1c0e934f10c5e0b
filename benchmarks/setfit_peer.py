"""SetFit (Tunstall et al. 2022) with the catalog's embedder as its body, beside `benchmarks.learning_curve`.

SetFit needs an environment of its own: `pip install setfit` beside llmkit (1.2.0 was measured).
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.classification import Row, Task
from llmkit.models.weights.catalog import resolve

MAX_STEPS = 60
"""Of 16 pairs: with 8 texts of each label, about half of SetFit's pairs of TREC, and 17 minutes on a busy core."""


def setfit_probabilities(task: Task, examples: Sequence[Row], max_steps: int = MAX_STEPS) -> np.ndarray[Any, Any]:
    """Return the probability of each label of each row, [rows, labels], after SetFit was trained on the examples."""
    import datasets.fingerprint
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    hasher: Any = datasets.fingerprint.Hasher  # it cannot pickle the functions of a newer Python: no cache is needed
    hasher.hash = classmethod(lambda cls, value: uuid.uuid4().hex)
    rows = {
        "text": [row["input"] for row in examples],
        "label": [task.labels.index(row["output"]) for row in examples],
    }
    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            batch_size=16, num_epochs=1, max_steps=max_steps, report_to="none", output_dir=folder, save_strategy="no"
        )
        model = SetFitModel.from_pretrained(str(resolve("minilm-l6")))
        Trainer(model=model, args=options, train_dataset=Dataset.from_dict(rows)).train()
    return np.asarray(model.predict_proba([row["input"] for row in task.rows], as_numpy=True), dtype=np.float64)

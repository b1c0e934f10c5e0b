"""What each chain's tuning is chosen for: labelled rows, and the figures of a chain with a tuning on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import classification, entities, question_answering
from benchmarks.tune.search import Figures, Objective
from llmkit import HuggingFaceChat
from llmkit.chains import NERChain, QAChain, QATuning, SummarizationChain, ZeroShotClassificationChain
from llmkit.chains.classification import contextual_calibration
from llmkit.chains.ner import tuning as ner_tuning
from llmkit.chains.qa.tuning import NEUTRAL as QA_NEUTRAL
from llmkit.chains.qa.tuning import SMOLLM2_135M as QA_FITTED
from llmkit.chains.summarization import tuning as summarization_tuning
from llmkit.chains.tuning import Tuning
from llmkit.evaluation.metrics import answer_f1
from llmkit.prompts import LexicalExamples

LONG_TEXT = 12
"""Rows of one label that are joined to a long text."""
EXAMPLES, SELECTED = 16, 4

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """A chain whose tuning is chosen.

    Attributes:
        neutral, fitted: the tuning that claims nothing, and that of the default model.
        names: the fields to be chosen.
        measure: what is maximized.
        read: the rows of a folder of data.
        objective: what a tuning is chosen for, from a model and rows.
        finish: fits what needs no search, with the rows that the rest was chosen on.
        more: more values for a field.
    """

    neutral: Any
    fitted: Any
    names: Sequence[str]
    measure: str
    read: Callable[[Path], list[Row]]
    objective: Callable[[HuggingFaceChat, Sequence[Row]], Objective[Any]]
    finish: Callable[[HuggingFaceChat, Any, Sequence[Row]], Tuning] = lambda llm, tuning, rows: tuning
    more: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def read_classification(data: Path) -> list[Row]:
    """Return rows of all data sets with few labels, each with its data set's labels and examples."""
    found: list[Row] = []
    for name in ("ag", "trec", "sst2"):
        test, pool_file, text = classification.FILES[name]
        if not (data / f"{test}.jsonl").exists():
            continue
        pool = [{"input": row[text], "output": row["label_text"]} for row in _lines(data / f"{pool_file}.jsonl")]
        labels = sorted({row["output"] for row in pool})
        facts = {"name": name, "labels": labels, "pool": pool}
        found += [{**facts, "text": row[text], "label": row["label_text"]} for row in _lines(data / f"{test}.jsonl")]
    return _interleaved(found, "name")


def classify(llm: HuggingFaceChat, rows: Sequence[Row]) -> Objective[Any]:
    """Return the log-loss of texts with a prior of examples and with selected ones, and of long texts."""
    names = sorted({row["name"] for row in rows})
    groups = {name: [place for place, row in enumerate(rows) if row["name"] == name] for name in names}

    def figures(tuning: Any, numbers: Sequence[int]) -> Figures:
        losses = np.zeros((len(rows), 2))
        for places in groups.values():
            first = rows[places[0]]
            texts = [rows[place]["text"] for place in places]
            truth = [rows[place]["label"] for place in places]
            task = classification.Task(first["name"], [], first["pool"], first["labels"])
            examples = classification.draw_examples(task, EXAMPLES)
            prior = ZeroShotClassificationChain(
                llm, first["labels"], examples=examples, show_examples=False, tuning=tuning
            )
            selecting = ZeroShotClassificationChain(
                llm, first["labels"], examples=first["pool"], selector=LexicalExamples(SELECTED), tuning=tuning
            )
            for chain in (prior, selecting):
                found = [result.scores[label] for result, label in zip(chain.batch(texts), truth, strict=True)]
                losses[places, 0] += np.log(np.maximum(found, 1e-12)) / 2
            losses[places, 1] = _long_text_losses(prior, texts, truth)
        return losses[list(numbers)]

    return Objective(figures, lambda found: float(found.mean()) if len(found) else 0.0, len(rows))


def _long_text_losses(chain: ZeroShotClassificationChain, texts: Sequence[str], truth: Sequence[str]) -> Any:
    """Return, for each text, the log-likelihood of the label of a long text in which it is."""
    losses, places = np.zeros(len(texts)), {}
    for label in sorted(set(truth)):
        same = [place for place, other in enumerate(truth) if other == label]
        for begin in range(0, len(same), LONG_TEXT):
            part = same[begin : begin + LONG_TEXT]
            places["\n\n".join(texts[place] for place in part)] = part
    for result, part in zip(chain.batch(list(places)), places.values(), strict=True):
        losses[part] = np.log(max(result.scores[truth[part[0]]], 1e-12))
    return losses


def read_entities(data: Path) -> list[Row]:
    """Return rows of each data set of entities."""
    found: list[Row] = []
    for name, file in entities.FILES.items():
        path = data / f"{file}_test.jsonl"
        found += [{"name": name, "row": row} for row in (entities.read(path) if path.exists() else ())]
    return _interleaved(found, "name")


def find_entities(llm: HuggingFaceChat, rows: Sequence[Row]) -> Objective[Any]:
    """Return the exact spans and labels: found and right, found, and expected."""

    def figures(tuning: Any, numbers: Sequence[int]) -> Figures:
        found = NERChain(llm, entities.LABELS, tuning=tuning).batch([rows[number]["row"].text for number in numbers])
        counts = []
        for number, result in zip(numbers, found, strict=True):
            expected = set(rows[number]["row"].entities)
            given = {(entity.start, entity.end, entity.label) for entity in result}
            counts.append((len(expected & given), len(given), len(expected)))
        return np.array(counts, dtype=np.float64)

    return Objective(figures, lambda found: float(2 * found[:, 0].sum() / max(found[:, 1:].sum(), 1)), len(rows))


def read_questions(data: Path) -> list[Row]:
    """Return the questions of SQuAD 2."""
    return list(_lines(data / "squad2_dev.jsonl"))


def answer(llm: HuggingFaceChat, rows: Sequence[Row]) -> Objective[Any]:
    """Return the F1 of the words of each answer, where there is one and the chain must answer."""

    def figures(tuning: Any, numbers: Sequence[int]) -> Figures:
        chain = QAChain(llm, threshold=0, tuning=tuning)
        chosen = [rows[number] for number in numbers]
        answers = chain.batch([{"question": row["question"], "context": row["context"]} for row in chosen])
        return np.array(
            [
                (question_answering.best(answer_f1, one.text, row), 1.0) if row["answers"] else (0.0, 0.0)
                for one, row in zip(answers, chosen, strict=True)
            ]
        )

    return Objective(figures, lambda found: float(found[:, 0].sum() / max(found[:, 1].sum(), 1)), len(rows))


def fit_confidence(llm: HuggingFaceChat, tuning: QATuning, rows: Sequence[Row]) -> QATuning:
    """Return the tuning with the confidences and the thresholds fitted, those of yes and no too."""
    chain = QAChain(llm, tuning=tuning)
    questions = [
        {
            "question": row["question"],
            "context": row["context"],
            "answer": row["answers"][0]["text"] if row["answers"] else None,
        }
        for row in rows
    ]
    yes_or_no = list(_lines(Path(__file__).parent.parent / "yes_no_questions.jsonl"))[::2]
    chain.calibrate([*questions, *yes_or_no])
    return chain.tuning


def read_dialogues(data: Path) -> list[Row]:
    """Return the dialogues of DialogSum."""
    return list(_lines(data / "dialogsum_test.jsonl"))


def summarize(llm: HuggingFaceChat, rows: Sequence[Row]) -> Objective[Any]:
    """Return ROUGE-1 and ROUGE-L of each summary."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=True)

    def figures(tuning: Any, numbers: Sequence[int]) -> Figures:
        chosen = [rows[number] for number in numbers]
        chain = SummarizationChain(llm, prompt="summarize-dialogue", tuning=tuning)
        found = []
        for row, summary in zip(chosen, chain.batch([row["dialogue"] for row in chosen]), strict=True):
            scores = [scorer.score(reference, summary.text) for reference in row["summaries"]]
            found.append([max(score[name].fmeasure for score in scores) for name in ("rouge1", "rougeL")])
        return np.array(found)

    return Objective(figures, lambda found: float(found.mean()), len(rows))


def _lines(path: Path) -> list[Any]:
    """Return the rows of a file; none if it is not there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _interleaved(rows: Sequence[Row], name: str) -> list[Row]:
    """Return rows of all groups in turn, so that the first so many are of each group."""
    places: dict[Any, int] = {}
    ranked = []
    for row in rows:
        places[row[name]] = places.get(row[name], 0) + 1
        ranked.append((places[row[name]], row))
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]


TASKS = {
    "classification": Task(
        contextual_calibration.NEUTRAL,
        contextual_calibration.SMOLLM2_135M,
        ("neutral_weight", "selected_share", "max_passage_tokens"),
        "mean log-likelihood of the label",
        read_classification,
        classify,
        more={"neutral_weight": (4.0, 24.0)},
    ),
    "entities": Task(
        ner_tuning.NEUTRAL,
        ner_tuning.SMOLLM2_135M,
        [name for name in vars(ner_tuning.NEUTRAL) if name not in ("model", "reference_phrase")],
        "F1",
        read_entities,
        find_entities,
    ),
    "question-answering": Task(
        QA_NEUTRAL,
        QA_FITTED,
        [
            name
            for name in vars(QA_NEUTRAL)
            if name not in ("model", "threshold") and not name.startswith(("confidence", "evidence", "yes_no"))
        ],
        "F1 where there is an answer",
        read_questions,
        answer,
        fit_confidence,
    ),
    "summarization": Task(
        summarization_tuning.NEUTRAL,
        summarization_tuning.SMOLLM2_135M,
        ("presence_penalty",),
        "mean of ROUGE-1 and ROUGE-L",
        read_dialogues,
        summarize,
    ),
}

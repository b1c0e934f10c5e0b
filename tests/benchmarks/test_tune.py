"""The choice of a model's numbers: values between neutral and fitted, cross-validation, and files that chains take."""

from __future__ import annotations

import copy
import importlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tune.__main__ import constructor, halves, tune
from benchmarks.tune.cached_scores import CachedChat
from benchmarks.tune.search import Figures, Objective, cross_validate, difference, search, values_of
from benchmarks.tune.tasks import TASKS
from llmkit.chains import ClassificationTuning, NERChain, NERTuning, QATuning
from llmkit.chains.ner import tuning as ner_tuning
from llmkit.chains.tuning import Tuning, save_tunings
from llmkit.errors import InputError
from tests.support.models import chat


@dataclass(frozen=True, kw_only=True)
class TwoNumbers(Tuning):
    """A tuning with a best value for each number."""

    share: float = 1.0
    cost: float = 0.0


def objective(noise: float = 0.1, signal: float = 1.0) -> Objective[TwoNumbers]:
    """Return an objective whose best values are 0.5 and 3, with other noise for each row and tuning."""

    def figures(tuning: TwoNumbers, rows: Any) -> Figures:
        rng = np.random.default_rng(abs(hash((tuning.share, tuning.cost))))
        distance = abs(tuning.share - 0.5) + abs(tuning.cost - 3) / 3
        return np.array(rng.normal(-signal * distance, noise, (len(rows), 1)))

    return Objective(figures, lambda found: float(found.mean()), 60)


def test_the_best_values_are_found_between_and_beyond_both_tunings() -> None:
    found = search(objective(), TwoNumbers(), TwoNumbers(share=0.5, cost=2.0), ("share", "cost"))
    assert (found.tuning.share, found.tuning.cost) == (0.5, 3.0)
    assert found.cross_validated > found.neutral


def test_what_is_no_better_on_other_rows_stays_neutral() -> None:
    found = search(objective(noise=5.0, signal=0.0), TwoNumbers(), TwoNumbers(share=0.5, cost=2.0), ("share", "cost"))
    assert found.tuning == TwoNumbers() or found.cross_validated > found.neutral
    tried = [np.random.default_rng(seed).normal(0, 1, (50, 1)) for seed in range(200)]
    best = max(float(figures.mean()) for figures in tried)
    assert cross_validate(tried, lambda figures: float(figures.mean())) < best, (
        "the best of many looks better than it is"
    )


def test_a_difference_has_an_interval_around_it() -> None:
    one, other = np.zeros((200, 1)), np.random.default_rng(0).normal(0.3, 1, (200, 1))
    gain, low, high = difference(one, other, lambda figures: float(figures.mean()))
    assert low < gain < high
    assert high - low == pytest.approx(4 * 1 / math.sqrt(200), rel=0.2)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_values_begin_with_the_neutral_one_and_have_the_fitted_one(neutral: float, fitted: float) -> None:
    values = values_of(neutral, fitted)
    assert values[0] == neutral
    assert any(value == fitted for value in values)
    if min(neutral, fitted) >= 0:
        assert min(values) >= 0


def test_values_of_tuples_mappings_infinities_and_nested_numbers() -> None:
    assert (2.0, -2.5) in values_of((1.0, -1.0), (3.0, -4.0))
    assert {"rank": -0.5, "old": 0.5} in values_of({"old": 1.0}, {"rank": -1.0})
    assert values_of(math.inf, 4.0) == [math.inf, 4.0]
    assert values_of(None, 512) == [None, 512]
    assert values_of(512, 128) == [512, 320, 128], "no passage has a negative length"
    assert values_of(False, True) == [False, True]
    assert TwoNumbers(share=0.5, cost=1.0) in values_of(TwoNumbers(), TwoNumbers(share=0.0, cost=2.0))


@pytest.mark.parametrize("task", TASKS)
def test_the_numbers_of_every_chain_go_through_a_file(task: str, tmp_path: Path) -> None:
    path, fitted = tmp_path / "tuning.json", TASKS[task].fitted
    assert copy.deepcopy(TASKS[task].neutral) == TASKS[task].neutral
    save_tunings(path, [fitted])
    save_tunings(path, [TwoNumbers(cost=math.inf)])
    assert type(fitted).load(path) == fitted
    assert TwoNumbers.load(path) == TwoNumbers(cost=math.inf)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # no NaN, no Infinity: any JSON parser reads it


@pytest.mark.parametrize("task", TASKS)
def test_the_numbers_of_every_chain_are_printed_as_code_that_makes_them(task: str) -> None:
    fitted = TASKS[task].fitted
    names = vars(importlib.import_module(type(fitted).__module__))
    assert eval(constructor(fitted), dict(names)) == fitted
    assert constructor(type(fitted)()) == f"{type(fitted).__name__}()"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no file of tunings"),
        ("[]", "its format is not"),
        ('{"format": "llmkit tunings, version 1"}', "has no NERTuning, but none"),
        (
            '{"format": "llmkit tunings, version 1", "NERTuning": {"edge": 1}}',
            "'edge', which is no number of NERTuning",
        ),
        ('{"format": "llmkit tunings, version 1", "NERTuning": {"edge_cost": "x"}}', "wrong values for NERTuning"),
    ],
)
def test_other_files_are_refused(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        NERTuning.load(path)
    with pytest.raises(InputError, match="cannot be written"):
        save_tunings(tmp_path / "none" / "x.json", [NERTuning()])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json is no file of tunings: No such file or directory$"):
        NERTuning.load(tmp_path / "none.json")


def test_scores_are_computed_once() -> None:
    plain, calls = chat("gpt_neox"), list[int]()
    cached = CachedChat(model=plain.engine, settings=plain.settings)
    engine_score = type(plain).score

    def counted(*given: Any, **options: Any) -> Any:
        calls.append(len(given[1]))
        return engine_score(*given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmkit.models.chat.HuggingFaceChat.score", counted, raising=False)
        first = cached.score(["a dog", "Paris"], [" sleeps", " is"])
        again = cached.score(["a dog"], [[" is", " runs", " is"]])
    np.testing.assert_allclose(first, plain.score(["a dog", "Paris"], [" sleeps", " is"]), atol=1e-4)
    assert again[0][0] == again[0][2] == first[0][1]
    assert calls == [2, 1]


SENTENCES = [
    "The dog met Paris in France.",
    "Seven Lille and the quick fox.",
    "New York is large.",
    "The capital sleeps.",
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with rows of all tasks, in the form of the real ones."""

    def write(name: str, rows: list[dict[str, Any]]) -> None:
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))

    texts = [f"{SENTENCES[number % 4]} {number}" for number in range(16)]
    labelled = [{"text_clean": text, "label_text": "dog" if "dog" in text else "city"} for text in texts]
    write("trec_test", labelled)
    write("trec_train_pool", labelled)
    spans = [{"start": text.find("Paris"), "end": text.find("Paris") + 5, "label": "LOC"} for text in texts]
    named = [
        {"text": text, "entities": [span] if span["start"] >= 0 else []}
        for text, span in zip(texts, spans, strict=True)
    ]
    write("wikineural_en_test", named)
    asked = [{"question": "Who met Paris?", "context": f"{text} It is old."} for text in texts]
    write(
        "squad2_dev",
        [{**row, "answers": [{"text": "The dog"}] if place % 4 == 0 else []} for place, row in enumerate(asked)],
    )
    write("dialogsum_test", [{"dialogue": f"#A#: {text}\n#B#: Yes.", "summaries": [text]} for text in texts[:8]])
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_numbers_of_another_architecture_are_chosen_and_taken_by_its_chain(name: str, data: Path) -> None:
    plain = chat("gpt_neox", max_new_tokens=8)
    llm, task = CachedChat(model=plain.engine, settings=plain.settings), TASKS[name]
    rows = task.read(data)
    even, odd = halves(rows, 4)
    assert even
    assert not [row for row in even if row in odd]
    some = task.names[:2]
    report = tune(llm, replace(task, names=some, more={}), even, odd)
    assert report.rows == (len(even), len(odd))
    assert report.tuning.model == llm.model_name
    assert report.tried >= 2
    assert report.gain[1] <= report.gain[0] <= report.gain[2]
    kept = {name: getattr(report.tuning, name) for name in task.names if name not in some}
    assert kept == {name: getattr(task.neutral, name) for name in kept}
    path = data / "tuning.json"
    save_tunings(path, [report.tuning])
    assert type(report.tuning).load(path) == report.tuning


def test_a_chain_takes_numbers_from_a_file(tmp_path: Path) -> None:
    llm = chat("gpt_neox")
    chosen = replace(ner_tuning.NEUTRAL, model=llm.model_name, edge_cost=2.0)
    save_tunings(tmp_path / "tuning.json", [chosen, QATuning(), ClassificationTuning()])
    chain = NERChain(llm, tuning=NERTuning.load(tmp_path / "tuning.json"))
    assert chain.tuning == chosen
    assert chain.invoke("The dog met Paris.").calibrated

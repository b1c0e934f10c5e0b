"""A fitted chain is saved as data, and what is loaded gives the same results, or is refused."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from llmkit.chains import ZeroShotClassificationChain
from llmkit.errors import InputError
from llmkit.prompts import LexicalExamples, TaskPrompt
from tests.support import encoders
from tests.support.classification import WordCounts, results_agree, taught, tiny_llm
from tests.support.without_scores import ChatWithoutScores

LABELS = ["animal", "city"]
TEXTS = ["The dog sleeps on.", "What is the capital of France?", "x"]
EXAMPLES = taught(labels=LABELS)


def chain_of(**options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm("llama"), LABELS, **options)


def load(folder: Path, **options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain.load(folder, tiny_llm("llama"), **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"contextual_calibration": False, "threshold": 0.7},
        {"examples": EXAMPLES, "show_examples": False},
        {"examples": EXAMPLES, "show_examples": True},
        {"embedder": WordCounts()},
        {"embedder": WordCounts(), "examples": EXAMPLES},
        {"embedder": WordCounts(), "examples": EXAMPLES, "show_examples": True},
        {"embedder": WordCounts(), "examples": EXAMPLES, "multi_label": True},
        {"embedder": WordCounts(), "descriptions": {"city": "a large town"}, "max_accuracy_loss": None},
    ],
)
def test_what_is_loaded_gives_the_same_results(options: dict[str, Any], tmp_path: Path) -> None:
    chain = chain_of(**options)
    wanted = chain.batch(TEXTS)
    chain.save(tmp_path)
    loaded = load(tmp_path, embedder=options.get("embedder"))
    for one, other in zip(loaded.batch(TEXTS), wanted, strict=True):
        assert results_agree(one, other)
        assert (one.evidence, list(one.scores)) == (other.evidence, LABELS)
    assert (loaded.threshold, loaded.multi_label) == (chain.threshold, chain.multi_label)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays.safetensors", "chain.json"]


def test_a_calibration_is_saved_and_can_be_undone(tmp_path: Path) -> None:
    chain = chain_of(embedder=WordCounts(), examples=EXAMPLES, threshold=0.1)
    chain.calibrate(["The dog sleeps."] * 3)
    chain.calibrate(taught(4, labels=LABELS), precision=0.5)
    wanted = chain.batch(TEXTS)
    chain.save(tmp_path / "new" / "folder")
    loaded = load(tmp_path / "new" / "folder", embedder=WordCounts())
    assert (loaded.calibration, loaded.threshold) == (chain.calibration, chain.threshold)
    for one, other in zip(loaded.batch(TEXTS), wanted, strict=True):
        assert results_agree(one, other)
        assert one.calibrated
    loaded.calibrate(TEXTS)
    assert loaded.threshold == 0.1
    assert loaded.invoke(TEXTS[0]).evidence == "head"  # what was learned stays
    loaded.save(tmp_path / "again")


def test_the_files_hold_no_text_of_examples_that_are_not_in_the_prompt(tmp_path: Path) -> None:
    chain_of(embedder=WordCounts(), examples=EXAMPLES).save(tmp_path)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sleeps 1" not in content
    assert json.loads((tmp_path / "chain.json").read_text())["labels"] == {label: label for label in LABELS}


def test_another_model_prompt_or_embedder_is_refused(tmp_path: Path) -> None:
    class Reversed(WordCounts):
        def embed_query(self, text: str) -> list[float]:
            return super().embed_query(text)[::-1]

    chain_of(embedder=WordCounts(), examples=EXAMPLES).save(tmp_path / "both")
    chain_of().save(tmp_path / "model")
    with pytest.raises(InputError, match="another embedder"):
        load(tmp_path / "both", embedder=Reversed())
    with pytest.raises(InputError, match="saved with an embedder"):
        load(tmp_path / "both")
    with pytest.raises(InputError, match="saved without an embedder"):
        load(tmp_path / "model", embedder=WordCounts())
    with pytest.raises(InputError, match=r"another model or prompt: .* differ by up to \d+\.\d nats"):
        other = TaskPrompt("Say at length what it is, and why, and for whom: {labels}")
        ZeroShotClassificationChain.load(tmp_path / "model", tiny_llm("gpt_neox"), prompt=other)
    with pytest.raises(InputError, match="nothing to fit"):
        ZeroShotClassificationChain.load(tmp_path / "model", ChatWithoutScores(llm=tiny_llm("llama")))


def entailment(architecture: str = "Bert", **options: Any) -> Any:
    return encoders.make(architecture, "ForSequenceClassification", encoders.NLI).encoder(**options)


@pytest.mark.parametrize("multi_label", [False, True])
def test_what_an_encoder_was_saved_with_is_loaded_and_anything_else_refused(multi_label: bool, tmp_path: Path) -> None:
    chain = ZeroShotClassificationChain(entailment(), LABELS, multi_label=multi_label)
    chain.save(tmp_path)
    loaded = ZeroShotClassificationChain.load(tmp_path, entailment())
    assert results_agree(loaded.invoke(TEXTS[0]), chain.invoke(TEXTS[0]))
    refused = {
        "by entailment, but this one does by relevance": encoders.make("Bert", "ForSequenceClassification").encoder(),
        "by entailment, but this one does by masked words": encoders.make("Bert", "ForMaskedLM").encoder(),
        "by entailment, but this one does by classifier": encoders.make(
            "Bert", "ForSequenceClassification", tuple(LABELS)
        ).encoder(),
        "by entailment, but this one does by likelihood": tiny_llm("llama"),
        "template 'This example is {}.', but this model's is 'It is {}.'": entailment(template="It is {}."),
        "another model or prompt": entailment("Roberta"),
    }
    for message, other in refused.items():
        with pytest.raises(InputError, match=re.escape(message)):
            ZeroShotClassificationChain.load(tmp_path, other)


def test_a_language_models_chain_is_not_loaded_with_an_encoder(tmp_path: Path) -> None:
    chain_of(contextual_calibration=False).save(tmp_path)
    with pytest.raises(InputError, match="by likelihood, but this one does by entailment"):
        ZeroShotClassificationChain.load(tmp_path, entailment())


def test_another_encoder_with_the_same_head_and_nearly_the_same_scores_is_refused(tmp_path: Path) -> None:
    model = encoders.make("Bert", "ForSequenceClassification", encoders.NLI)
    changed = copy.deepcopy(model)
    ZeroShotClassificationChain(model.encoder(), LABELS).save(tmp_path)
    changed.model.classifier.weight.data.mul_(1.5)
    scores, other = (one.encoder().label_scores(["N/A"], LABELS) for one in (model, changed))
    assert np.abs(other - scores).max() < 1
    with pytest.raises(InputError, match="another model or prompt"):
        ZeroShotClassificationChain.load(tmp_path, changed.encoder())


@pytest.mark.parametrize("count", [4, 6])
def test_a_loaded_chain_reports_how_many_examples_its_head_was_learned_from(count: int, tmp_path: Path) -> None:
    examples = taught(count, labels=LABELS)
    chain = chain_of(embedder=WordCounts(), examples=[*examples, examples[0]])
    chain.save(tmp_path / "once")
    loaded = load(tmp_path / "once", embedder=WordCounts())
    assert loaded.examples_report() == chain.examples_report()
    loaded.save(tmp_path / "twice")
    again = load(tmp_path / "twice", embedder=WordCounts())
    assert again.examples_report() == chain.examples_report()
    assert again.examples_report().examples == 2 * count + 1
    assert again.fit(taught(3, labels=LABELS)).examples_report().examples == 6


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    chain_of(embedder=WordCounts(), examples=EXAMPLES).save(tmp_path)
    arrays, settings = load_file(tmp_path / "arrays.safetensors"), (tmp_path / "chain.json").read_text()

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match):
            load(tmp_path, embedder=WordCounts())

    for name, array in arrays.items():
        rest = {key: value for key, value in arrays.items() if key != name}
        save_file(rest, tmp_path / "arrays.safetensors")
        refused("is missing|another embedder")
        save_file({**rest, name: np.repeat(array, 2, axis=0)}, tmp_path / "arrays.safetensors")
        refused("has the shape|another embedder")
        save_file({**rest, name: np.full_like(array, np.nan)}, tmp_path / "arrays.safetensors")
        refused("not finite|another embedder")
    save_file(arrays, tmp_path / "arrays.safetensors")
    for text in (
        "",
        "[]",
        "{}",
        settings[:-5],
        settings.replace("version 1", "version 2"),
        settings.replace("head", "x"),
    ):
        (tmp_path / "chain.json").write_text(text)
        refused("no saved classification chain that can be read")
    (tmp_path / "chain.json").write_text(settings)
    (tmp_path / "arrays.safetensors").write_bytes(b"pickle")
    refused("no saved classification chain that can be read")
    with pytest.raises(InputError, match="no saved classification chain"):
        load(tmp_path / "missing", embedder=WordCounts())


def test_what_cannot_be_saved_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="selector cannot be saved"):
        chain_of(examples=EXAMPLES, selector=LexicalExamples(2)).save(tmp_path)
    with pytest.raises(InputError, match="nothing to fit"):
        ZeroShotClassificationChain(ChatWithoutScores(llm=tiny_llm("llama")), LABELS).save(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be saved in"):
        chain_of().save(tmp_path / "file")

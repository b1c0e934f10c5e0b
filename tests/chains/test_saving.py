"""What chains that find entities and answer questions learned is saved as data, and loaded with the same model only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from llmkit.chains import NERChain, QAChain, ZeroShotClassificationChain
from llmkit.chains.ner.tuning import NEUTRAL
from llmkit.errors import InputError
from tests.support import encoders, tiny
from tests.support.classification import WordCounts, tiny_llm
from tests.support.models import chat
from tests.support.ner import TEXT, chain_of, entities_are_close
from tests.support.qa import LIGHTHOUSE, qa_input, tiny_chain
from tests.support.without_scores import ChatWithoutScores

NAMED = [
    {"input": f"{name} met {other}", "output": [{"text": name, "label": "place"}]}
    for name in ("Paris", "Lille", "France", "The Dog")
    for other in ("Seven", "New York")
]
ASKED = [
    {**qa_input(LIGHTHOUSE, question), "answer": answer}
    for question, answer in (("Who built it?", "Maria Holm"), ("When?", "1874"), ("Why?", None), ("Is it old?", "yes"))
]
Chain = NERChain | QAChain


def load_entities(folder: Path, name: str = "llama", **options: Any) -> NERChain:
    return NERChain.load(folder, chat(name, context_window=tiny.WINDOW), **options)


def load_answers(folder: Path, name: str = "llama", **options: Any) -> QAChain:
    return QAChain.load(folder, chat(name), **options)


@cache
def calibrated_entities() -> NERChain:
    """Return a chain with a head, fitted probabilities and a guarantee that its threshold can have."""
    ner = chain_of(tuning=NEUTRAL, threshold=0.3, examples=NAMED[:5])
    ner.calibrate(NAMED[5:7])
    ner.calibrate([{"input": f"Nothing {number}", "output": []} for number in range(9)], error=0.5, confidence=None)
    return ner


def test_entities_of_a_loaded_chain_are_those_of_the_saved_one(tmp_path: Path) -> None:
    chain = calibrated_entities()
    chain.save(tmp_path / "new" / "folder")
    loaded = load_entities(tmp_path / "new" / "folder")
    assert entities_are_close(loaded.invoke(TEXT), chain.invoke(TEXT))
    for name in ("threshold", "guarantee", "labels", "tuning"):
        assert getattr(loaded, name) == getattr(chain, name)
    assert loaded.guarantee
    assert loaded.invoke(TEXT).guarantee == chain.guarantee
    assert loaded.examples_report() == chain.examples_report()
    assert loaded.examples_report()
    with pytest.raises(InputError, match="row 1 is one of the texts that the chain learned from"):
        loaded.calibrate(NAMED[5:], error=0.5)
    content = b"".join(path.read_bytes() for path in (tmp_path / "new" / "folder").iterdir())
    assert b"Lille" not in content
    loaded.save(tmp_path / "again")


def test_answers_of_a_loaded_chain_are_those_of_the_saved_one(tmp_path: Path) -> None:
    example = {"input": LIGHTHOUSE, "question": "What burned?", "output": "oil"}
    chain = tiny_chain(embedder=WordCounts(), examples=[example], top_k=3)
    chain.calibrate(ASKED)
    chain.save(tmp_path)
    loaded = load_answers(tmp_path, embedder=WordCounts())
    for one, other in zip(loaded.batch(ASKED), chain.batch(ASKED), strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
        assert one.model_dump(exclude={"confidence"}) == other.model_dump(exclude={"confidence"})
    for name in ("threshold", "yes_no_threshold", "tuning", "calibrated", "top_k"):
        assert getattr(loaded, name) == getattr(chain, name)
    for row in (ASKED[0], {**qa_input(LIGHTHOUSE, "What burned?"), "answer": "oil"}):
        with pytest.raises(InputError, match="row 1 is one of the texts that the chain learned from"):
            loaded.calibrate([row], error=0.5)


def test_a_guarantee_of_answers_is_saved_with_its_threshold(tmp_path: Path) -> None:
    chain = tiny_chain()
    answers = chain.batch(rows := [qa_input(f"{LIGHTHOUSE} {number}") for number in range(5)])
    chain.calibrate([{**row, "answer": one.text} for row, one in zip(rows, answers, strict=True)], error=0.5)
    chain.save(tmp_path)
    assert chain.guarantee
    assert load_answers(tmp_path).invoke(rows[0]).guarantee == chain.guarantee


def head() -> Any:
    return encoders.make("Bert", "ForQuestionAnswering", ("LABEL_0", "LABEL_1")).encoder()


def refusals(folder: Path) -> dict[str, Callable[[], Chain]]:
    """Return what is refused: what the error says, and how it comes about."""
    chain_of().save(folder / "entities")
    tiny_chain(embedder=WordCounts()).save(folder / "answers")
    tiny_chain().save(folder / "words")
    return {
        "another model or prompt: its scores differ": lambda: load_entities(folder / "entities", "mistral"),
        "by likelihood, but this one does by question-answering head": lambda: QAChain.load(folder / "words", head()),
        "was saved with an embedder": lambda: load_answers(folder / "answers", embedder=None),
        "was saved without an embedder": lambda: load_answers(folder / "words", embedder=WordCounts()),
        "nothing to fit": lambda: NERChain.load(folder / "entities", ChatWithoutScores(llm=tiny_llm("llama"))),
        "nothing was learned": lambda: QAChain.load(folder / "words", ChatWithoutScores(llm=tiny_llm("llama"))),
        "has an entity chain, not a question-answering chain": lambda: load_answers(folder / "entities"),
        "chain.json has no saved entity chain that can be read: it is a file; give": lambda: load_entities(
            folder / "words" / "chain.json"
        ),
        "there is no chain.json in it; give the folder": lambda: load_answers(folder / "nowhere"),
    }


def test_another_model_embedder_chain_or_folder_is_refused(tmp_path: Path) -> None:
    for says, load in refusals(tmp_path).items():
        with pytest.raises(InputError, match=re.escape(says)):
            load()


def test_the_head_of_an_encoder_is_recognized(tmp_path: Path) -> None:
    chain = QAChain(head(), embedder=None)
    chain.save(tmp_path)
    loaded = QAChain.load(tmp_path, head())
    assert loaded.invoke(ASKED[0]) == chain.invoke(ASKED[0])
    with pytest.raises(InputError, match="by question-answering head, but this one does by likelihood"):
        load_answers(tmp_path)


def test_damaged_files_are_refused_in_a_line(tmp_path: Path) -> None:
    calibrated_entities().save(tmp_path)
    arrays, settings = load_file(tmp_path / "arrays.safetensors"), json.loads((tmp_path / "chain.json").read_text())

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match) as caught:
            load_entities(tmp_path)
        assert "\n" not in str(caught.value)
        assert "Errno" not in str(caught.value)

    for name, array in arrays.items():
        save_file({**arrays, name: np.full_like(array, np.nan)}, tmp_path / "arrays.safetensors")
        refused(f"{name}' has numbers that are not finite")
    (tmp_path / "arrays.safetensors").unlink()
    refused("there is no arrays.safetensors in it")
    for content, says in (
        ("no JSON", "save the chain again"),
        (json.dumps({**settings, "max_words": "many"}), "in chain.json, max_words: .*; save the chain again"),
        (json.dumps({**settings, "version": 2}), "in chain.json, version: "),
    ):
        (tmp_path / "chain.json").write_text(content)
        refused(says)
    (tmp_path / "chain.json").unlink()
    (tmp_path / "chain.json").mkdir()
    refused("Is a directory")


def test_a_chain_is_saved_only_where_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for chain in (chain_of(), tiny_chain(), ZeroShotClassificationChain(tiny_llm("llama"), ["a", "b"])):
        with pytest.raises(InputError, match=r"cannot be saved in .*: File exists; name another folder"):
            chain.save(tmp_path / "file")
    with pytest.raises(InputError, match="nothing was learned"):
        QAChain(ChatWithoutScores(llm=tiny_llm("llama"))).save(tmp_path)
    with pytest.raises(InputError, match="nothing to fit"):
        NERChain(ChatWithoutScores(llm=tiny_llm("llama"))).save(tmp_path)

"""A language model and an embedder together: each counts by what it knows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from llmkit.chains import Classification, ZeroShotClassificationChain
from llmkit.chains.calibration import Calibration
from llmkit.chains.classification.contextual_calibration import noise_variance
from llmkit.chains.classification.embedder import MAX_TOKENS, EmbedderEvidence
from llmkit.chains.classification.joint_evidence import LEAST_VARIANCE, JointEvidence
from llmkit.errors import InputError
from llmkit.models.embeddings import load_embedder
from tests.support.classification import LABELS, WordCounts, label_scorer, results_agree, taught, tiny_llm
from tests.support.generation import forward_shapes
from tests.support.without_scores import ChatWithoutScores

TEXTS = ["The dog sleeps on.", "What is the capital of France?", "東京 is the capital", "x"]


def chain_of(embedder: Any, labels: Any = LABELS, **options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm("llama"), labels, embedder=embedder, **options)


def joint(chain: ZeroShotClassificationChain) -> JointEvidence:
    assert isinstance(chain._evidence, JointEvidence)
    return chain._evidence


@pytest.mark.parametrize("multi_label", [False, True])
def test_scores_are_added_and_the_models_divided_by_its_noise(multi_label: bool) -> None:
    chain = chain_of(WordCounts(), multi_label=multi_label)
    plain = ZeroShotClassificationChain(tiny_llm("llama"), LABELS, multi_label=multi_label)
    evidence = joint(chain)
    [row] = plain._evidence.try_scores(TEXTS[:1])
    [similar] = evidence.embedder.scores(evidence.embedder.embed(TEXTS[:1]))
    weight = 1 / max(evidence.model.noise_variance(), LEAST_VARIANCE)
    expected = Calibration(independent=multi_label).probabilities((weight * row + similar)[None])[0]
    found = chain.invoke(TEXTS[0])
    np.testing.assert_allclose(list(found.scores.values()), expected, atol=1e-4)
    assert found.evidence == "both"
    assert plain.invoke(TEXTS[0]).evidence == "model"


def test_the_noise_is_the_variance_between_labels() -> None:
    everywhere = np.ones((3, 2), dtype=bool)
    assert noise_variance(np.array([[5.0, 5.0], [-9.0, -9.0], [0.0, 0.0]]), everywhere) == 0
    scattered = np.array([[1.0, -1.0], [-2.0, 2.0], [3.0, 3.0]])
    assert noise_variance(scattered, everywhere) == pytest.approx(2 * (1 + 4 + 0) / 3)
    without_last = np.array([[True, True], [True, True], [False, False]])
    assert noise_variance(scattered, without_last) == pytest.approx(2 * (1 + 4) / 2)
    assert noise_variance(scattered[:, :1], everywhere) == pytest.approx((1 + 4 + 9) / 3)


def test_a_model_that_scatters_more_counts_less() -> None:
    """Scores three times as large are only louder: the embedder is outvoted less, not more."""
    chain = chain_of(WordCounts(), ["the dog", "Paris"])
    model = joint(chain).model
    noise, similar = model.noise_variance(), joint(chain).embedder.scores(joint(chain).embedder.embed(TEXTS))
    before = [row.row for row in joint(chain).try_pooled_scores(TEXTS)]
    scorer = model.scorers()[0]
    assert scorer.neutral
    louder = replace(scorer.neutral, scores=3 * scorer.neutral.scores)
    model._scorers = (replace(scorer, neutral=louder),)
    model._noise = None
    assert model.noise_variance() == pytest.approx(9 * noise)
    after = [row.row for row in joint(chain).try_pooled_scores(TEXTS)]
    assert np.abs(np.array(after) - similar).sum() < np.abs(np.array(before) - similar).sum()


def test_an_embedder_that_tells_nothing_apart_changes_nothing() -> None:
    class Constant(WordCounts):
        def embed_query(self, text: str) -> list[float]:
            return [1.0, 0.0]

    chain = chain_of(Constant(), ["the dog", "Paris"])
    evidence = joint(chain)
    assert not evidence.embedder.scores(evidence.embedder.embed(TEXTS)).any()
    assert sum(chain.invoke(TEXTS[0]).scores.values()) == pytest.approx(1)


@pytest.mark.parametrize("options", [{}, {"multi_label": True}, {"contextual_calibration": False}])
def test_results_do_not_depend_on_the_batch_or_the_order_of_labels(options: dict[str, Any]) -> None:
    embedder = DeterministicFakeEmbedding(size=24)
    chain = chain_of(embedder, **options)
    together = chain.batch(TEXTS)
    others = chain_of(embedder, LABELS[::-1], **options).batch(TEXTS[::-1])[::-1]
    for text, one, other in zip(TEXTS, together, others, strict=True):
        assert results_agree(chain.invoke(text), one)
        assert results_agree(other, one)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "经济增长放缓，专家们认为明年的形势会更好。" * 45,
        "字" * 900,
        "Экономика растёт медленнее, чем ожидали эксперты. " * 20,
        "अर्थव्यवस्था धीमी गति से बढ़ रही है। " * 25,
        "4815162342 " * 90,
        "{[(a=b);]} " * 90,
        "Growth was slower than the experts had expected. " * 30,
    ],
)
def test_each_character_of_a_long_text_counts_in_every_script(text: str, default_embedder_folder: Path) -> None:
    embedder = load_embedder("minilm-l6")
    client: Any = embedder
    seen: list[str] = []

    class Watched(Embeddings):
        """Shows no tokenizer."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            seen.extend(texts)
            return embedder.embed_documents(texts)

        def embed_query(self, text: str) -> list[float]:
            return embedder.embed_query(text)

    changed = f"{text[:-20]} football goal match"
    first, second = joint(chain_of(embedder)).embedder.embed([text, changed])
    assert first @ second < 0.9999
    first, second = joint(chain_of(Watched())).embedder.embed([text, changed])
    assert first @ second < 0.9999
    tokenizer = client._client.tokenizer
    assert max(len(tokenizer(part, truncation=False)["input_ids"]) for part in seen) <= client._client.max_seq_length
    assert "".join("".join(seen).split()) == "".join((text + changed).split())


@pytest.mark.slow
def test_a_labels_description_counts_to_its_end(default_embedder_folder: Path) -> None:
    embedder = load_embedder("minilm-l6")
    scorer = label_scorer(tiny_llm("llama"), ["good", "bad"])
    first, second = (
        EmbedderEvidence(embedder, replace(scorer, verbalized=(f"{'经济增长放缓' * 60}{end}", "bad")))
        for end in ("", "狗在睡觉" * 10)
    )
    [text] = first.embed(TEXTS[:1])
    assert first.scores(text[None])[0, 0] != pytest.approx(second.scores(text[None])[0, 0], abs=1e-3)


def test_a_long_text_is_embedded_in_passages() -> None:
    embedder = joint(chain_of(WordCounts())).embedder
    first, second = "dog. " * 150, "Paris. " * 150
    assert len(first) < 4 * MAX_TOKENS < len(second) + len(first)
    [both] = embedder.embed([first + second])
    apart = embedder.embed([first, second])
    assert both @ apart[0] > 0.5
    assert both @ apart[1] > 0.5
    np.testing.assert_allclose(np.linalg.norm(embedder.embed([first, first + second, "x"]), axis=1), 1)


def test_the_prior_of_unlabelled_texts_is_that_of_both() -> None:
    chain = chain_of(WordCounts(), ["the dog", "Paris"])
    before = joint(chain).embedder.scores(joint(chain).embedder.embed(TEXTS))
    chain.calibrate(["The dog sleeps."] * 20)
    after = joint(chain).embedder.scores(joint(chain).embedder.embed(TEXTS))
    assert all((after[:, 0] - after[:, 1]) < (before[:, 0] - before[:, 1]))


def test_labelled_texts_calibrate_the_probabilities_of_both() -> None:
    chain = chain_of(WordCounts(), ["the dog", "Paris"])
    report = chain.calibrate([{"input": text, "output": label} for text in TEXTS for label in ("the dog", "Paris")])
    assert report.log_loss_after <= report.log_loss_before
    assert chain.invoke(TEXTS[0]).calibrated


def test_what_is_no_embedder_is_refused() -> None:
    with pytest.raises(InputError, match="the catalog's embedders are: minilm-l6"):
        chain_of("minilm")
    with pytest.raises(InputError, match="the catalog's embedders are"):
        chain_of("smollm2-135m")
    with pytest.raises(InputError, match="embedder is a number"):
        chain_of(3)
    with pytest.raises(InputError, match="no log-likelihoods, which an embedder needs: leave it out"):
        ZeroShotClassificationChain(ChatWithoutScores(llm=tiny_llm("llama")), LABELS, embedder=WordCounts())


@pytest.mark.slow
def test_the_catalogs_embedder_by_name() -> None:
    chain = chain_of("minilm-l6", ["lost card", "exchange rate"])
    found = chain.batch(["I cannot find my card anywhere.", "How many dollars do I get for a euro?"])
    evidence = joint(chain)
    similar = evidence.embedder.scores(evidence.embedder.embed(["I cannot find my card anywhere.", "euro to dollar"]))
    assert similar.argmax(axis=1).tolist() == [0, 1]
    assert [each.evidence for each in found] == ["both", "both"]
    assert Classification.model_validate_json(found[0].model_dump_json()) == found[0]


@pytest.mark.parametrize("multi_label", [False, True])
def test_fit_learns_a_head(multi_label: bool) -> None:
    labels = ["animal", "city"]  # words that this embedder does not know
    examples = taught(labels=labels)
    chain = chain_of(WordCounts(), labels, multi_label=multi_label)
    before = chain.batch(TEXTS)
    assert chain.examples_report() is None
    found = chain.fit(examples).batch(TEXTS)
    assert {each.evidence for each in found} == {"head"}
    assert [each.scores for each in found] != [each.scores for each in before]
    report = chain.examples_report()
    assert report is not None
    assert (report.examples, report.use, report.measure) == (12, "head", "log-loss")
    assert report.with_examples < report.without_examples
    assert not chain.shows_examples
    given = chain_of(WordCounts(), labels, multi_label=multi_label, examples=examples[::-1])
    for one, other in zip(found, given.batch(TEXTS), strict=True):
        assert results_agree(one, other)  # in the constructor, in any order
    for text, one in zip(TEXTS, found, strict=True):
        assert results_agree(chain.invoke(text), one)


def test_a_fit_that_fails_changes_nothing() -> None:
    chain = chain_of(WordCounts(), ["the dog", "Paris"]).fit(taught())
    before = chain.invoke(TEXTS[0])
    with pytest.raises(InputError, match="example 2 has the label 'cat'"):
        chain.fit([taught()[0], {"input": "x", "output": "cat"}])
    assert results_agree(chain.invoke(TEXTS[0]), before)


def test_examples_of_one_label_leave_zero_shot() -> None:
    chain = chain_of(WordCounts(), ["the dog", "Paris"])
    before = chain.invoke(TEXTS[0])
    for examples in (taught()[:1], taught()[::2]):
        found = chain.fit(examples).invoke(TEXTS[0])
        assert results_agree(found, before)
        assert found.evidence == "both"


def test_calibration_comes_after_the_head() -> None:
    chain = chain_of(WordCounts(), ["the dog", "Paris"]).fit(taught())
    chain.calibrate(taught(4))
    assert chain.invoke(TEXTS[0]).calibrated
    chain.fit(taught())
    assert not chain.invoke(TEXTS[0]).calibrated


def test_texts_that_the_embedder_is_sure_of_do_not_reach_the_model() -> None:
    llm = tiny_llm("llama")
    labels = ["the dog", "Paris"]
    chain = ZeroShotClassificationChain(llm, labels, embedder=WordCounts(), examples=taught(60), max_accuracy_loss=1.0)
    chain.invoke(TEXTS[0])
    with forward_shapes(llm.engine) as shapes:
        found = chain.batch(["A dog sleeps", "Paris"])
    assert not shapes
    assert [each.evidence for each in found] == ["embedder", "embedder"]
    assert [each.label for each in found] == labels
    always = ZeroShotClassificationChain(
        llm, labels, embedder=WordCounts(), examples=taught(60), max_accuracy_loss=None
    )
    assert always.invoke("A dog sleeps").evidence == "head"
    head = joint(chain).head()
    assert head
    joint(chain)._learned = replace(joint(chain).learned(), head=replace(head, sure=0.999999))
    mixed = chain.batch(["A dog sleeps", "x", "Paris"])
    assert [each.evidence for each in mixed] == [chain.invoke(text).evidence for text in ("A dog sleeps", "x", "Paris")]


def test_a_share_is_between_0_and_1() -> None:
    with pytest.raises(InputError, match="max_accuracy_loss is 5, but must be between 0 and 1"):
        chain_of(WordCounts(), max_accuracy_loss=5)


def test_examples_can_be_in_the_prompt_too() -> None:
    chain = chain_of(WordCounts(), ["the dog", "Paris"], examples=taught(), show_examples=True)
    assert chain.shows_examples
    assert chain.invoke(TEXTS[0]).evidence == "head"

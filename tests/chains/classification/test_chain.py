"""A text's classes: the same alone and in any batch, in any order of the labels; and what cannot be."""

import asyncio
import random
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from llmkit import HuggingFaceChat
from llmkit.chains import Classification, ZeroShotClassificationChain
from llmkit.errors import InputError, PromptError
from llmkit.prompts import TaskPrompt
from tests.support.classification import LABELS, results_agree, tiny_llm
from tests.support.generation import forward_shapes
from tests.support.tiny import fast_and_slow

TEXTS = [
    "The dog sleeps on.",
    "What is the capital of France?",
    "東京 is the capital",
    "Zwölf Boxkämpfer",
    "x",
    "The dog sleeps.",
    "def add(a, b): " * 12,
]
EXAMPLES = [{"input": f"The number is {number}.", "output": LABELS[number % 3]} for number in range(6)]

every = pytest.mark.parametrize("name", fast_and_slow(["llama", "t5", "gpt2 completes"], {"llama"}))
ways = pytest.mark.parametrize(
    "options",
    [
        {},
        {"contextual_calibration": False},
        {"multi_label": True},
        {"examples": EXAMPLES, "show_examples": True},
        {"examples": EXAMPLES, "show_examples": False},
        {"examples": EXAMPLES},
    ],
    ids=["plain", "uncalibrated", "several", "shown", "hidden", "measured"],
)


def chain_of(name: str = "llama", labels: Any = LABELS, **options: Any) -> ZeroShotClassificationChain:
    return ZeroShotClassificationChain(tiny_llm(name), labels, **options)


@pytest.mark.slow
@every
@ways
def test_results_do_not_depend_on_the_batch(name: str, options: dict[str, Any]) -> None:
    chain = chain_of(name, **options)
    together = chain.batch(TEXTS)
    backwards = chain_of(name, **options).batch(TEXTS[::-1])[::-1]
    for text, one, other in zip(TEXTS, together, backwards, strict=True):
        assert results_agree(chain.invoke(text), one)
        assert results_agree(other, one)
    assert len({tuple(each.scores.values()) for each in together}) == len(TEXTS)


@pytest.mark.slow
@every
@ways
def test_the_order_of_labels_does_not_change_the_scores(name: str, options: dict[str, Any]) -> None:
    shuffled = random.Random(1).sample(LABELS, len(LABELS))
    wanted = chain_of(name, **options).batch(TEXTS[:3])
    found = chain_of(name, shuffled, **options).batch(TEXTS[:3])
    for one, other in zip(found, wanted, strict=True):
        assert results_agree(one, other)
        assert list(one.scores) == shuffled


def test_an_invalid_text_does_not_fail_the_rest_of_the_batch() -> None:
    chain = chain_of()
    texts: list[Any] = ["", TEXTS[0], " \n\t", 3, None, "\ud800", TEXTS[1]]
    results: list[Any] = chain.batch(texts, return_exceptions=True)
    says = ["is empty", None, "is empty", "the text is a number", "the text is nothing", "surrogate", None]
    for result, words in zip(results, says, strict=True):
        if words:
            assert isinstance(result, InputError)
            assert words in str(result)
    assert results_agree(results[1], chain.invoke(TEXTS[0]))
    assert results_agree(results[6], chain.invoke(TEXTS[1]))
    with pytest.raises(InputError, match="empty"):
        chain.batch(texts)
    assert chain.batch([]) == []


def test_an_empty_text_costs_nothing() -> None:
    llm = tiny_llm("llama")
    chain = ZeroShotClassificationChain(llm, LABELS)
    with forward_shapes(llm.engine) as shapes:
        for text in ("", " ", Document("\n")):
            with pytest.raises(InputError, match="the text is empty"):
                chain.invoke(text)
    assert not shapes


def test_documents_async_and_pipes() -> None:
    chain = chain_of()
    wanted = chain.invoke(TEXTS[0])
    assert results_agree(chain.invoke(Document(TEXTS[0], metadata={"source": "a"})), wanted)
    assert results_agree(asyncio.run(chain.ainvoke(TEXTS[0])), wanted)
    both = asyncio.run(chain.abatch([TEXTS[0], Document(TEXTS[1])]))
    assert results_agree(both[0], wanted)
    piped = RunnableLambda(str.strip) | chain | RunnableLambda(lambda result: result.label)
    assert piped.invoke(f"  {TEXTS[0]} ") == wanted.label
    assert piped.batch(TEXTS[:2]) == [each.label for each in both]
    assert [each.label for each in chain.stream(TEXTS[0])] == [wanted.label]


@pytest.mark.slow
def test_concurrent_callers_get_the_same_results() -> None:
    chain, wanted = chain_of(), chain_of().batch(TEXTS)

    async def all_at_once() -> list[Classification]:
        return await asyncio.gather(*(chain.ainvoke(text) for text in TEXTS))

    assert all(results_agree(*pair) for pair in zip(asyncio.run(all_at_once()), wanted, strict=True))


def test_results_are_frozen() -> None:
    found = chain_of().invoke(TEXTS[0])
    with pytest.raises(ValidationError):
        found.label = "x"  # type: ignore[misc]
    assert Classification.model_validate_json(found.model_dump_json()) == found


@every
def test_multi_label_returns_any_number_of_labels(name: str) -> None:
    chain = chain_of(name, multi_label=True)
    assert chain.threshold == 0.5
    results = chain.batch(TEXTS)
    for found in results:
        held = {label for label, chance in found.scores.items() if chance >= 0.5}
        assert set(found.labels) == held
        assert [found.scores[label] for label in found.labels] == sorted(
            (found.scores[label] for label in held), reverse=True
        )
        assert found.label == (found.labels[0] if held else None)
    assert any(abs(sum(found.scores.values()) - 1) > 0.01 for found in results)
    chain.threshold = 0.0
    assert set(chain.invoke(TEXTS[0]).labels) == set(LABELS)


def test_a_single_label_is_returned_above_the_threshold() -> None:
    chain = chain_of(labels=["the dog"], multi_label=True)
    chances = [chain.invoke(text).scores["the dog"] for text in TEXTS]
    assert all(0 < chance < 1 for chance in chances)
    middle = sorted(chances)[3]
    strict = chain_of(labels=["the dog"], multi_label=True, threshold=middle - 1e-3)
    assert [bool(each.labels) for each in strict.batch(TEXTS)] == [chance >= middle for chance in chances]


@pytest.mark.slow
def test_below_the_threshold_there_is_no_label() -> None:
    plain = chain_of().batch(TEXTS)
    middle = sorted(max(each.scores.values()) for each in plain)[3] - 1e-3
    for found, before in zip(chain_of(threshold=middle).batch(TEXTS), plain, strict=True):
        sure = max(before.scores.values()) >= middle
        assert (found.label, found.labels) == ((before.label, before.labels) if sure else (None, ()))
        assert found.scores == pytest.approx(before.scores, abs=1e-4)
    assert {each.label is None for each in chain_of(threshold=middle).batch(TEXTS)} == {True, False}


def test_a_description_is_scored_instead_of_its_label() -> None:
    labels = ["A", "B", "the dog"]
    found = chain_of(labels=labels, descriptions={"A": "Paris", "B": "日本"}).invoke(TEXTS[0])
    wanted = chain_of(labels=["Paris", "日本", "the dog"]).invoke(TEXTS[0])
    assert list(found.scores) == labels
    assert list(found.scores.values()) == pytest.approx(list(wanted.scores.values()), abs=1e-4)


@pytest.mark.slow
def test_a_prompt_can_list_the_labels() -> None:
    prompt = TaskPrompt("One of: {labels}.", input_label="Text", output_label="Label", fields=["labels"])
    found = chain_of(prompt=prompt, descriptions={"Paris": "a city"}).invoke(TEXTS[0])
    filled = prompt.partial(labels=", ".join(LABELS).replace("Paris", "Paris (a city)"))
    assert results_agree(chain_of(prompt=filled, descriptions={"Paris": "a city"}).invoke(TEXTS[0]), found)
    assert not results_agree(chain_of(descriptions={"Paris": "a city"}).invoke(TEXTS[0]), found)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": []}, "there are no labels"),
        ({"labels": ["a"]}, "there is only one label"),
        ({"labels": ["a", "a"]}, "given twice"),
        ({"labels": "ab"}, "must be a list of texts"),
        ({"descriptions": {"c": "x"}}, "'c' is of no label"),
        ({"examples": [{"input": "x", "output": "c"}]}, "example 1 has the label 'c'"),
        ({"examples": [{"input": "x"}]}, "example 1"),
        ({"examples": [{"output": "Paris"}]}, "example 1 has no 'input'"),
        ({"examples": [{"input": " ", "output": "Paris"}]}, "example 1's 'input' is empty"),
        ({"examples": [{"input": "x", "output": ["the", "Paris"]}]}, "example 1 has 2 labels"),
        ({"threshold": 1.1}, "threshold is 1.1, but must be between 0 and 1"),
        ({"threshold": -0.1}, "threshold is -0.1"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"prompt": "no-such-prompt"}, "no-such-prompt"),
        ({"prompt": TaskPrompt("{a} {b}", fields=["a", "b"])}, r"cannot fill: a, b; fill them with prompt\.partial"),
    ],
)
def test_invalid_arguments_raise_an_error(options: dict[str, Any], says: str) -> None:
    llm = tiny_llm("llama")
    with forward_shapes(llm.engine) as shapes, pytest.raises(InputError, match=says):
        ZeroShotClassificationChain(llm, **{"labels": LABELS, **options})
    assert not shapes


def test_prompt_fields_can_be_filled_in_advance() -> None:
    prompt = TaskPrompt("{a}", fields=["a"])
    assert sum(chain_of(prompt=prompt.partial(a="Classify.")).invoke("x").scores.values()) == pytest.approx(1)
    with pytest.raises(PromptError):
        chain_of(prompt=prompt)


@pytest.mark.slow
def test_the_default_model(default_llm: HuggingFaceChat) -> None:
    chain = ZeroShotClassificationChain(default_llm, ["sports", "politics", "technology"])
    texts = ["The match ended 3 to 2.", "The parliament passed the law.", "The new phone has a faster chip."]
    assert [each.label for each in chain.batch(texts)] == ["sports", "politics", "technology"]

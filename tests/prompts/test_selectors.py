from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.example_selectors import BaseExampleSelector, SemanticSimilarityExampleSelector
from langchain_core.vectorstores import InMemoryVectorStore

from llmkit.errors import PromptError
from llmkit.prompts import (
    BalancedExamples,
    DiverseExamples,
    ExampleSelector,
    FirstExamples,
    LexicalExamples,
    RandomExamples,
    SimilarExamples,
    TaskPrompt,
)
from llmkit.prompts.selectors import Candidate, same_text

FRUIT = [
    {"input": "apples are red", "output": "yes"},
    {"input": "the sky is blue", "output": "no"},
    {"input": "red apples", "output": "yes"},
    {"input": "pears are green", "output": "no"},
]


class LetterEmbedder(DeterministicFakeEmbedding):
    """An embedder that counts letters, and records the number of texts of each call."""

    size: int = 26
    calls: list[int] = []  # noqa: RUF012

    def embed_query(self, text):
        return [float(text.count(chr(97 + index))) for index in range(26)]

    def embed_documents(self, texts):
        self.calls.append(len(texts))
        return [self.embed_query(text) for text in texts]


def letter_embedder() -> LetterEmbedder:
    return LetterEmbedder(calls=[])


def all_selectors() -> list[ExampleSelector]:
    return [
        FirstExamples(),
        RandomExamples(seed=1),
        LexicalExamples(),
        SimilarExamples(None, letter_embedder()),
        DiverseExamples(None, letter_embedder()),
        BalancedExamples(LexicalExamples()),
    ]


@settings(deadline=None)  # the first run imports bm25s
@given(
    st.lists(st.text("ab c\0", min_size=1, max_size=6).filter(str.strip), max_size=12),
    st.text("ab c", max_size=6),
)
def test_every_selector_ranks_every_example_once(inputs, text):
    examples = [{"input": word, "output": str(len(word))} for word in inputs]
    for selector in all_selectors():
        ranking = selector.with_examples(examples).rank(text)
        assert sorted(ranking) == list(range(len(examples))), selector


@pytest.mark.parametrize("selector", all_selectors(), ids=repr)
def test_every_selector_is_a_langchain_example_selector(selector):
    assert isinstance(selector, BaseExampleSelector)
    assert isinstance(selector, ExampleSelector)
    with_fruit = selector.with_examples(FRUIT)
    with_fruit.k = 2
    chosen = with_fruit.select_examples({"input": " red  apples"})
    assert len(chosen) == 2
    assert FRUIT[2] not in chosen, "an example equal to the input was chosen"
    with_fruit.add_example({"input": "new", "output": "yes"})
    assert sorted(with_fruit.rank("new")) == [0, 1, 2, 3, 4]


async def test_selectors_have_an_async_method():
    assert await LexicalExamples(1, examples=FRUIT).aselect_examples({"input": "blue"}) == [FRUIT[1]]


def test_first_keeps_the_order_of_the_examples():
    assert list(FirstExamples(examples=FRUIT).rank("x")) == [0, 1, 2, 3]


def test_random_depends_only_on_the_seed():
    orders = {tuple(RandomExamples(seed=seed, examples=FRUIT).rank("x")) for seed in range(50)}
    assert len(orders) > 10
    selector = RandomExamples(seed=5, examples=FRUIT)
    assert selector.rank("x") == selector.rank("y")


def test_lexical_ranks_by_shared_words():
    selector = LexicalExamples(examples=FRUIT)
    assert list(selector.rank("Apples, red!"))[:2] == [2, 0]
    assert selector.rank("blue")[0] == 1
    assert list(selector.rank("unknown words")) == list(selector.rank("")) == [0, 1, 2, 3]


def test_lexical_ranks_scripts_without_spaces():
    examples = [
        {"input": text, "output": "x"} for text in ("今天天气很好", "我喜欢苹果", "東京は大きい", "한국어 문장")
    ]
    selector = LexicalExamples(examples=examples)
    assert [selector.rank(text)[0] for text in ("天气怎么样", "苹果", "大きい東", "한국")] == [0, 1, 2, 3]


def test_similar_ranks_by_cosine():
    selector = SimilarExamples(None, letter_embedder(), examples=FRUIT)
    assert selector.rank("red apples")[:2] == [2, 0]
    assert selector.rank("apples red apples red")[0] == 2, "the length of a text must not matter"


def test_embeddings_are_computed_once_in_one_batch():
    embedder = letter_embedder()
    prompt = TaskPrompt(examples=[*FRUIT, FRUIT[0]], selector=SimilarExamples(2, embedder))
    for _ in range(3):
        prompt.format_messages(input="red")
    assert embedder.calls == [4]
    prompt.selector.add_example({"input": "new", "output": "x"})
    prompt.format_messages(input="red")
    prompt.with_examples(FRUIT).partial().format_messages(input="red")
    assert embedder.calls == [4, 1]


def test_embeddings_are_computed_once_by_concurrent_threads():
    embedder = letter_embedder()
    prompt = TaskPrompt(examples=FRUIT, selector=SimilarExamples(2, embedder))
    prompt.batch([{"input": text} for text in ("red", "blue", "green", "sky") * 4])
    assert embedder.calls == [4]


def test_diverse_ranks_the_most_similar_first_and_avoids_repetition():
    examples = [{"input": text, "output": "x"} for text in ("aaab", "aaab", "aaac", "bbbb")]
    similar = SimilarExamples(None, letter_embedder(), examples=examples)
    assert list(similar.rank("aaab")) == [0, 1, 2, 3]
    assert DiverseExamples(None, letter_embedder(), relevance=0.4, examples=examples).rank("aaab")[:2] == [0, 3]
    assert DiverseExamples(None, letter_embedder(), relevance=1, examples=examples).rank("aaab") == [0, 1, 2, 3]


def test_diverse_equals_the_formula_of_maximal_marginal_relevance():
    """Compare with maximal marginal relevance computed from its definition."""
    words = ["ab", "abc", "xyz", "xya", "bcd", "aab", "zzz", "cab"]
    embedder = letter_embedder()
    examples = [{"input": word, "output": "x"} for word in words]

    def cosine(one, other):
        u, v = embedder.embed_query(one), embedder.embed_query(other)
        return sum(map(float.__mul__, u, v)) / (sum(x * x for x in u) * sum(x * x for x in v)) ** 0.5

    remaining = list(range(len(words)))
    chosen: list[int] = []
    while remaining:
        gains = [
            0.7 * cosine("abx", words[i]) - 0.3 * max((cosine(words[i], words[j]) for j in chosen), default=0.0)
            for i in remaining
        ]
        chosen.append(remaining.pop(max(range(len(remaining)), key=lambda index: round(gains[index], 9))))
    assert DiverseExamples(None, embedder, relevance=0.7, examples=examples).rank("abx") == chosen


def test_balanced_alternates_the_best_examples_of_each_label():
    selector = BalancedExamples(LexicalExamples(1), k=3, examples=FRUIT)
    assert selector.rank("red apples and pears") == [2, 3, 0, 1]
    chosen = selector.select_examples({"input": "red apples and pears"})
    assert [example["output"] for example in chosen] == ["yes", "no", "yes"]


def test_balanced_supports_another_key():
    examples = [{"input": str(n), "output": "x", "kind": value} for n, value in enumerate("aaab")]
    assert BalancedExamples(key="kind", examples=examples).rank("x") == [0, 3, 1, 2]
    with pytest.raises(PromptError, match="example 1 has no 'kind'"):
        BalancedExamples(key="kind", examples=FRUIT)


def test_invalid_arguments_raise_prompt_errors_that_name_them():
    for k in (-1, True, 1.5):
        with pytest.raises(PromptError, match="k is"):
            FirstExamples(k)  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="relevance is 2"):
        DiverseExamples(relevance=2)
    with pytest.raises(PromptError, match="embedder is a text"):
        SimilarExamples(embedder="minilm-l6")  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="not by str"):
        BalancedExamples("first")  # type: ignore[arg-type]


def test_selectors_are_equal_by_value():
    assert SimilarExamples(2) == SimilarExamples(2) != SimilarExamples(3)
    assert RandomExamples(seed=1) != RandomExamples(seed=2)
    assert FirstExamples() != RandomExamples()
    assert BalancedExamples(FirstExamples()) != BalancedExamples(RandomExamples())
    assert FirstExamples(examples=FRUIT) != FirstExamples(examples=FRUIT[1:])


def test_a_langchain_selector_can_be_used():
    langchain_selector = SemanticSimilarityExampleSelector.from_examples(
        FRUIT, letter_embedder(), InMemoryVectorStore, k=3, input_keys=["input"]
    )
    prompt = TaskPrompt(selector=langchain_selector, example_order="best_first")
    messages = prompt.format_messages(input="red apples")
    assert [message.content for message in messages[::2]] == [
        "apples are red",
        "pears are green",
        "red apples",
    ]
    with pytest.raises(PromptError, match="has its own examples"):
        TaskPrompt(selector=langchain_selector, examples=FRUIT)


def test_same_text_ignores_white_space():
    assert same_text(" a\n b", "a b ")
    assert not same_text("ab", "a b")


def test_a_candidate_shows_its_first_words():
    assert str(Candidate(3, {"input": "a\nb", "output": "c"})) == "example 3: a b"
    assert str(Candidate(3, {"input": "word " * 50, "output": "c"})).endswith("word word wo…")

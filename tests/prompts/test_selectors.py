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


class Letters(DeterministicFakeEmbedding):
    """Texts with the same letters are near; counts how often it is asked."""

    size: int = 26
    calls: list[int] = []  # noqa: RUF012

    def embed_query(self, text):
        return [float(text.count(chr(97 + place))) for place in range(26)]

    def embed_documents(self, texts):
        self.calls.append(len(texts))
        return [self.embed_query(text) for text in texts]


def letters() -> Letters:
    return Letters(calls=[])


def every_selector() -> list[ExampleSelector]:
    return [
        FirstExamples(),
        RandomExamples(seed=1),
        LexicalExamples(),
        SimilarExamples(None, letters()),
        DiverseExamples(None, letters()),
        BalancedExamples(LexicalExamples()),
    ]


@settings(deadline=None)  # the first run imports bm25s
@given(
    st.lists(st.text("ab c\0", min_size=1, max_size=6).filter(str.strip), max_size=12),
    st.text("ab c", max_size=6),
)
def test_every_selector_ranks_every_example_once(inputs, text):
    examples = [{"input": each, "output": str(len(each))} for each in inputs]
    for selector in every_selector():
        ranking = selector.with_examples(examples).rank(text)
        assert sorted(ranking) == list(range(len(examples))), selector


@pytest.mark.parametrize("selector", every_selector(), ids=repr)
def test_every_selector_is_one_of_langchains(selector):
    assert isinstance(selector, BaseExampleSelector)
    assert isinstance(selector, ExampleSelector)
    held = selector.with_examples(FRUIT)
    held.k = 2
    chosen = held.select_examples({"input": " red  apples"})
    assert len(chosen) == 2
    assert FRUIT[2] not in chosen, "an example equal to the input was chosen"
    held.add_example({"input": "new", "output": "yes"})
    assert sorted(held.rank("new")) == [0, 1, 2, 3, 4]


async def test_selectors_are_awaited_too():
    assert await LexicalExamples(1, examples=FRUIT).aselect_examples({"input": "blue"}) == [FRUIT[1]]


def test_first_is_the_order_given():
    assert list(FirstExamples(examples=FRUIT).rank("x")) == [0, 1, 2, 3]


def test_random_depends_on_the_seed_alone():
    orders = {tuple(RandomExamples(seed=seed, examples=FRUIT).rank("x")) for seed in range(50)}
    assert len(orders) > 10
    selector = RandomExamples(seed=5, examples=FRUIT)
    assert selector.rank("x") == selector.rank("y")


def test_lexical_ranks_by_shared_words():
    selector = LexicalExamples(examples=FRUIT)
    assert list(selector.rank("Apples, red!"))[:2] == [2, 0]
    assert selector.rank("blue")[0] == 1
    assert list(selector.rank("unknown words")) == list(selector.rank("")) == [0, 1, 2, 3]


def test_lexical_reads_scripts_without_spaces():
    examples = [
        {"input": text, "output": "x"} for text in ("今天天气很好", "我喜欢苹果", "東京は大きい", "한국어 문장")
    ]
    selector = LexicalExamples(examples=examples)
    assert [selector.rank(text)[0] for text in ("天气怎么样", "苹果", "大きい東", "한국")] == [0, 1, 2, 3]


def test_similar_ranks_by_cosine():
    selector = SimilarExamples(None, letters(), examples=FRUIT)
    assert selector.rank("red apples")[:2] == [2, 0]
    assert selector.rank("apples red apples red")[0] == 2, "length must not count"


def test_embeddings_are_computed_once_in_one_call():
    embedder = letters()
    prompt = TaskPrompt(examples=[*FRUIT, FRUIT[0]], selector=SimilarExamples(2, embedder))
    for _ in range(3):
        prompt.format_messages(input="red")
    assert embedder.calls == [4]
    prompt.selector.add_example({"input": "new", "output": "x"})
    prompt.format_messages(input="red")
    prompt.with_examples(FRUIT).partial().format_messages(input="red")
    assert embedder.calls == [4, 1]


def test_embeddings_are_computed_once_by_a_batch_of_threads():
    embedder = letters()
    prompt = TaskPrompt(examples=FRUIT, selector=SimilarExamples(2, embedder))
    prompt.batch([{"input": text} for text in ("red", "blue", "green", "sky") * 4])
    assert embedder.calls == [4]


def test_diverse_takes_the_most_similar_first_and_avoids_repetition():
    examples = [{"input": text, "output": "x"} for text in ("aaab", "aaab", "aaac", "bbbb")]
    similar = SimilarExamples(None, letters(), examples=examples)
    assert list(similar.rank("aaab")) == [0, 1, 2, 3]
    assert DiverseExamples(None, letters(), relevance=0.4, examples=examples).rank("aaab")[:2] == [0, 3]
    assert DiverseExamples(None, letters(), relevance=1, examples=examples).rank("aaab") == [0, 1, 2, 3]


def test_diverse_by_the_formula():
    """Against maximal marginal relevance written out in full."""
    words = ["ab", "abc", "xyz", "xya", "bcd", "aab", "zzz", "cab"]
    embedder = letters()
    examples = [{"input": word, "output": "x"} for word in words]

    def cosine(one, other):
        u, v = embedder.embed_query(one), embedder.embed_query(other)
        return sum(map(float.__mul__, u, v)) / (sum(x * x for x in u) * sum(x * x for x in v)) ** 0.5

    left = list(range(len(words)))
    chosen: list[int] = []
    while left:
        gains = [
            0.7 * cosine("abx", words[i]) - 0.3 * max((cosine(words[i], words[j]) for j in chosen), default=0.0)
            for i in left
        ]
        chosen.append(left.pop(max(range(len(left)), key=lambda place: round(gains[place], 9))))
    assert DiverseExamples(None, embedder, relevance=0.7, examples=examples).rank("abx") == chosen


def test_balanced_takes_the_best_of_each_label_in_turn():
    selector = BalancedExamples(LexicalExamples(1), k=3, examples=FRUIT)
    assert selector.rank("red apples and pears") == [2, 3, 0, 1]
    chosen = selector.select_examples({"input": "red apples and pears"})
    assert [each["output"] for each in chosen] == ["yes", "no", "yes"]


def test_balanced_over_another_key():
    examples = [{"input": str(n), "output": "x", "kind": kind} for n, kind in enumerate("aaab")]
    assert BalancedExamples(key="kind", examples=examples).rank("x") == [0, 3, 1, 2]
    with pytest.raises(PromptError, match="example 1 has no 'kind'"):
        BalancedExamples(key="kind", examples=FRUIT)


def test_wrong_arguments_are_named():
    for k in (-1, True, 1.5):
        with pytest.raises(PromptError, match="k is"):
            FirstExamples(k)  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="relevance is 2"):
        DiverseExamples(relevance=2)
    with pytest.raises(PromptError, match="embedder is str"):
        SimilarExamples(embedder="minilm-l6")  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="not by str"):
        BalancedExamples("first")  # type: ignore[arg-type]


def test_selectors_are_compared_by_what_they_do():
    assert SimilarExamples(2) == SimilarExamples(2) != SimilarExamples(3)
    assert RandomExamples(seed=1) != RandomExamples(seed=2)
    assert FirstExamples() != RandomExamples()
    assert BalancedExamples(FirstExamples()) != BalancedExamples(RandomExamples())
    assert FirstExamples(examples=FRUIT) != FirstExamples(examples=FRUIT[1:])


def test_one_of_langchains_selectors_plugs_in():
    theirs = SemanticSimilarityExampleSelector.from_examples(
        FRUIT, letters(), InMemoryVectorStore, k=3, input_keys=["input"]
    )
    prompt = TaskPrompt(selector=theirs, example_order="best_first")
    messages = prompt.format_messages(input="red apples")
    assert [message.content for message in messages[::2]] == [
        "apples are red",
        "pears are green",
        "red apples",
    ]
    with pytest.raises(PromptError, match="has its own examples"):
        TaskPrompt(selector=theirs, examples=FRUIT)


def test_texts_are_the_same_but_for_white_space():
    assert same_text(" a\n b", "a b ")
    assert not same_text("ab", "a b")


def test_a_candidate_shows_its_first_words():
    assert str(Candidate(3, {"input": "a\nb", "output": "c"})) == "example 3: a b"
    assert str(Candidate(3, {"input": "word " * 50, "output": "c"})).endswith("word word wo…")

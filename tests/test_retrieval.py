"""Sentences are found by words and by embeddings, with correct offsets, and embedded once."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from llmkit.errors import InputError
from llmkit.models.embeddings import default_embedder
from llmkit.retrieval import MAX_CHARACTERS, SentenceRetriever, split_sentences

TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(st.sampled_from("aé 日本。 मद ।😀👨\u200d👩.!?\n\r\u2029\u200b\u202e\x00\u0301"), max_size=200),
    st.integers(1, 40).map(lambda count: "long words and no end " * count),
)
PARIS = "The tower stands in Paris. It was finished in 1889. Visitors may climb it by stairs. Cats sleep a lot."


class CountingEmbedder(Embeddings):
    """An embedder that counts how often each text is embedded."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.inner = DeterministicFakeEmbedding(size=8)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.seen.update(texts)
        return self.inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.inner.embed_query(text)


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=3), st.text(max_size=20), st.integers(1, 9))
def test_hits_have_correct_offsets(documents: list[str], question: str, count: int) -> None:
    hits = SentenceRetriever().retrieve(question, documents, count)
    assert len(hits) >= min(count, len({span.of(text) for text in documents for span in split_sentences(text)}))
    assert len({(hit.text, hit.topic) for hit in hits}) == len(hits) <= count
    for hit in hits:
        assert documents[hit.document][hit.start : hit.end] == hit.text == hit.text.strip() != ""
        assert len(hit.text) <= MAX_CHARACTERS


@settings(deadline=None)
@given(TEXTS)
def test_sentences_cover_everything_but_white_space(text: str) -> None:
    covered = {index for span in split_sentences(text) for index in range(span.start, span.end)}
    assert all(index in covered or character.isspace() for index, character in enumerate(text))


def test_shared_words_find_a_sentence() -> None:
    [hit, *_] = SentenceRetriever().retrieve("When was it finished?", ["Cats sleep.", PARIS], 2)
    assert (hit.document, hit.text) == (1, "It was finished in 1889.")
    assert (
        SentenceRetriever().retrieve("東京はどこ", ["猫は寝る。東京は関東にある。"], 1)[0].text == "東京は関東にある。"
    )


FILLER = [
    f"The {place} of the village was {done} in the {season} of that year, as the old {source} says."
    for place, done, season, source in zip(
        ["school", "mill", "bakery", "market", "bridge", "chapel", "smithy", "inn", "harbour", "station"] * 4,
        ["painted", "closed", "repaired", "sold", "opened", "burnt", "moved", "praised"] * 5,
        ["spring", "summer", "autumn", "winter"] * 10,
        ["book", "letter", "map", "diary", "song"] * 8,
        strict=True,
    )
]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Who builds lighthouses?", "The engineer Maria Holm built the lighthouse for the fishermen."),
        ("Which engineers are named?", "The engineer Maria Holm built the lighthouse for the fishermen."),
        ("Who was the builder of the lighthouses?", "The engineer Maria Holm built the lighthouse for the fishermen."),
        ("Who bulit the lighthose?", "The engineer Maria Holm built the lighthouse for the fishermen."),
        ("What do wolves hunt?", "A wolf hunted deer here."),
        ("Which books were written there?", "A stranger writes a book here."),
        ("Where is the deer hunter?", "A wolf hunted deer here."),
        ("Wo stehen die Leuchttürme?", "Ein Leuchtturm steht an der Küste."),
        ("Quelles maisons sont vendues ?", "La maison est à vendre."),
    ],
)
def test_other_forms_of_a_word_find_their_sentence(question: str, sentence: str) -> None:
    text = " ".join([*FILLER[:20], sentence, *FILLER[20:]])
    assert SentenceRetriever().retrieve(question, [text], 1)[0].text == sentence


@pytest.mark.parametrize("question", ["Who was he?", "Is it so or not?", "To be or not to be?"])
def test_a_question_of_stop_words_only_finds_sentences_with_them(question: str) -> None:
    sentence = "Is it so, or was he not to be?"
    text = f"Ships sailed past. {sentence} Lamps burned all night."
    assert SentenceRetriever().retrieve(question, [text], 1)[0].text == sentence


def test_each_document_is_compared_in_its_language() -> None:
    german = "Die Häuser stehen an der Küste, und das ist schon lange so."
    english = "The houses are on the hill, and that has been so for long."
    found = SentenceRetriever().retrieve("Wo steht das Haus an den Küsten?", [english, german], 1)
    assert found[0].text == german
    assert SentenceRetriever().retrieve("Which house is on hills?", [english, german], 1)[0].text == english


def test_without_shared_words_sentences_keep_their_order() -> None:
    assert [hit.text for hit in SentenceRetriever().retrieve("xyz", ["A a. B b. C c."], 2)] == ["A a.", "B b."]


CAFES = (
    "The Harbour Café stands beside the ferry. It opens at 7. The Garden Café is in the old park. It is green. "
    "It opens at 10. It opens at 7."
)


def test_a_sentence_with_a_pronoun_is_found_by_what_it_is_about() -> None:
    for name, opening in (("Harbour", [7]), ("Garden", [10, 7])):
        found = SentenceRetriever().retrieve(f"When does the {name} Café open?", [CAFES], 6)
        opens = [hit for hit in found if hit.text.startswith("It opens")]
        assert [hit.text for hit in opens[: len(opening)]] == [f"It opens at {hour}." for hour in opening]
        assert all(name in hit.topic and hit.text_with_topic.startswith(hit.topic) for hit in opens[: len(opening)])
    assert [hit.topic for hit in SentenceRetriever().retrieve("Who?", ["Ann sings. Ben paints."], 2)] == ["", ""]


@pytest.mark.parametrize("embedder", [None, DeterministicFakeEmbedding(size=8)])
def test_repeated_documents_do_not_change_the_result(embedder: Embeddings | None) -> None:
    retriever, question = SentenceRetriever(embedder), "Who may climb the tower?"
    assert retriever.retrieve(question, [PARIS, PARIS, f"{PARIS} {PARIS}"], 9) == retriever.retrieve(
        question, [PARIS], 9
    )


@pytest.mark.slow
def test_an_embedder_finds_sentences_without_shared_words() -> None:
    question = "Do felines nap?"
    assert SentenceRetriever().retrieve(question, [PARIS], 1)[0].text == "The tower stands in Paris."
    assert SentenceRetriever(default_embedder()).retrieve(question, [PARIS], 1)[0].text == "Cats sleep a lot."


def test_embeddings_are_cached_up_to_cache_size() -> None:
    embedder = CountingEmbedder()
    retriever = SentenceRetriever(embedder, cache_size=2)
    for _ in range(3):
        retriever.retrieve("Where?", [PARIS], 1)
    assert set(embedder.seen.values()) == {1}
    retriever.retrieve("Where?", ["One.", "Two."], 1)
    retriever.retrieve("Where?", [PARIS], 1)
    assert set(embedder.seen.values()) == {1, 2}


def test_all_documents_of_one_question_stay_cached() -> None:
    embedder = CountingEmbedder()
    retriever = SentenceRetriever(embedder, cache_size=2)
    for _ in range(2):
        retriever.retrieve("Where?", ["One.", "Two.", "Three."], 1)
    assert embedder.seen == Counter({"One.": 1, "Two.": 1, "Three.": 1})


@pytest.mark.slow
@pytest.mark.usefixtures("default_embedder_folder")
def test_the_embedder_of_the_cache_reads_english_only() -> None:
    retriever = SentenceRetriever("auto")
    found = retriever.retrieve("Is an animal lazy?", [PARIS], 1)
    assert found == SentenceRetriever(default_embedder()).retrieve("Is an animal lazy?", [PARIS], 1)
    assert found[0].similarity is not None
    for text in ("Der Turm steht in Paris. Er wurde im Jahr 1889 fertig.", "猫は寝る。東京は関東にある。"):
        words_only = SentenceRetriever().retrieve("Paris 東京", [text], 2)
        assert retriever.retrieve("Paris 東京", [text], 2) == words_only
        assert words_only[0].similarity is None


@pytest.mark.usefixtures("empty_cache")
def test_without_weights_in_the_cache_only_words_count() -> None:
    retriever = SentenceRetriever("auto")
    assert retriever.embedder is None
    assert retriever.retrieve("When was it finished?", [PARIS], 4) == SentenceRetriever().retrieve(
        "When was it finished?", [PARIS], 4
    )


def test_an_invalid_embedder_raises_input_error() -> None:
    with pytest.raises(InputError, match="embedder is the name 'minilm', but the catalog's embedders are: minilm-l6"):
        SentenceRetriever("minilm")
    with pytest.raises(InputError, match="embedder is a number, but must be a LangChain Embeddings object or a name"):
        SentenceRetriever(3)  # type: ignore[arg-type]

"""The chains, decisions and embeddings as endpoints: their JSON is that of the chain, or of the command."""

import json
from typing import Any

import numpy as np
import pytest
from langchain_core.decisions import Choice, Noul, Score
from langchain_openai import OpenAIEmbeddings
from langchain_openai.decisions import Choice as OpenAIChoice
from langchain_openai.decisions import OpenAIDecisions, Predicate
from langchain_openai.decisions import Score as OpenAIScore

from llmkit import chains
from llmkit.models import HuggingFaceDecisions, default_embedder
from tests.support.api_server import NAME, gated_chat

TEXT = "Maria Holm built the lighthouse at Karn in 1874. The lift is repaired."
LABELS = ["sports", "the news of business"]


def result(server, path: str, **body: Any) -> Any:
    answer = server.post(f"/v1/llmkit/{path}", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "options", [{}, {"multi_label": True, "threshold": 0.1}, {"descriptions": {"sports": "games"}}]
)
def test_classify(server, options):
    chain = chains.ZeroShotClassificationChain(server.llm, LABELS, **options)
    expected = chain.invoke(TEXT).model_dump(mode="json")
    for _ in range(2):  # the chain that is kept gives it again
        assert result(server, "classify", text=TEXT, labels=LABELS, **options) == expected


def test_entities(server):
    expected = chains.NERChain(server.llm, threshold=0.0, proper_names=False, max_words=3).invoke(TEXT)
    found = result(server, "entities", text=TEXT, threshold=0.0, any_words=True, max_words=3)
    assert found == expected.model_dump(mode="json")
    for entity in found["entities"]:
        assert TEXT[entity["start"] : entity["end"]] == entity["text"]


def test_summarize(server):
    llm = server.llm.model_copy(update={"temperature": 0.0})
    expected = chains.SummarizationChain(llm, max_new_tokens=20).invoke(TEXT)
    assert result(server, "summarize", text=TEXT, max_new_tokens=20) == expected.model_dump(mode="json")


def test_ask(server):
    chain = chains.QAChain(server.llm, embedder=None, threshold=0.0)
    expected = chain.invoke({"question": "Who built the lighthouse?", "context": TEXT}).model_dump(mode="json")
    asked = {"question": "Who built the lighthouse?", "threshold": 0.0, "embedder": False}
    assert result(server, "ask", text=TEXT, **asked) == {**expected, "unread": []}
    named = result(server, "ask", documents=[{"text": TEXT, "source": "minutes"}], **asked)
    assert {citation["source"] for citation in named["citations"]} == {"minutes"}


def test_pages_of_this_machine_are_not_read(server):
    url = f"http://127.0.0.1:{server.port}/health"
    refused = server.post("/v1/llmkit/ask", {"question": "Who?", "url": url})
    assert refused.status_code == 400
    found = result(server, "ask", question="Who built it?", url=[url], text=TEXT, embedder=False)
    assert [one["source"] for one in found["unread"]] == [url]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("classify", {"text": TEXT}, "labels"),
        ("classify", {"text": "", "labels": LABELS}, "empty"),
        ("classify", {"text": TEXT, "labels": ["a"]}, "label"),
        ("classify", {"text": TEXT, "labels": LABELS, "prompt": "../../etc/passwd"}, "no prompt text is called"),
        ("classify", {"text": TEXT, "labels": LABELS, "llm": 1}, "llm is not supported"),
        ("summarize", {"text": TEXT, "strategy": "other"}, "strategy"),
        ("ask", {"question": "Who?"}, "nothing to read"),
        ("ask", {"question": "", "text": TEXT}, "question"),
        ("ask", {"question": "Who?", "url": ["https://a.example"] * 9}, "at most 8"),
    ],
)
def test_what_is_wrong_is_told(server, path, body, message):
    answer = server.post(f"/v1/llmkit/{path}", body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


@pytest.mark.filterwarnings("ignore:The class `OpenAIDecisions` is in beta")
def test_openai_decisions_gets_the_probabilities_of_the_decision_model(server):
    decisions = OpenAIDecisions(model=NAME, base_url=f"{server.url}/v1", api_key="none")
    levels = ["Calm", "Concerned", "Very angry"]
    found = decisions.invoke(
        {
            "input": TEXT,
            "questions": {
                "topic": OpenAIChoice(
                    instructions="What is it about?", choices={"building": None, True: "Sports of a team"}
                ),
                "old": Predicate(instructions="Is the lighthouse old?"),
                "mood": OpenAIScore(instructions="How angry is it?", levels=levels),
            },
        }
    )
    criteria = {"building": None, "true": "Sports of a team"}
    expected = HuggingFaceDecisions(server.llm).invoke(
        {
            "state": TEXT,
            "questions": {
                "topic": Choice(instructions="What is it about?", criteria=criteria),
                "old": Noul(instructions="Is the lighthouse old?"),
                "mood": Score(instructions="How angry is it?", criteria=list(levels)),
            },
        }
    )
    topic, wanted = found.choices["topic"], expected.choices["topic"]
    assert topic.probabilities == {"building": wanted.probabilities["building"], True: wanted.probabilities["true"]}
    assert topic.choice == {"building": "building", "true": True}[wanted.choice]
    assert found.predicates["old"].probability == expected.nouls["old"].noul
    assert found.scores["mood"].score == expected.scores["mood"].score
    assert found.scores["mood"].legend == dict(enumerate(levels))
    assert found.usage.input_tokens > len(server.llm.get_token_ids(TEXT))


def test_a_conversation_is_decided_about(server, client):
    messages = [
        {"role": "user", "content": [{"type": "input_text", "text": TEXT}]},
        {"role": "assistant", "content": "I see."},
    ]
    question = {"type": "predicate", "instructions": "Is it old?"}
    [answer] = client.decisions.create(model=NAME, input=messages, questions=[question]).answers
    assert 0 < answer.probability < 1
    image = {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}]}
    refused = server.post("/v1/decisions", {"input": [image], "questions": [question]})
    assert refused.status_code == 400
    assert "text only" in refused.json()["error"]["message"]


def test_systemone_has_the_answers_of_the_decision_model(server):
    questions: Any = {
        "topic": {"type": "choice", "instructions": "What is it about?", "criteria": {"building": None, "sport": None}},
        "old": {"type": "noul", "instructions": "Is it old?"},
    }
    state = {"text": TEXT, "from": "a report"}
    found = server.post("/v1/systemone", {"model": NAME, "state": state, "questions": questions}).json()
    expected = HuggingFaceDecisions(server.llm).invoke({"state": state, "questions": questions})
    assert found["answers"] == json.loads(expected.model_dump_json())["answers"]
    box = server.post("/v1/systemone", {"state": "a", "questions": {"b": {"type": "box", "instructions": "c"}}})
    assert box.status_code == 400


@pytest.mark.slow
def test_embeddings_are_those_of_the_catalogs_embedder(server, client):
    texts = ["A lighthouse.", "The match ended 3 to 2."]
    expected = default_embedder().embed_documents(texts)
    found = client.embeddings.create(model="minilm-l6", input=texts)  # the client asks for base64
    np.testing.assert_allclose([one.embedding for one in found.data], expected, atol=1e-6)
    plain = client.embeddings.create(model="minilm-l6", input=texts[0], encoding_format="float")
    np.testing.assert_allclose(plain.data[0].embedding, expected[0], atol=1e-6)
    model = OpenAIEmbeddings(
        base_url=f"{server.url}/v1", api_key="none", model="minilm-l6", check_embedding_ctx_length=False
    )
    np.testing.assert_allclose(model.embed_query(texts[1]), expected[1], atol=1e-6)
    assert "minilm-l6" in [one.id for one in client.models.list()]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": "word " * 400}, "text 1 of input needs"),
        ({"input": [5, 6]}, "send text"),
        ({"input": []}, "0 texts"),
        ({"input": ["a", " "]}, "empty text"),
        ({"input": "a", "dimensions": 5}, "384 dimensions"),
    ],
)
def test_what_cannot_be_embedded_is_refused(server, body, message):
    answer = server.post("/v1/embeddings", body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_a_computation_whose_caller_has_left_ends_before_its_next_pass():
    from threading import Event

    from llmkit.models.cancellation import ComputationCancelled, cancelled_by

    llm, gate = gated_chat(free=1000)
    left = Event()
    left.set()
    with cancelled_by(left), pytest.raises(ComputationCancelled):
        llm.score(["The sky is"], [" blue", " green"])
    assert gate.passes == 0
    with cancelled_by(left):
        assert llm.invoke("Hi", temperature=0).response_metadata["finish_reason"] == "cancelled"
    assert llm.score(["The sky is"], [" blue", " green"]).shape == (1, 2)

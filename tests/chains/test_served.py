"""Chains and decisions over a served model give what they give over the same model in this process."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.decisions import Choice, Noul

from llmkit.chains import NERChain, QAChain, SummarizationChain, ZeroShotClassificationChain
from llmkit.chains.summarization.tuning import SMOLLM2_135M
from llmkit.errors import InputError, ServerError, ServerUnusable
from llmkit.models import HuggingFaceDecisions
from tests.support.counting_model import counting_llm, counting_server, served
from tests.support.model_server import model_server

TEXT = "Maria Holm met Paul. The dog ran."
PASSAGE = "The engineer Maria Holm built the tower in 1874."
NATS = 0.01


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["vllm", "llama.cpp"])
def model(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the tiny model, served by one program that lists given tokens, and one that lists the likeliest."""
    with counting_server(request.param) as server:
        yield served(server)


def test_labels_have_the_same_probabilities(model: Any) -> None:
    labels = ["animals", "people", "cities of the world"]
    found, expected = (ZeroShotClassificationChain(llm, labels).invoke(TEXT) for llm in (model, counting_llm()))
    assert found.method == expected.method == "likelihood"
    assert list(found.scores) == list(expected.scores)
    logs, expected_logs = (np.log(list(result.scores.values())) for result in (found, expected))
    np.testing.assert_allclose(logs, expected_logs, atol=NATS)


@pytest.mark.parametrize("model", ["vllm"], indirect=True)  # a thousand requests: one program is enough
def test_entities_are_the_same(model: Any) -> None:
    options: Any = {"labels": ["person"], "max_words": 2, "threshold": 0.05}  # a request for each token of each span
    found, expected = (NERChain(llm, **options).invoke("Maria met Paul.") for llm in (model, counting_llm()))
    assert len(found) > 0
    assert found.method == expected.method == "likelihood"
    assert [entity.model_dump(exclude={"score"}) for entity in found] == [
        entity.model_dump(exclude={"score"}) for entity in expected
    ]
    np.testing.assert_allclose([entity.score for entity in found], [one.score for one in expected], atol=NATS)


def test_answers_are_the_same(model: Any) -> None:
    options: Any = {"threshold": 0, "top_k": 1, "max_answer_words": 2}
    query = {"question": "Who built it?", "context": PASSAGE}
    found, expected = (QAChain(llm, **options).invoke(query) for llm in (model, counting_llm()))
    assert (found.text, found.method) == (expected.text, expected.method)
    assert [citation.quote for citation in found.citations] == [citation.quote for citation in expected.citations]
    assert np.log(found.confidence) == pytest.approx(np.log(expected.confidence), abs=NATS)


def test_summaries_are_the_same(model: Any) -> None:
    options: Any = {"max_new_tokens": 12, "tuning": SMOLLM2_135M}
    found, expected = (SummarizationChain(llm, **options).invoke(PASSAGE) for llm in (model, counting_llm()))
    assert (found.text, found.strategy) == (expected.text, expected.strategy)


def test_decisions_have_the_same_probabilities(model: Any) -> None:
    questions: Any = {
        "topic": Choice(instructions="What is it about?", criteria={"dogs": None, "a long way home": None}),
        "calm": Noul(instructions="Is it calm?"),
    }
    request = {"state": TEXT, "questions": questions}
    found, expected = (HuggingFaceDecisions(llm).invoke(request) for llm in (model, counting_llm()))
    topics = [list(response.choices["topic"].probabilities.values()) for response in (found, expected)]
    np.testing.assert_allclose(np.log(topics[0]), np.log(topics[1]), atol=NATS)
    assert found.answers["calm"].noul == pytest.approx(expected.answers["calm"].noul, abs=NATS)


CHAINS: dict[str, Callable[[Any], Any]] = {
    "classify": lambda llm: ZeroShotClassificationChain(llm, ["animals", "people"], context_window=400).invoke(TEXT),
    "entities": lambda llm: NERChain(llm, ["person", "city"], context_window=400).invoke(TEXT),
}


@pytest.mark.parametrize("name", CHAINS)
def test_without_log_likelihoods_chains_ask_for_structured_output_and_say_so(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with counting_server("transformers") as server:
        result = CHAINS[name](served(server, context_window=512))
    assert result.method == "structured output"
    assert any("tells no log-likelihoods" in record.getMessage() for record in caplog.records)


def _answering(content: str, finish_reason: str = "stop") -> Callable[[str, Any, Any], bool]:
    """Return what answers chats with a text: a random model ends no text of a JSON string."""

    def answer(path: str, body: Any, handler: Any) -> bool:
        if path != "/v1/chat/completions":
            return False
        message = {"role": "assistant", "content": content}
        handler.send(200, {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})
        return True

    return answer


@pytest.mark.parametrize("program", ["transformers", "llama-cpp-python"])  # which scores no plain text without BOS
def test_questions_are_asked_in_structured_output_where_plain_text_has_no_scores(program: str) -> None:
    content = json.dumps({"answer": "Maria Holm", "quotes": [PASSAGE, "Paul built it."]})
    with counting_server(program) as server:
        server.before.append(_answering(content))
        chain = QAChain(served(server, context_window=4000))
        result = chain.invoke({"question": "Who built it?", "context": PASSAGE})
        body = server.requests[-1][1]
    assert (result.text, result.method, result.confidence) == ("Maria Holm", "structured output", 0.5)
    assert [citation.quote for citation in result.citations] == [PASSAGE]
    assert result.unverified == ("Paul built it.",)
    assert body["response_format"]["type"] == "json_schema"


def test_structured_output_that_is_cut_is_an_error_that_says_so() -> None:
    schema = {"title": "Name", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    with counting_server() as server:
        server.before.append(_answering('{"na', "length"))
        with pytest.raises(ServerError, match="raise max_tokens"):
            served(server).with_structured_output(schema).invoke("Who?")


def test_decisions_without_log_likelihoods_are_refused_with_the_reason() -> None:
    with counting_server("transformers") as server:
        decisions = HuggingFaceDecisions(served(server, context_window=512))
        with pytest.raises(ServerUnusable, match="tells no log-likelihoods"):
            decisions.invoke({"state": TEXT, "questions": {"calm": Noul(instructions="Is it calm?")}})


def test_an_unknown_window_is_an_error_that_says_what_to_pass() -> None:
    with counting_server() as server:
        server.tells_window = False
        model = served(server)
        assert model.context_window is None
        with pytest.raises(InputError, match="pass context_window="):
            HuggingFaceDecisions(model).invoke({"state": TEXT, "questions": {"calm": Noul(instructions="Is it calm?")}})


@pytest.mark.slow
@pytest.mark.parametrize("program", ["vllm", "llama.cpp"])
def test_the_default_model_classifies_as_in_this_process(program: str, default_llm: Any) -> None:
    from llmkit.models.served import ServedChat

    labels = ["sports", "business", "science"]
    with model_server(default_llm, program) as server:
        llm = ServedChat(server.url, "smollm2-135m", temperature=0)
        found = ZeroShotClassificationChain(llm, labels).invoke("The match ended 3 to 2.")
    expected = ZeroShotClassificationChain(default_llm, labels).invoke("The match ended 3 to 2.")
    logs, expected_logs = (np.log(list(result.scores.values())) for result in (found, expected))
    np.testing.assert_allclose(logs, expected_logs, atol=NATS)

"""Several models of one server: a request names the one that answers, and each has a queue of its own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain
from llmkit.errors import InputError
from llmkit.models import DEFAULT_EMBEDDER
from llmkit.prompts import TaskPrompt
from tests.support.api_server import WAIT, ApiServer, api_server, gated_chat, tiny_chat

TEXT = "The fox runs over the lazy dog"
LABELS = ["sports", "politics"]


@pytest.fixture(scope="module")
def models() -> dict[str, HuggingFaceChat]:
    return {"one": tiny_chat(), "two": tiny_chat("qwen3", max_new_tokens=12)}


@pytest.fixture(scope="module")
def server(models: dict[str, HuggingFaceChat]) -> Iterator[ApiServer]:
    with api_server(models["one"], "one", others={"two": models["two"]}) as running:
        yield running


def test_all_are_listed_with_what_they_were_loaded_from(server: ApiServer, models: dict[str, HuggingFaceChat]) -> None:
    listed = server.http.get("/v1/models").json()["data"]
    found = {entry["id"]: entry for entry in listed if entry["id"] != DEFAULT_EMBEDDER}
    assert list(found) == ["one", "two"]
    for name, llm in models.items():
        assert (found[name]["root"], found[name]["max_model_len"]) == (llm.model_name, llm.context_window)
        assert found[name]["settings"] == ({"max_new_tokens": 12} if name == "two" else {})
        assert server.http.get(f"/v1/models/{name}").json() == found[name]


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_request_is_answered_by_the_model_that_it_names(
    server: ApiServer, models: dict[str, HuggingFaceChat], name: str
) -> None:
    llm = models[name]
    chat = server.chat(TEXT, model=name).json()
    assert chat["model"] == name
    assert chat["choices"][0]["message"]["content"] == llm.invoke(TEXT, temperature=0, max_new_tokens=8).text
    text = server.post("/v1/completions", {"model": name, "prompt": TEXT, "temperature": 0, "max_tokens": 8}).json()
    assert text["choices"][0]["text"] == llm.as_completion().invoke(TEXT, temperature=0, max_new_tokens=8)
    tokens = server.post("/tokenize", {"model": name, "prompt": TEXT}).json()["tokens"]
    assert tokens == llm.get_token_ids(TEXT)
    labels = server.post("/v1/llmkit/classify", {"model": name, "text": TEXT, "labels": LABELS}).json()
    assert labels["scores"] == pytest.approx(ZeroShotClassificationChain(llm, LABELS).invoke(TEXT).scores)
    budget = server.post("/v1/llmkit/budget", {"model": name, "text": TEXT}).json()
    assert budget["tokens"] == TaskPrompt("").fit(TEXT, model=llm).tokens
    kind = server.http.get("/tokenizer_info", params={"model": name}).json()["tokenizer_class"]
    assert kind == type(llm.engine.loaded.tokenizer).__name__


def test_the_models_differ_and_the_first_answers_requests_that_name_none(server: ApiServer) -> None:
    answers = [server.chat(TEXT, **given).json() for given in ({}, {"model": "one"}, {"model": "two"})]
    texts = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert texts[0] == texts[1] != texts[2]


def test_another_name_is_refused_with_those_that_there_are(server: ApiServer) -> None:
    asked = [server.chat(TEXT, model="three"), server.http.get("/v1/models/three")]
    asked.append(server.http.get("/tokenizer_info", params={"model": "three"}))
    for refused in asked:
        assert refused.status_code == 404
        error = refused.json()["error"]
        assert error["code"] == "model_not_found"
        assert "'one', 'two'" in error["message"]


def test_one_model_that_is_busy_keeps_no_other_one_waiting(models: dict[str, HuggingFaceChat]) -> None:
    llm, gate = gated_chat(free=0)
    with api_server(llm, "busy", others=models, max_running=1, max_waiting=0) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.chat, TEXT, model="busy")
        assert gate.reached.wait(WAIT)
        assert server.chat(TEXT, model="busy").status_code == 429
        assert server.chat(TEXT, model="one").status_code == 200
        assert server.requests() == 1
        gate.open.set()
        assert waiting.result().status_code == 200


@pytest.mark.parametrize("names", [[], [" "], [DEFAULT_EMBEDDER]])
def test_names_that_clients_could_not_use_are_refused(models: dict[str, HuggingFaceChat], names: list[str]) -> None:
    from llmkit.server import create_app

    with pytest.raises(InputError):
        create_app(dict.fromkeys(names, models["one"]))

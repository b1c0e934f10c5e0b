"""What the page asks: a prompt's budget, a page's text, and sentences of a text."""

from functools import partial

import llmkit.web
from llmkit.prompts import TaskPrompt
from llmkit.retrieval import SentenceRetriever
from tests.support.api_server import ApiServer
from tests.support.site import PAGE, TEXT, Site

EXAMPLES = [{"input": "It was fine.", "output": "good"}, {"input": "Never again. " * 30, "output": "bad"}]


def test_a_budget_is_the_report_of_the_fitted_prompt(server: ApiServer) -> None:
    texts = {"instruction": "Label the text.", "input_label": "Text", "output_label": "Label"}
    limits = {"max_new_tokens": 40, "context_window": 300}
    found = server.post("/v1/llmkit/budget", {"text": "A text.", **texts, "examples": EXAMPLES, **limits}).json()
    fitted = TaskPrompt(**texts, examples=EXAMPLES).fit("A text.", model=server.llm, **limits)
    assert found["fits"]
    assert found["tokens"] == fitted.tokens
    assert [(part["name"], part["tokens"]) for part in found["parts"]] == [
        (part.name, part.tokens) for part in fitted.report.parts
    ]
    assert [one["reason"] for one in found["left_out"]] == ["does not fit"]
    assert [message["content"] for message in found["messages"]] == [one.text for one in fitted.messages]
    answer = server.post("/v1/chat/completions", {"messages": found["messages"], "max_tokens": 3, "temperature": 0})
    assert answer.json()["usage"]["prompt_tokens"] == fitted.tokens


def test_a_prompt_that_does_not_fit_says_by_how_much(server: ApiServer) -> None:
    found = server.post("/v1/llmkit/budget", {"text": "word " * 400, "max_new_tokens": 40}).json()
    assert found["fits"] is False
    assert "512" in found["message"]
    found = server.post("/v1/llmkit/budget", {"text": "A text.", "examples": [{"input": "no output"}]}).json()
    assert "output" in found["message"]


def test_a_document_is_the_text_of_a_page(server: ApiServer, site: Site, monkeypatch) -> None:
    site.answers["/page"] = lambda handler: handler.send(PAGE)
    refused = server.post("/v1/llmkit/document", {"url": f"{site.url}/page"})
    assert refused.status_code == 400
    assert "no public address" in refused.json()["error"]["message"]
    assert site.asked == []
    monkeypatch.setattr(llmkit.web, "fetch", partial(llmkit.web.fetch, allow_private=True))
    found = server.post("/v1/llmkit/document", {"url": f"{site.url}/page"}).json()
    assert found == {"text": TEXT, "source": f"{site.url}/page", "title": "A page"}


def test_sentences_of_a_text_are_found_with_their_places(server: ApiServer) -> None:
    text = "It rains 😀. The mill was built in 1821. The mill is closed."
    questions = ["When was the mill built?", "zzz"]
    found = server.post("/v1/llmkit/retrieve", {"text": text, "questions": questions, "top_k": 2}).json()["results"]
    expected = SentenceRetriever().retrieve(questions[0], [text], 2)
    assert [text[one["start"] : one["end"]] for one in found[0]] == [one.text for one in expected]
    assert found[0][0]["relevance"] > found[0][1]["relevance"]
    assert found[1] == []

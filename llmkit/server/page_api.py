"""What the page asks beside OpenAI's formats and the chains: a prompt's budget, a page's text, sentences of a text."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import convert_to_openai_messages
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from llmkit.errors import ContextWindowExceeded, PromptError
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.retrieval import SentenceRetriever
from llmkit.server.bodies import ApiRequest
from llmkit.server.service import accept

MAX_QUESTIONS = 256


class BudgetRequest(ApiRequest):
    """The body of `/v1/llmkit/budget`: a prompt's texts and examples, and a text for it; see `TaskPrompt`."""

    text: str
    instruction: str = ""
    input_label: str = ""
    question: str = ""
    output_label: str = ""
    examples: list[dict[str, str]] = Field(default_factory=list)
    max_new_tokens: int | None = None
    context_window: int | None = None

    def fit(self, llm: Any) -> FittedPrompt:
        """Fill the prompt, with as many examples as fit."""
        prompt = TaskPrompt(
            self.instruction,
            input_label=self.input_label,
            question=self.question,
            output_label=self.output_label,
            examples=self.examples,
        )
        window = self.context_window
        return prompt.fit(self.text, model=llm, max_new_tokens=self.max_new_tokens, context_window=window)


class DocumentRequest(ApiRequest):
    """The body of `/v1/llmkit/document`."""

    url: str = Field(min_length=1)


class RetrieveRequest(ApiRequest):
    """The body of `/v1/llmkit/retrieve`: which sentences of a text matter for each question."""

    text: str
    questions: list[str] = Field(max_length=MAX_QUESTIONS)
    top_k: int = Field(default=1, ge=1)


async def _budget(request: Request) -> JSONResponse:
    """Answer how the context window is used by a prompt: `FittedPrompt` and its report as JSON.

    That a prompt does not fit is an answer too, not an error: who types asks again and again.
    """
    service, body = await accept(request, BudgetRequest)

    def compute() -> dict[str, Any]:
        try:
            return {"fits": True, **_as_json(body.fit(service.llm))}
        except (ContextWindowExceeded, PromptError) as error:
            return {"fits": False, "message": str(error)}

    return JSONResponse(await service.workers.result(request, compute))


def _as_json(fitted: FittedPrompt) -> dict[str, Any]:
    report = fitted.report
    left_out = [{"example": str(one.candidate), "tokens": one.tokens, "reason": one.reason} for one in report.left_out]
    return {
        "tokens": fitted.tokens,
        "context_window": report.context_window,
        "parts": [{"name": part.name, "tokens": part.tokens} for part in report.parts],
        "left_out": left_out,
        "changes": list(report.changes),
        "messages": convert_to_openai_messages(list(fitted.messages)),
        "text": fitted.text,
        "stop": list(fitted.stop),
    }


async def _document(request: Request) -> JSONResponse:
    """Answer the readable text of a web page, which `llmkit.web` fetches: only from public addresses."""
    service, body = await accept(request, DocumentRequest)

    def compute() -> dict[str, Any]:
        from llmkit.web import fetch

        page = fetch(body.url)
        return {"text": page.page_content, **{name: page.metadata.get(name, "") for name in ("source", "title")}}

    return JSONResponse(await service.workers.result(request, compute))


async def _retrieve(request: Request) -> JSONResponse:
    """Answer the sentences of a text that have most words in common with each question, the best first."""
    service, body = await accept(request, RetrieveRequest)

    def compute() -> dict[str, Any]:
        retriever = SentenceRetriever()
        found = [retriever.retrieve(question, [body.text], body.top_k) for question in body.questions]
        return {
            "results": [
                [{"start": one.start, "end": one.end, "relevance": one.relevance} for one in sentences if one.relevance]
                for sentences in found
            ]
        }

    return JSONResponse(await service.workers.result(request, compute))


ROUTES = [
    Route("/v1/llmkit/budget", _budget, methods=["POST"]),
    Route("/v1/llmkit/document", _document, methods=["POST"]),
    Route("/v1/llmkit/retrieve", _retrieve, methods=["POST"]),
]

"""`/v1/llmkit/classify`, `entities`, `summarize` and `ask`: the chains, with the JSON of `llmkit … --json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from langchain_core.documents import Document
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from llmkit import chains
from llmkit.errors import LlmkitError
from llmkit.server.bodies import ApiRequest
from llmkit.server.errors import Refusal
from llmkit.server.service import Service, accept

MAX_URLS = 8


class ChainRequest(ApiRequest):
    """What the bodies share: the arguments of a chain by their names, and its input.

    Attributes:
        chain: the class in `llmkit.chains`.
        own: fields that are no arguments of the chain.
    """

    chain: ClassVar[str]
    own: ClassVar[set[str]] = {"model", "text"}

    def arguments(self, service: Service) -> dict[str, Any]:
        """Return the arguments of the chain that are given; raise `Refusal` for an embedder that is not here."""
        return self.model_dump(exclude=self.own, exclude_unset=True, exclude_none=True)

    def run(self, chain: Any) -> dict[str, Any]:
        """Return the chain's result, as `--json` has it."""
        fields: dict[str, Any] = chain.invoke(self.input()).model_dump(mode="json")
        return fields

    def input(self) -> Any:
        """Return the input of the chain."""
        return getattr(self, "text")  # noqa: B009  each subclass has it, or an input of its own


class ClassifyRequest(ChainRequest):
    """The body of `/v1/llmkit/classify`."""

    chain = "ZeroShotClassificationChain"

    text: str
    labels: list[str]
    descriptions: dict[str, str] | None = None
    examples: list[dict[str, Any]] = Field(default_factory=list)
    multi_label: bool = False
    threshold: float | None = None
    show_examples: bool | None = None
    contextual_calibration: bool | None = None
    embedder: bool = False
    prompt: str | None = None

    def arguments(self, service: Service) -> dict[str, Any]:
        """Return the arguments of the chain that are given."""
        return {**super().arguments(service), "embedder": service.embedding_model.embedder if self.embedder else None}


class EntitiesRequest(ChainRequest):
    """The body of `/v1/llmkit/entities`."""

    chain = "NERChain"
    own: ClassVar[set[str]] = {"model", "text", "any_words"}

    text: str
    labels: list[str] | None = None
    descriptions: dict[str, str] | None = None
    examples: list[dict[str, Any]] = Field(default_factory=list)
    threshold: float | None = None
    any_words: bool = False
    max_words: int | None = None

    def arguments(self, service: Service) -> dict[str, Any]:
        """Return the arguments of the chain that are given."""
        return {**super().arguments(service), **({"proper_names": False} if self.any_words else {})}


class SummarizeRequest(ChainRequest):
    """The body of `/v1/llmkit/summarize`."""

    chain = "SummarizationChain"

    text: str
    prompt: str | None = None
    strategy: Literal["auto", "stuff", "map_reduce"] = "auto"
    max_words: int | None = None
    max_new_tokens: int | None = None
    examples: list[dict[str, str]] = Field(default_factory=list)


class SourceText(BaseModel):
    """A text to answer from, and what citations call it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str
    source: str = ""


class AskRequest(ChainRequest):
    """The body of `/v1/llmkit/ask`: a question, and texts or the addresses of public web pages."""

    chain = "QAChain"
    own: ClassVar[set[str]] = {"model", "question", "text", "documents", "url"}

    question: str
    text: str | None = None
    documents: list[SourceText] = Field(default_factory=list)
    url: str | list[str] = Field(default_factory=list)
    style: Literal["extractive", "abstractive"] = "extractive"
    threshold: float | None = None
    embedder: bool | None = None
    top_k: int | None = None
    max_answer_words: int | None = None
    examples: list[dict[str, str]] = Field(default_factory=list)

    def arguments(self, service: Service) -> dict[str, Any]:
        """Return the arguments of the chain that are given."""
        chosen = "auto" if self.embedder is None else service.embedding_model.embedder if self.embedder else None
        return {**super().arguments(service), "embedder": chosen}

    def run(self, chain: Any) -> dict[str, Any]:
        """Fetch the pages, and return the answer with the sources that could not be read."""
        texts = [Document(one.text, metadata={"source": one.source}) for one in self.documents]
        texts += [Document(self.text)] if self.text is not None else []
        urls = [self.url] if isinstance(self.url, str) else self.url
        if not urls and not texts:
            raise Refusal(400, "there is nothing to read: give text, documents or url", param="text")
        if len(urls) > MAX_URLS:
            raise Refusal(400, f"url has {len(urls)} addresses, but may have at most {MAX_URLS}", param="url")
        pages, unread = _fetch(urls, required=not texts)
        answer = chain.invoke({"question": self.question, "context": pages + texts})
        return {**answer.model_dump(mode="json"), "unread": unread}


def _fetch(urls: list[str], *, required: bool) -> tuple[list[Document], list[dict[str, str]]]:
    """Fetch public pages; return them, and the addresses that could not be read, with the error of each."""
    from llmkit.web import fetch

    pages, failures = list[Document](), dict[str, LlmkitError]()
    for url in urls:
        try:
            pages.append(fetch(url))
        except LlmkitError as error:
            failures[url] = error
    if failures and required and not pages:
        raise next(iter(failures.values()))
    return pages, [{"source": url, "error": str(error)} for url, error in failures.items()]


def make_chain(service: Service, body: ChainRequest) -> Any:
    """Return the chain of a request, made once for equal arguments while it is among the latest."""
    key = (body.chain, json.dumps(body.model_dump(exclude=body.own - {"any_words"}), sort_keys=True))
    found = service.kept_chains.get(key)
    if found is None:
        llm = service.llm
        if body.chain == "SummarizationChain":  # as the command does
            llm = llm.model_copy(update={"temperature": 0.0})
        found = getattr(chains, body.chain)(llm, **body.arguments(service))
    service.kept_chains.put(key, found, 1)
    return found


def route(kind: type[ChainRequest]) -> Callable[[Request], Any]:
    """Return what answers `POST` requests of this kind."""

    async def answer(request: Request) -> JSONResponse:
        service, body = await accept(request, kind)

        def compute() -> dict[str, Any]:
            return body.run(make_chain(service, body))

        return JSONResponse(await service.workers.result(request, compute))

    return answer

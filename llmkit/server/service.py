"""What the routes of a server share: the model, its name, the threads, and how a request is accepted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from llmkit.models.tokens.recent import Recent
from llmkit.server.bodies import BodyReader, RequestT, parse_request
from llmkit.server.embedding_model import EmbeddingModel
from llmkit.server.errors import Refusal
from llmkit.server.workers import Workers

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.decisions import HuggingFaceDecisions
    from llmkit.models.generation.engine import Engine
    from llmkit.models.llm import HuggingFaceLLM


_KEPT_CHAINS = 8  # the latest, which have learned from their examples


@dataclass(eq=False)
class Service:
    """One model that is served.

    Attributes:
        llm: the model.
        name: what clients call it.
        workers: the threads that compute.
        bodies: reads what clients send.
        created: when it was loaded, in seconds since 1970.
        embedding_model: the embedder of `/v1/embeddings`.
        kept_chains: the latest chains, by their arguments.
    """

    llm: HuggingFaceChat
    name: str
    workers: Workers
    bodies: BodyReader
    created: int = field(default_factory=lambda: int(time.time()))
    embedding_model: EmbeddingModel = field(default_factory=EmbeddingModel)
    kept_chains: Recent[Any] = field(default_factory=lambda: Recent(_KEPT_CHAINS))

    @classmethod
    def of(cls, request: Request) -> Service:
        """Return the service of the application that a request came to."""
        service: Service = request.app.state.service
        return service

    @cached_property
    def completion_llm(self) -> HuggingFaceLLM:
        """The same weights for prompts of plain text."""
        return self.llm.as_completion()

    @cached_property
    def decisions(self) -> HuggingFaceDecisions:
        """The model as LangChain's decision model."""
        from llmkit.models.decisions import HuggingFaceDecisions

        return HuggingFaceDecisions(self.llm)

    @property
    def engine(self) -> Engine:
        """What computes."""
        return self.llm.engine

    def models(self) -> list[dict[str, Any]]:
        """Return what `/v1/models` lists."""
        common = {"object": "model", "created": self.created, "owned_by": "llmkit"}
        found = [{"id": self.name, "root": self.name, "max_model_len": self.llm.context_window, **common}]
        if self.embedding_model.is_here:
            found.append({"id": self.embedding_model.name, **common})
        return found

    def check_model(self, name: str | None) -> None:
        """Raise `Refusal` if a request asks for another model; without a name it gets the one that there is."""
        if name is not None and name != self.name:
            raise Refusal(
                404, f"there is no model {name!r:.100} here, but {self.name!r}", param="model", code="model_not_found"
            )


async def accept(request: Request, kind: type[RequestT]) -> tuple[Service, RequestT]:
    """Return the service, and the body of a request for its model, read and checked.

    Raises:
        Refusal: the body is too large, late or no such request, or asks for another model.
        ClientGone: the client has closed its connection.
    """
    service = Service.of(request)
    body = parse_request(kind, await service.bodies.read(request))
    service.check_model(body.model)
    return service, body


def envelope(service: Service, kind: str, prefix: str, identifier: str) -> dict[str, Any]:
    """Return what each answer of a completion begins with."""
    return {"id": f"{prefix}-{identifier}", "object": kind, "created": int(time.time()), "model": service.name}

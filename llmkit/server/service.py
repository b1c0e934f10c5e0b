"""What the routes of a server share: the models by their names, and how a request comes to its model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from llmkit.errors import InputError
from llmkit.models.tokens.recent import Recent
from llmkit.server.bodies import BodyReader, RequestT, parse_request
from llmkit.server.embedding_model import EmbeddingModel
from llmkit.server.errors import Refusal
from llmkit.server.settings import ServerSettings
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
        workers: the threads that compute, and the queue before them.
        embedding_model: the server's embedder.
        created: when it was loaded, in seconds since 1970.
        kept_chains: the latest chains, by their arguments.
    """

    llm: HuggingFaceChat
    name: str
    workers: Workers
    embedding_model: EmbeddingModel
    created: int = field(default_factory=lambda: int(time.time()))
    kept_chains: Recent[Any] = field(default_factory=lambda: Recent(_KEPT_CHAINS))

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

    def entry(self) -> dict[str, Any]:
        """Return what `/v1/models` says: `root` is what it was loaded from, `settings` what requests can leave out."""
        facts = {"id": self.name, "root": self.llm.model_name, "max_model_len": self.llm.context_window}
        facts["settings"] = self.llm.settings.model_dump(mode="json", exclude_defaults=True)
        return {**facts, **_common(self.created)}


def _common(created: int) -> dict[str, Any]:
    return {"object": "model", "created": created, "owned_by": "llmkit"}


class Services:
    """The models of a server, by the names that clients call them; each has threads and a queue of its own.

    Args:
        models: one model, which is called by its own name, or several by name; the first answers requests that name
            none.
        settings: how much each computes at a time, and the bounds of what arrives.

    Raises:
        InputError: there is no model, or a name cannot be one.
    """

    def __init__(self, models: HuggingFaceChat | Mapping[str, HuggingFaceChat], settings: ServerSettings) -> None:
        named = models if isinstance(models, Mapping) else {models.model_name: models}
        self.bodies, self.embedding_model = BodyReader(settings), EmbeddingModel()
        _check_names(named, self.embedding_model.name)
        self._services = {
            name: Service(llm, name, Workers(settings.max_running, settings.max_waiting), self.embedding_model)
            for name, llm in named.items()
        }

    @classmethod
    def of(cls, request: Request) -> Services:
        """Return the models of the application that a request came to."""
        services: Services = request.app.state.services
        return services

    def find(self, name: str | None = None) -> Service:
        """Return the model of this name, the first one for `None`, or raise `Refusal` if there is none."""
        if name is None:
            return next(iter(self._services.values()))
        if name not in self._services:
            names = ", ".join(map(repr, self._services))
            message = f"there is no model {name!r:.100} here, but {names}"
            raise Refusal(404, message, param="model", code="model_not_found")
        return self._services[name]

    def entries(self) -> list[dict[str, Any]]:
        """Return what `/v1/models` lists: the models, and the embedder if it was fetched."""
        found = [service.entry() for service in self._services.values()]
        if self.embedding_model.is_here:
            found.append({"id": self.embedding_model.name, **_common(self.find().created)})
        return found

    @property
    def requests(self) -> int:
        """How many computations run or wait."""
        return sum(service.workers.inside for service in self._services.values())

    def close(self) -> None:
        """Take no more computations."""
        for service in self._services.values():
            service.workers.close()


def _check_names(names: Mapping[str, Any], embedder: str) -> None:
    if not names:
        raise InputError("there is no model to serve: give at least one")
    for name in names:
        if not name.strip() or name == embedder:
            raise InputError(f"{name!r:.100} cannot be the name of a model that is served: choose another one")


async def accept(request: Request, kind: type[RequestT]) -> tuple[Service, RequestT]:
    """Return the model that a request asks for, and its body, read and checked.

    Raises:
        Refusal: the body is too large, late or no such request, or asks for a model that is not here.
        ClientGone: the client has closed its connection.
    """
    services = Services.of(request)
    body = parse_request(kind, await services.bodies.read(request))
    return services.find(body.model), body


def envelope(service: Service, kind: str, prefix: str, identifier: str) -> dict[str, Any]:
    """Return what each answer of a completion begins with."""
    return {"id": f"{prefix}-{identifier}", "object": kind, "created": int(time.time()), "model": service.name}

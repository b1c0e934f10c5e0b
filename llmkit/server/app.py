"""The application: its routes, with the checks in front of them and errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from llmkit.errors import InputError
from llmkit.server.settings import ServerSettings

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.routing import Route
except ImportError as error:
    raise InputError("llmkit serve needs starlette and uvicorn: python -m pip install 'llmkit[serve]'") from error

from llmkit.errors import LlmkitError
from llmkit.server import chains, chat, completions, decisions, embeddings, page_api, page_files, tokens
from llmkit.server.bodies import BodyReader
from llmkit.server.errors import ClientGone, Refusal, answer_error
from llmkit.server.security import Security
from llmkit.server.service import Service
from llmkit.server.workers import Workers

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat

ROUTES = [
    Route("/health", tokens.health),
    Route("/v1/models", tokens.list_models),
    Route("/v1/models/{name:path}", tokens.show_model),
    Route("/v1/chat/completions", chat.complete_chat, methods=["POST"]),
    Route("/v1/completions", completions.complete_text, methods=["POST"]),
    Route("/v1/embeddings", embeddings.embed, methods=["POST"]),
    Route("/v1/decisions", decisions.decide, methods=["POST"]),
    Route("/v1/systemone", decisions.ask_system_one, methods=["POST"]),
    Route("/v1/llmkit/classify", chains.route(chains.ClassifyRequest), methods=["POST"]),
    Route("/v1/llmkit/entities", chains.route(chains.EntitiesRequest), methods=["POST"]),
    Route("/v1/llmkit/summarize", chains.route(chains.SummarizeRequest), methods=["POST"]),
    Route("/v1/llmkit/ask", chains.route(chains.AskRequest), methods=["POST"]),
    Route("/tokenize", tokens.tokenize, methods=["POST"]),
    Route("/detokenize", tokens.detokenize, methods=["POST"]),
    Route("/tokenizer_info", tokens.tokenizer_info),
    *page_api.ROUTES,
    *page_files.ROUTES,
]
_HANDLED = (Refusal, ClientGone, LlmkitError, HTTPException, Exception)


def create_app(llm: HuggingFaceChat, settings: ServerSettings | None = None, *, name: str | None = None) -> Any:
    """Return an ASGI application that serves a model.

    Args:
        llm: the model.
        settings: whom it answers, and how much it takes; the address is not used here.
        name: what clients call the model; by default its own name.

    Raises:
        InputError: starlette is not installed.
    """
    settings = settings or ServerSettings()
    workers = Workers(settings.max_running, settings.max_waiting)
    service = Service(llm, name or llm.model_name, workers, BodyReader(settings))

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        workers.close()

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(_HANDLED, answer_error),
        middleware=[Middleware(Security, settings=settings)],
    )
    app.state.service = service
    return app

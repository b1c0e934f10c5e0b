"""The application: its routes, with the checks in front of them and errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
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
from llmkit.server.errors import ClientGone, Refusal, answer_error
from llmkit.server.security import Security
from llmkit.server.service import Services

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


def create_app(models: HuggingFaceChat | Mapping[str, HuggingFaceChat], settings: ServerSettings | None = None) -> Any:
    """Return an ASGI application that serves models.

    Args:
        models: one model, which clients call by its own name, or several by the names that clients call them; the
            first answers requests that name none.
        settings: whom it answers, and how much it takes; the address is not used here.

    Raises:
        InputError: starlette is not installed, or a name cannot be that of a model.
    """
    settings = settings or ServerSettings()
    services = Services(models, settings)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        services.close()

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(_HANDLED, answer_error),
        middleware=[Middleware(Security, settings=settings)],
    )
    app.state.services = services
    return app

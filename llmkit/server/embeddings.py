"""`/v1/embeddings`: vectors of texts, by the catalog's sentence embedder."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse

from llmkit.server.bodies import ApiRequest, parse_request
from llmkit.server.errors import Refusal
from llmkit.server.service import Services

_MAX_TEXTS = 2048  # as OpenAI's API has it


class EmbeddingRequest(ApiRequest):
    """The body of `/v1/embeddings`."""

    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    def texts(self) -> list[str]:
        """Return the texts, or raise `Refusal` for what cannot be embedded."""
        given = [self.input] if isinstance(self.input, str) else self.input
        if not given or len(given) > _MAX_TEXTS:
            raise Refusal(400, f"input has {len(given)} texts, but must have 1 to {_MAX_TEXTS}", param="input")
        texts = [text for text in given if isinstance(text, str)]
        if len(texts) < len(given):
            raise Refusal(
                400,
                "input has token ids, whose meaning depends on another model: send text (with LangChain's "
                "OpenAIEmbeddings, check_embedding_ctx_length=False)",
                param="input",
            )
        if not all(text.strip() for text in texts):
            raise Refusal(400, "input has an empty text", param="input")
        return texts


async def embed(request: Request) -> JSONResponse:
    """Answer `POST /v1/embeddings`."""
    services = Services.of(request)
    body = parse_request(EmbeddingRequest, await services.bodies.read(request))
    model = services.embedding_model
    if body.model not in (None, model.name):
        raise Refusal(
            404,
            f"there is no embedder {body.model!r:.100} here, but {model.name!r}",
            param="model",
            code="model_not_found",
        )
    texts = body.texts()

    def compute() -> dict[str, Any]:
        vectors, count = model.embed(texts)
        if body.dimensions not in (None, len(vectors[0])):
            raise Refusal(400, f"this embedder has {len(vectors[0])} dimensions: leave it out", param="dimensions")
        data = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, body.encoding_format)}
            for index, vector in enumerate(vectors)
        ]
        return {
            "object": "list",
            "data": data,
            "model": model.name,
            "usage": {"prompt_tokens": count, "total_tokens": count},
        }

    return JSONResponse(await services.find().workers.result(request, compute))


def _encoded(vector: list[float], form: str) -> Any:
    """Return a vector as numbers, or as the bytes of float32 numbers in base64, which OpenAI's client asks for."""
    if form == "float":
        return vector
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()

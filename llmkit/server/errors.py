"""Errors as OpenAI's API tells them: a status, and `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from llmkit.errors import (
    ContextWindowExceeded,
    GenerationTimeout,
    InputError,
    LlmkitError,
    ModelNotFound,
    PageError,
    SettingsError,
)
from llmkit.models.generation.settings import NAMES

logger = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        param: what is wrong of the body.
        code: the kind of error, for programs.
        headers: of the answer.
        facts: numbers that belong to the error.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code, self.headers = status, param, code, dict(headers or {})
        self.facts = dict(facts or {})

    def body(self) -> dict[str, Any]:
        """Return OpenAI's error object."""
        error_type = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        error = {"message": str(self), "type": error_type, "param": self.param, "code": self.code}
        return {"error": {**error, **self.facts}}

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse(self.body(), self.status, self.headers)


class ClientGone(Exception):
    """Raised when the client has closed its connection: nobody reads an answer."""


def refusal_of(error: BaseException) -> Refusal:
    """Return what a client is told of an error; of one that is no `LlmkitError`, only that it is in the log."""
    if isinstance(error, Refusal):
        return error
    message = str(error)
    match error:
        case ContextWindowExceeded():
            facts = {"needed_tokens": error.needed, "available_tokens": error.available}
            return Refusal(400, message, code="context_length_exceeded", facts=facts)
        case ModelNotFound():
            return Refusal(404, message, param="model", code="model_not_found")
        case SettingsError():
            return Refusal(400, message, param=_first_name(message, NAMES))
        case InputError() | RecursionError():  # the latter of JSON that is nested deeply
            return Refusal(400, message)
        case GenerationTimeout():
            return Refusal(504, message, code="timeout")
        case PageError():
            return Refusal(502, message)
        case LlmkitError():
            return Refusal(500, message)
        case HTTPException():
            return Refusal(error.status_code, _http_message(error), headers=error.headers)
    logger.error("a request failed: %s: %s", type(error).__name__, error, exc_info=error)
    return Refusal(500, f"the server failed ({type(error).__name__}); its log says where")


def _first_name(message: str, names: Collection[str]) -> str | None:
    first = re.match(r"\w+", message)
    return first[0] if first and first[0] in names else None


def _http_message(error: HTTPException) -> str:
    phrase = HTTPStatus(error.status_code).phrase.lower()
    allowed = (error.headers or {}).get("Allow", "another one")
    hint = {404: "; see /v1/models and the documentation of llmkit serve", 405: f"; this path takes {allowed}"}
    return f"{phrase}{hint.get(error.status_code, '')}"


async def answer_error(request: Request, error: Exception) -> Any:
    """Answer a request that failed; an exception handler of starlette."""
    if isinstance(error, ClientGone):
        return JSONResponse(None, 499)
    return refusal_of(error).response()

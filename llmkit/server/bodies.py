"""The body of a request: read within limits of size and time, and checked against a model of the request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request

from llmkit.models.generation.settings import explain
from llmkit.models.langchain.option_names import WITHOUT_EFFECT
from llmkit.server.errors import ClientGone, Refusal
from llmkit.server.settings import ServerSettings

_NEUTRAL: Mapping[str, Any] = {
    "best_of": 1,
    "functions": [],
    "ignore_eos": False,
    "logit_bias": {},
    "modalities": ["text"],
    "skip_special_tokens": True,
    "spaces_between_special_tokens": True,
    "suffix": "",
    "use_beam_search": False,
}
"""Parameters that are not supported, each with the value that means what happens without it."""

_SHOWN = 60  # characters of a wrong value
_BODIES_AT_A_TIME = 8  # of the largest size


class ApiRequest(BaseModel):
    """The body of a request: no other parameters, and no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    model: str | None = None


RequestT = TypeVar("RequestT", bound=ApiRequest)


def parse_request(kind: type[RequestT], body: Any) -> RequestT:
    """Return a body as a request; parameters without effect are passed over, other unknown ones are refused."""
    if not isinstance(body, dict):
        raise Refusal(400, f"the body is {type(body).__name__}, but must be a JSON object")
    given = {name: value for name, value in body.items() if value is not None and not _has_no_effect(kind, name, value)}
    if unknown := sorted(given.keys() - kind.model_fields.keys()):
        name = unknown[0]
        raise Refusal(400, f"{name} is not supported here: leave it out", param=name, code="unsupported_parameter")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        raise Refusal(400, _explain(error), param=str(place[0]) if place else None) from error


def _explain(error: ValidationError) -> str:
    """Return the first error as one sentence; where several types are allowed, these."""
    first, *others = error.errors()
    name, *tags = first["loc"]
    if first["type"] == "missing":
        return f"{'.'.join(map(str, first['loc']))} is missing"
    if tags and any(other["loc"][0] == name and other["loc"][1] != tags[0] for other in others):
        types = dict.fromkeys(str(one["loc"][1]) for one in (first, *others) if one["loc"][0] == name)
        return f"{name} is {_shown(error, name)}, but must be {' or '.join(types)}"
    return explain(error)


def _shown(error: ValidationError, name: Any) -> str:
    """Return the beginning of a wrong value."""
    return next(f"{one['input']!r:.{_SHOWN}}" for one in error.errors() if one["loc"][0] == name)


def _has_no_effect(kind: type[ApiRequest], name: str, value: Any) -> bool:
    if name in kind.model_fields:
        return False
    return name in WITHOUT_EFFECT or (name in _NEUTRAL and _NEUTRAL[name] == value)


class BodyReader:
    """Reads bodies within the bounds of the settings, each and all that arrive at a time."""

    def __init__(self, settings: ServerSettings) -> None:
        self._limit, self._timeout = settings.max_body_bytes, settings.request_timeout
        self._arriving: dict[Request, int] = {}  # how many bytes of each body are here

    async def read(self, request: Request) -> Any:
        """Return the JSON of a body.

        Raises:
            Refusal: it is too large (413), late (408) or no JSON (400), or too much arrives at a time (429).
            ClientGone: the client has closed its connection.
        """
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > self._limit:
            raise _too_large(self._limit)
        try:
            async with asyncio.timeout(self._timeout):
                return _parse_json(await self._read_bytes(request))
        except TimeoutError as error:
            message = f"the body did not arrive within {self._timeout:g} seconds"
            raise Refusal(408, message, headers=_CLOSE) from error
        except ClientDisconnect as error:
            raise ClientGone from error
        finally:
            self._arriving.pop(request, None)

    async def _read_bytes(self, request: Request) -> bytes:
        parts, size = [], 0
        async for part in request.stream():
            parts.append(part)
            self._arriving[request] = size = size + len(part)
            if size > self._limit:
                raise _too_large(self._limit)
            if sum(self._arriving.values()) > _BODIES_AT_A_TIME * self._limit:
                message = "too many large requests arrive at a time: try again later"
                raise Refusal(429, message, headers={**_CLOSE, "Retry-After": "5"})
        return b"".join(parts)


_CLOSE = {"Connection": "close"}  # what is left of the body is not read


def _too_large(limit: int) -> Refusal:
    message = f"the body is larger than {limit:,} bytes, the most that this server takes: divide the request"
    return Refusal(413, message, headers=_CLOSE)


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # also bytes that are no text
        raise Refusal(400, f"the body is no JSON: {error!s:.{_SHOWN}}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")

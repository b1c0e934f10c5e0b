"""Errors of langchain-openai and its HTTP library, as errors of llmkit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import openai

from llmkit.errors import LlmkitError, ModelNotFound, ServerError, ServerUnusable

_HTTP = ("httpx", "httpx2", "httpcore", "httpcore2")


@contextmanager
def served_errors(place: str) -> Iterator[None]:
    """Raise an error of llmkit for what a call of a server raises; `place` is what messages call the server."""
    try:
        yield
    except LlmkitError:
        raise
    except openai.APIError as error:
        raise _as_error(error, place) from error
    except openai.LengthFinishReasonError as error:
        raise ServerError(
            f"{place} ended the answer before its JSON was complete: raise max_tokens, or ask for less"
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _HTTP:
            raise
        reason = str(error) or type(error).__name__
        raise ServerError(
            f"{place} stopped in the middle of an answer ({reason}): see its log, and try again"
        ) from error


def _as_error(error: openai.APIError, place: str) -> LlmkitError:
    reason = " ".join(str(error.message).split())
    if isinstance(error, openai.APITimeoutError):
        return ServerError(f"{place} did not answer in time: raise timeout, or ask for less")
    if isinstance(error, openai.APIConnectionError):
        cause = str(error.__cause__ or reason)
        return ServerError(f"no server can be reached at {place} ({cause}): is it running?")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ServerUnusable(f"{place} refuses the key: pass api_key= (with commands, LLMKIT_API_KEY); {reason}")
    if isinstance(error, openai.NotFoundError):
        return ModelNotFound(f"{place} has no such model or route: {reason}")
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return ServerUnusable(f"{place} refuses the request: {reason}")
    return ServerError(f"{place} could not answer: {reason}")

"""Tokens of a text and back, as vLLM has them, and the facts of the server: `/health` and `/v1/models`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from llmkit import __version__
from llmkit.models.tokens.token_ids import check_token_ids
from llmkit.prompts.validation import validate_text
from llmkit.server.bodies import ApiRequest
from llmkit.server.chat_messages import read_messages
from llmkit.server.errors import Refusal
from llmkit.server.logprobs import TokenNames
from llmkit.server.service import Service, Services, accept


class TokenizeRequest(ApiRequest):
    """The body of `/tokenize`: a text, or messages with what is rendered beside them.

    Names of special tokens in a text are these tokens, as for the tokenizer itself; in messages they are text.
    """

    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_special_tokens: bool = True
    return_token_strs: bool = False


class DetokenizeRequest(ApiRequest):
    """The body of `/detokenize`."""

    tokens: list[int]


def encode_with_markup(service: Service, text: str, *, special: bool) -> list[int]:
    """Return the tokens of a text in which names of special tokens are these tokens."""
    validate_text(text, "prompt")
    found: Any = service.engine.loaded.tokenizer(text, add_special_tokens=special)["input_ids"]
    return list(found)


async def tokenize(request: Request) -> JSONResponse:
    """Answer `POST /tokenize`."""
    service, body = await accept(request, TokenizeRequest)
    if (body.prompt is None) == (body.messages is None):
        raise Refusal(400, "give either prompt, a text, or messages", param="prompt")

    def compute() -> dict[str, Any]:
        if body.prompt is not None:
            tokens = encode_with_markup(service, body.prompt, special=body.add_special_tokens)
        else:
            given = {"tools": body.tools, "chat_template_kwargs": body.chat_template_kwargs}
            options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            options["tool_choice"] = "none"  # nothing is generated
            tokens = list(service.llm.prepare_call(read_messages(body.messages or []), None, options).request.prompt)
        found: dict[str, Any] = {"count": len(tokens), "max_model_len": service.llm.context_window, "tokens": tokens}
        if body.return_token_strs:
            names = TokenNames(service.engine)
            found["token_strs"] = [names.name(token) for token in tokens]
        return found

    return JSONResponse(await service.workers.result(request, compute))


async def detokenize(request: Request) -> JSONResponse:
    """Answer `POST /detokenize`."""
    service, body = await accept(request, DetokenizeRequest)
    loaded = service.engine.loaded
    tokens = check_token_ids(body.tokens, loaded.vocab_size) if body.tokens else []
    decode: Any = loaded.tokenizer.decode
    return JSONResponse({"prompt": str(decode(tokens, skip_special_tokens=False))})


async def tokenizer_info(request: Request) -> JSONResponse:
    """Answer `GET /tokenizer_info`: the special tokens and the chat template, from which clients render prompts.

    With several models, `?model=NAME` chooses one.
    """
    tokenizer: Any = Services.of(request).find(request.query_params.get("model")).engine.loaded.tokenizer
    names = ("bos_token", "eos_token", "pad_token", "unk_token", "chat_template")
    found = {name: getattr(tokenizer, name, None) for name in names}
    return JSONResponse({"tokenizer_class": type(tokenizer).__name__, **found})


async def health(request: Request) -> JSONResponse:
    """Answer `GET /health`: the server is up, and what it has to do."""
    return JSONResponse({"status": "ok", "version": __version__, "requests": Services.of(request).requests})


async def list_models(request: Request) -> JSONResponse:
    """Answer `GET /v1/models`."""
    return JSONResponse({"object": "list", "data": Services.of(request).entries()})


async def show_model(request: Request) -> JSONResponse:
    """Answer `GET /v1/models/NAME`."""
    services, name = Services.of(request), request.path_params["name"]
    listed = (entry for entry in services.entries() if entry["id"] == name)
    return JSONResponse(next(listed, None) or services.find(name).entry())

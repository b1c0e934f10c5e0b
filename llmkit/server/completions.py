"""`/v1/completions`: continuations of text or tokens, with log-probabilities of the prompt itself (`echo`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse

from llmkit.models.generation.completion import Completion, TokenLogprob
from llmkit.models.generation.prompt_logprobs import prompt_logprobs
from llmkit.models.langchain.batching import PreparedCall
from llmkit.server.errors import Refusal
from llmkit.server.event_stream import EventStream
from llmkit.server.generation import BaseCompletionRequest, usage
from llmkit.server.logprobs import TextOffsets, TokenNames, completion_logprobs
from llmkit.server.service import Service, accept, envelope
from llmkit.server.tokens import encode_with_markup
from llmkit.server.workers import started

_DEFAULT_MAX_TOKENS = 16
_OPENING_TOKENS = 4  # at the end of a prompt, that the text of the first new token may depend on


class CompletionRequest(BaseCompletionRequest):
    """The body of `/v1/completions`.

    Attributes:
        prompt: a text or its token ids, or a list of either.
        echo: whether the prompt is part of the text, and its tokens of the log-probabilities.
        logprobs: how many of the likeliest tokens to report at each position.
        add_special_tokens: whether a text gets the tokenizer's own start and end tokens.
        parse_special: whether names of special tokens in a text, such as `<|im_end|>`, are these tokens, and no text.
    """

    prompt: str | list[str] | list[int] | list[list[int]]
    echo: bool = False
    logprobs: int | None = None
    add_special_tokens: bool = True
    parse_special: bool = False

    def prompts(self, service: Service) -> list[str | list[int]]:
        """Return each prompt as text, or as token ids where text would be read in another way."""
        given: Any = self.prompt
        is_one = isinstance(given, str) or (bool(given) and isinstance(given[0], int))
        found: list[Any] = [given] if is_one else list(given)
        if not found:
            raise Refusal(400, "prompt is an empty list: give at least one", param="prompt")
        if self.parse_special or not self.add_special_tokens:
            found = [self._encode(service, prompt) if isinstance(prompt, str) else prompt for prompt in found]
        return found

    def _encode(self, service: Service, text: str) -> list[int]:
        if self.parse_special:
            return encode_with_markup(service, text, special=self.add_special_tokens)
        return service.llm.get_token_ids(text)

    def call_options(self) -> dict[str, Any]:
        """Return the options of a call of llmkit, or raise `Refusal`."""
        found = self.options()
        limit = found.pop("max_tokens", None if "max_new_tokens" in found else _DEFAULT_MAX_TOKENS)
        if limit == 0 and not self.echo:
            raise Refusal(400, "max_tokens is 0, which only makes sense with echo: true", param="max_tokens")
        if limit:
            found["max_tokens"] = limit
        if self.logprobs is not None:
            found |= {"logprobs": True, "top_logprobs": self.logprobs}
        return found

    @property
    def generates(self) -> bool:
        """Whether anything is generated behind the prompt."""
        return self.max_tokens != 0


@dataclass
class _Reported:
    """The log-probabilities of one completion, of which some were reported."""

    offsets: TextOffsets
    names: TokenNames
    count: int = 0

    def more(self, completion: Completion) -> dict[str, Any] | None:
        """Return those of the tokens since the last call; `None` if there are none."""
        scores = completion.logprobs[self.count :]
        self.count += len(scores)
        tokens = [score.token_id for score in scores]
        return completion_logprobs(tokens, scores, self.names, self.offsets.of(tokens)) if scores else None


@dataclass
class TextCompletions:
    """The completions of all prompts of a request."""

    request: CompletionRequest
    prompts: list[str | list[int]]
    calls: list[PreparedCall]
    names: TokenNames

    @classmethod
    def prepare(cls, service: Service, request: CompletionRequest) -> TextCompletions:
        """Check all that is given, and encode the prompts, before any computation."""
        options = request.call_options()
        stop, prompts = options.pop("stop", None), request.prompts(service)
        calls = [service.completion_llm.prepare_call(prompt, stop, options) for prompt in prompts]
        names = TokenNames(service.engine, as_ids=request.return_tokens_as_token_ids)
        return cls(request, prompts, calls, names)

    def whole(self) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Compute all; return the choices, and how many tokens they have."""
        requests = [call.request for call in self.calls]
        found: list[list[Completion]] = [[] for _ in requests]
        engine = self.calls[0].engine
        for batch in engine.split_batches(requests) if self.request.generates else ():
            for index, group in zip(batch, engine.generate([requests[index] for index in batch]), strict=True):
                self.calls[index].check_time(group)
                found[index] = group
        choices: list[dict[str, Any]] = []
        for index, group in enumerate(found):
            prompt = self._echo(index)
            many: Sequence[Completion | None] = group or [None]
            for completion in many:
                choices.append(self._choice(len(choices), index, prompt, completion))
        return choices, self._usage(found)

    def chunks(self) -> Iterator[dict[str, Any]]:
        """Compute one prompt after the other; yield the parts of their completions, and the usage at the end."""
        found: list[list[Completion]] = []
        for place, call in enumerate(self.calls):
            group: dict[int, Completion] = {}
            first = place * call.request.settings.n
            if self.request.echo:
                prompt = self._echo(place)
                for index in range(call.request.settings.n):
                    reason = None if self.request.generates else "length"
                    yield {**self._choice(first + index, place, prompt, None), "finish_reason": reason}
            if self.request.generates:
                yield from self._stream(call, first, len(self._text_before(place)), group)
            found.append(list(group.values()))
        if self.request.wants_usage:
            yield {"usage": self._usage(found)}

    def _part(self, call: PreparedCall, start: int) -> _Reported:
        return _Reported(TextOffsets(call.engine, start, call.request.prompt[-_OPENING_TOKENS:]), self.names)

    def _stream(
        self, call: PreparedCall, first: int, prompt_length: int, group: dict[int, Completion]
    ) -> Iterator[dict[str, Any]]:
        parts = [self._part(call, prompt_length) for _ in range(call.request.settings.n)]
        with closing(call.engine.stream(call.request)) as steps:
            for completion, text in steps:
                group[completion.index] = completion
                logprobs = parts[completion.index].more(completion)
                if not (text or completion.finish_reason or logprobs):
                    continue
                if completion.finish_reason:
                    call.check_time([completion])
                chunk = {"index": first + completion.index, "text": text, "finish_reason": completion.finish_reason}
                yield {**chunk, "logprobs": logprobs}

    def _choice(
        self, number: int, index: int, prompt: list[TokenLogprob | None], completion: Completion | None
    ) -> dict[str, Any]:
        """Return a choice: the prompt where it is echoed, and what was generated behind it."""
        call = self.calls[index]
        text, logprobs = self._text_before(index), None
        if self.request.echo and call.request.logprobs is not None:
            tokens = list(call.request.prompt)
            logprobs = completion_logprobs(tokens, prompt, self.names, TextOffsets(call.engine).of(tokens))
        if completion is None:
            return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": "length"}
        more = self._part(call, len(text)).more(completion)
        if logprobs and more:
            more = {name: [*values, *more[name]] for name, values in logprobs.items()}
        return {
            "index": number,
            "text": text + completion.text,
            "logprobs": more or logprobs,
            "finish_reason": completion.finish_reason,
        }

    def _echo(self, index: int) -> list[TokenLogprob | None]:
        """Compute the log-probabilities of a prompt's tokens, where they are asked for."""
        request = self.calls[index].request
        if not self.request.echo or request.logprobs is None:
            return []
        engine = self.calls[index].engine
        found = prompt_logprobs(
            engine.loaded,
            engine.prefix_cache,
            request.prompt,
            top=request.logprobs,
            asked=request.logprob_token_ids,
        )
        self.calls[index].check_time()
        return found

    def _text_before(self, index: int) -> str:
        """Return the text of a prompt, where it is echoed."""
        if not self.request.echo:
            return ""
        prompt = self.prompts[index]
        decode: Any = self.calls[index].engine.loaded.tokenizer.decode
        return prompt if isinstance(prompt, str) else str(decode(list(prompt), skip_special_tokens=False))

    def _usage(self, found: Sequence[Sequence[Completion]]) -> dict[str, int]:
        return usage([call.request.prompt for call in self.calls], [one for group in found for one in group])


async def complete_text(request: Request) -> Any:
    """Answer `POST /v1/completions`."""
    service, body = await accept(request, CompletionRequest)
    head = envelope(service, "text_completion", "cmpl", uuid4().hex)
    if body.stream:

        def events() -> Iterator[dict[str, Any]]:
            for chunk in TextCompletions.prepare(service, body).chunks():
                yield {**head, "choices": [], **chunk} if "usage" in chunk else {**head, "choices": [chunk]}

        return EventStream(await started(service.workers.stream(request, events)))

    def compute() -> dict[str, Any]:
        choices, counts = TextCompletions.prepare(service, body).whole()
        return {**head, "choices": choices, "usage": counts}

    return JSONResponse(await service.workers.result(request, compute))

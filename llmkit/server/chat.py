"""`/v1/chat/completions`: answers to conversations, whole or as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from llmkit.models.generation.completion import Completion
from llmkit.models.langchain.batching import PreparedCall
from llmkit.models.langchain.message_parser import MessageParser
from llmkit.server.chat_messages import read_messages
from llmkit.server.errors import Refusal
from llmkit.server.event_stream import EventStream
from llmkit.server.generation import BaseCompletionRequest, usage
from llmkit.server.logprobs import TokenNames, chat_logprobs
from llmkit.server.service import Service, accept, envelope
from llmkit.server.workers import started


class ChatRequest(BaseCompletionRequest):
    """The body of `/v1/chat/completions`."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: int | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None

    def conversation(self) -> list[BaseMessage]:
        """Return the messages as LangChain's.

        Raises:
            Refusal: one is no message, or the request has an answer that was begun and does not want it continued.
        """
        messages = read_messages(self.messages)
        is_begun = isinstance(messages[-1], AIMessage) and not messages[-1].tool_calls
        if is_begun and (self.continue_final_message is False or self.add_generation_prompt):
            raise Refusal(
                400,
                "the last message is an assistant's, which is continued here: add a user's message behind it",
                param="continue_final_message",
            )
        if self.continue_final_message and not is_begun:
            raise Refusal(
                400, "continue_final_message needs an assistant's message at the end", param="continue_final_message"
            )
        return messages

    def call_options(self) -> dict[str, Any]:
        """Return the options of a call of llmkit, or raise `Refusal`."""
        if self.top_logprobs is not None and not self.logprobs:
            raise Refusal(400, "top_logprobs needs logprobs: true", param="top_logprobs")
        own = ("logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "chat_template_kwargs")
        given = {name: value for name in own if (value := getattr(self, name)) is not None}
        found = {**self.options(), **given}
        limit = self.max_completion_tokens
        if limit is not None and found.setdefault("max_tokens", limit) != limit:
            raise Refusal(400, "max_tokens and max_completion_tokens differ: give one", param="max_tokens")
        return found


@dataclass
class _Choice:
    """One answer while it is generated."""

    parser: MessageParser
    reported: int = 0  # of its log-probabilities
    has_calls: bool = False
    message: dict[str, Any] = field(default_factory=dict)
    logprobs: list[Any] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, delta: dict[str, Any]) -> None:
        """Append a part to the whole message."""
        for name in ("content", "reasoning_content"):
            if delta.get(name):
                self.message[name] = self.message.get(name, "") + delta[name]
        for part in delta.get("tool_calls", ()):
            calls = self.message.setdefault("tool_calls", [])
            if part["index"] == len(calls):
                calls.append({"id": part["id"], "type": part["type"], "function": dict(part["function"])})
            else:
                calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]


@dataclass
class ChatAnswer:
    """The answers to one conversation, computed step by step."""

    call: PreparedCall
    names: TokenNames
    choices: list[_Choice]
    completions: list[Completion] = field(default_factory=list)

    @classmethod
    def prepare(cls, service: Service, request: ChatRequest) -> ChatAnswer:
        """Check all that is given, and encode the prompt, before any computation."""
        options = request.call_options()
        call = service.llm.prepare_call(request.conversation(), options.pop("stop", None), options)
        names = TokenNames(call.engine, as_ids=request.return_tokens_as_token_ids)
        return cls(call, names, [_Choice(call.message_parser()) for _ in range(call.request.settings.n)])

    def deltas(self) -> Iterator[dict[str, Any]]:
        """Generate; yield the parts of the answers as the choices of a stream have them."""
        with closing(self.call.engine.stream(self.call.request)) as steps:
            for completion, text in steps:
                if completion not in self.completions:
                    self.completions.append(completion)
                index = completion.index
                if part := self._part(self.choices[index], completion, text):
                    yield {"index": index, "finish_reason": None, "logprobs": None, **part}
                if completion.finish_reason:
                    self.call.check_time([completion])
                    reason = self.choices[index].finish_reason
                    yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": reason}

    def _part(self, choice: _Choice, completion: Completion, text: str) -> dict[str, Any]:
        chunk = choice.parser.push(text, last=completion.finish_reason is not None)
        delta: dict[str, Any] = {"content": chunk.content} if chunk.content else {}
        if reasoning := chunk.additional_kwargs.get("reasoning_content"):
            delta["reasoning_content"] = reasoning
        if chunk.tool_call_chunks:
            choice.has_calls = True
            delta["tool_calls"] = [_tool_call(part) for part in chunk.tool_call_chunks]
        if completion.finish_reason:
            has_finished = completion.finish_reason == "stop"
            choice.finish_reason = "tool_calls" if choice.has_calls and has_finished else completion.finish_reason
        choice.add(delta)
        found: dict[str, Any] = {"delta": delta} if delta else {}
        if scores := completion.logprobs[choice.reported :]:
            choice.reported += len(scores)
            found = {"delta": delta, "logprobs": chat_logprobs(scores, self.names)}
            choice.logprobs += found["logprobs"]["content"]
        return found

    def usage(self) -> dict[str, int]:
        """Count the tokens of the prompt and of all answers."""
        return usage([self.call.request.prompt], self.completions)

    def whole(self) -> list[dict[str, Any]]:
        """Generate, and return the answers."""
        for _ in self.deltas():
            pass
        has_logprobs = self.call.request.logprobs is not None
        return [
            {
                "index": index,
                "message": {"role": "assistant", "content": None if choice.has_calls else "", **choice.message},
                "logprobs": {"content": choice.logprobs, "refusal": None} if has_logprobs else None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(self.choices)
        ]


def _tool_call(part: Any) -> dict[str, Any]:
    """Return a part of a call as a stream has it: its head with the name, or more of its arguments."""
    arguments = {"arguments": part["args"] or ""}
    if part["name"] is None:
        return {"index": part["index"], "function": arguments}
    return {
        "index": part["index"],
        "id": part["id"],
        "type": "function",
        "function": {"name": part["name"], **arguments},
    }


async def complete_chat(request: Request) -> Any:
    """Answer `POST /v1/chat/completions`."""
    service, body = await accept(request, ChatRequest)
    identifier = uuid4().hex
    if body.stream:
        head = envelope(service, "chat.completion.chunk", "chatcmpl", identifier)

        def events() -> Iterator[dict[str, Any]]:
            answer = ChatAnswer.prepare(service, body)
            for index in range(len(answer.choices)):
                yield {**head, "choices": [_opening(index)]}
            for choice in answer.deltas():
                yield {**head, "choices": [choice]}
            if body.wants_usage:
                yield {**head, "choices": [], "usage": answer.usage()}

        return EventStream(await started(service.workers.stream(request, events)))

    def compute() -> dict[str, Any]:
        answer = ChatAnswer.prepare(service, body)
        head = envelope(service, "chat.completion", "chatcmpl", identifier)
        return {**head, "choices": answer.whole(), "usage": answer.usage()}

    return JSONResponse(await service.workers.result(request, compute))


def _opening(index: int) -> dict[str, Any]:
    return {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}

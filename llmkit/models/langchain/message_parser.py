"""From the engine's completions to LangChain's messages: reasoning, text, tool calls and metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCallChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call

from llmkit.models.generation.completion import Completion
from llmkit.models.generation.engine import Engine
from llmkit.models.langchain.tools import ToolFormat
from llmkit.models.tokens.detokenizer import overlap_length

_ID_LENGTH = 9  # characters of a call's id: Mistral's templates take no other number


class MessageParser:
    """Turns pieces of a completion's text into message chunks.

    Args:
        prompt: the prompt's end, which may open the reasoning.
        tools: what finds the calls; `None` without tools.

    Attributes:
        has_cut_call: whether the text ended within the arguments of a call.
    """

    def __init__(self, prompt: str, tools: ToolCallParser | None) -> None:
        self._reasoning = ReasoningSplitter(prompt)
        self._tools = tools
        self.has_cut_call = False

    def push(self, text: str, *, last: bool = False) -> AIMessageChunk:
        """Add text, and return what can no longer change; with `last`, all that is left."""
        reasoning, answer = self._reasoning.push(text, last=last)
        extra = {"reasoning_content": reasoning} if reasoning else {}
        if self._tools is None:
            return AIMessageChunk(content=answer, additional_kwargs=extra)
        content, calls = self._tools.push(answer, last=last)
        self.has_cut_call = last and self._tools.has_open_arguments
        chunks: Any = [AIMessageChunk(content="", tool_call_chunks=[call]) for call in calls]
        return sum(chunks, AIMessageChunk(content=content, additional_kwargs=extra))  # joins the parts of a call


class ReasoningSplitter:
    """Splits a stream of text into reasoning and answer.

    Reasoning models write between tags before the answer; some chat templates open the tag themselves, at the end of
    the prompt. A tag that the answer quotes later is text.
    """

    TAGS = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"))

    def __init__(self, prompt: str = "") -> None:
        self._pending = ""
        self._close = next((close for tag, close in self.TAGS if prompt.rstrip().endswith(tag)), "")
        self._state = "opened" if self._close else "start"

    def push(self, text: str, *, last: bool = False) -> tuple[str, str]:
        """Add text, and return the new reasoning and the new answer."""
        text, self._pending = self._pending + text, ""
        if self._state == "start":
            text = self._open(text, last=last)
        if self._state == "opened" and (text := text.lstrip("\n")):
            self._state = "reasoning"
        if self._state == "reasoning":
            return self._within(text, last=last)
        if self._state == "gap" and (text := text.lstrip()):
            self._state = "answer"
        return "", text

    def _open(self, text: str, *, last: bool) -> str:
        start = text.lstrip()
        for tag, close in self.TAGS:
            if start.startswith(tag):
                self._state, self._close = "opened", close
                return start[len(tag) :]
        if not last and any(tag.startswith(start) for tag, _ in self.TAGS):
            self._pending = text
            return ""
        self._state = "answer"
        return text

    def _within(self, text: str, *, last: bool) -> tuple[str, str]:
        reasoning, found, answer = text.partition(self._close)
        if found:
            self._state = "gap"
            return reasoning, self.push(answer)[1]
        keep = 0 if last else overlap_length(text, self._close)
        self._pending = text[len(text) - keep :]
        return text[: len(text) - keep], ""


class ToolCallParser:
    """Splits a stream of text into content and tool calls.

    Args:
        tool_format: how a call is written.
        names: the tools that may be called; text that calls another one, such as JSON with a key `name`, is content.
        only_first: whether a call can only be at the beginning, because the completion is either calls or something
            else, such as JSON of a schema.
    """

    def __init__(self, tool_format: ToolFormat, names: Iterable[str], *, only_first: bool = False) -> None:
        self._format = tool_format
        self._heads = {tool_format.opening + name + tool_format.middle: name for name in names}
        self._only_first = only_first
        self._text = ""
        self._state, self._is_plain = "text", False
        self._depth, self._quoted, self._escaped = 0, False, False
        self.count = 0

    @property
    def has_open_arguments(self) -> bool:
        """Whether the text so far ends within the arguments of a call."""
        return self._state == "arguments"

    def push(self, text: str, *, last: bool = False) -> tuple[str, list[Any]]:
        """Add text, and return the new content and the new parts of calls, as LangChain's tool call chunks."""
        self._text += text
        content, chunks = "", list[Any]()
        while True:
            before = (self._state, len(self._text))
            if self._state == "text":
                new_content, new_chunks = self._read_text(last=last)
                content, chunks = content + new_content, chunks + new_chunks
            elif self._state == "arguments":
                chunks += self._read_arguments()
            elif self._state == "gap":
                self._text = self._text.lstrip()
                self._state = "text" if self._text else "gap"
            elif len(self._text) >= len(self._format.closing):
                self._text, self._state = self._text[len(self._format.closing) :], "gap"
            if (self._state, len(self._text)) == before:
                return content, chunks

    def _read_text(self, *, last: bool) -> tuple[str, list[dict[str, Any]]]:
        """Read content up to a call, and the head of the call."""
        if self._is_plain:
            content, self._text = self._text, ""
            return content, []
        found = [(place, head) for head in self._heads if (place := self._text.find(head)) >= 0]
        place, head = min(found, default=(0, ""))
        if head and not (self._only_first and place):
            content, self._text = self._text[:place], self._text[place + len(head) :]
            self._state, self.count = "arguments", self.count + 1
            name, call_id = self._heads[head], uuid4().hex[:_ID_LENGTH]
            return content, [{"name": name, "args": "", "id": call_id, "index": self.count - 1}]
        keep = 0 if last else max((overlap_length(self._text, head) for head in self._heads), default=0)
        if self._only_first and self._text and keep < len(self._text):
            self._is_plain, keep = True, 0
        content = self._text[: len(self._text) - keep]
        self._text = self._text[len(content) :]
        return content, []

    def _read_arguments(self) -> list[dict[str, Any]]:
        """Read up to the bracket that closes the arguments."""
        end = len(self._text)
        for position, char in enumerate(self._text, 1):
            if self._quoted:
                self._quoted = self._escaped or char != '"'
                self._escaped = char == "\\" and not self._escaped
            elif char == '"':
                self._quoted = True
            else:
                self._depth += (char in "{[") - (char in "}]")
                if not self._depth and char in "}]":
                    self._state, end = "closing", position
                    break
        part, self._text = self._text[:end], self._text[end:]
        return [{"name": None, "args": part, "id": None, "index": self.count - 1}] if part else []


def without_cut_call(message: AIMessage, cut: ToolCallChunk) -> AIMessage:
    """Return a message whose call is invalid that was cut: LangChain has closed the brackets of its arguments."""
    calls = [call for call in message.tool_calls if call["id"] != cut["id"]]
    invalid = [call for call in message.invalid_tool_calls if call["id"] != cut["id"]]
    given = {"name": cut["name"], "args": cut["args"], "id": cut["id"]}
    invalid.append(invalid_tool_call(**given, error="the completion ended before the call was complete"))
    return message.model_copy(update={"tool_calls": calls, "invalid_tool_calls": invalid})


def usage_metadata(completion: Completion) -> UsageMetadata:
    """Count the tokens of the prompt and of the completion, the one that ended it included."""
    read, written = len(completion.request.prompt), len(completion.token_ids)
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def response_metadata(completion: Completion, engine: Engine) -> dict[str, Any]:
    """Return the model's name, why the completion ended, times in seconds, and log-probabilities if asked for."""
    steps = len(completion.token_ids) - 1
    metadata: dict[str, Any] = {
        "model_name": engine.loaded.name,
        "model_provider": "huggingface",
        "finish_reason": completion.finish_reason,
        "timings": {
            "time_to_first_token": completion.first_token_at - completion.started_at,
            "time_per_output_token": (completion.finished_at - completion.first_token_at) / steps if steps > 0 else 0.0,
        },
    }
    if completion.detokenizer.stop_string is not None:
        metadata["stop_sequence"] = completion.detokenizer.stop_string
    if completion.request.logprobs is not None:
        metadata["logprobs"] = {"content": _logprobs(completion, engine)}
    return metadata


def _logprobs(completion: Completion, engine: Engine) -> list[dict[str, Any]]:
    """Return each token's log-probability in nats, in the layout of the common chat APIs."""

    def entry(token: int, value: float) -> dict[str, Any]:
        return {"token": engine.loaded.tokenizer.decode([token]), "logprob": value}

    return [
        {**entry(score.token_id, score.logprob), "top_logprobs": [entry(*pair) for pair in score.top]}
        for score in completion.logprobs
    ]

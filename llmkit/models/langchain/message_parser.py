"""An answer's text, as it comes, to what LangChain's messages hold: reasoning, text and tool calls."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessageChunk

from llmkit.models.langchain.tools import ToolFormat
from llmkit.models.tokens.detokenizer import overlap_length

_ID = 9  # letters of a call's name: Mistral's templates take no other number


class MessageReader:
    """Turns pieces of an answer's text into pieces of a message."""

    def __init__(self, prompt: str, style: ToolFormat | None) -> None:
        """Take the prompt's end, which may open the reasoning, and the format of tool calls, if there are tools."""
        self._reasoning = ReasoningSplitter(prompt)
        self._tools = ToolReader(style) if style else None

    def push(self, text: str, *, last: bool = False) -> AIMessageChunk:
        """Take text; give what is now certain."""
        thought, answer = self._reasoning.push(text, last=last)
        extra = {"reasoning_content": thought} if thought else {}
        if self._tools is None:
            return AIMessageChunk(content=answer, additional_kwargs=extra)
        said, calls = self._tools.push(answer, last=last)
        chunks: Any = [AIMessageChunk(content="", tool_call_chunks=[call]) for call in calls]
        return sum(chunks, AIMessageChunk(content=said, additional_kwargs=extra))  # adding joins the parts of a call


class ReasoningSplitter:
    """Divides a stream of text into what a model thinks and what it answers.

    Reasoning models put their thoughts between tags before the answer; some chat templates open the tag themselves,
    at the end of the prompt. A tag that the answer quotes later is text.
    """

    TAGS = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"))

    def __init__(self, prompt: str = "") -> None:
        self._held = ""
        self._close = next((close for tag, close in self.TAGS if prompt.rstrip().endswith(tag)), "")
        self._state = "opened" if self._close else "start"

    def push(self, text: str, *, last: bool = False) -> tuple[str, str]:
        """Take text; give the reasoning and the answer that are now certain."""
        text, self._held = self._held + text, ""
        if self._state == "start":
            text = self._open(text, last=last)
        if self._state == "opened" and (text := text.lstrip("\n")):
            self._state = "thought"
        if self._state == "thought":
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
            self._held = text
            return ""
        self._state = "answer"
        return text

    def _within(self, text: str, *, last: bool) -> tuple[str, str]:
        thought, found, answer = text.partition(self._close)
        if found:
            self._state = "gap"
            return thought, self.push(answer)[1]
        keep = 0 if last else overlap_length(text, self._close)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], ""


class ToolReader:
    """Divides a stream of text into what is said and what is called."""

    def __init__(self, style: ToolFormat) -> None:
        self._style = style
        self._text = ""
        self._state = "text"
        self._depth, self._quoted, self._escaped = 0, False, False
        self.count = 0

    def push(self, text: str, *, last: bool = False) -> tuple[str, list[Any]]:
        """Take text; give what is said, and the parts of calls as LangChain's tool call chunks have them."""
        self._text += text
        said, chunks = "", []
        while True:
            before = (self._state, len(self._text))
            if self._state == "text":
                said += self._read_text(last=last)
            elif self._state == "name":
                chunks += self._read_name()
            elif self._state == "arguments":
                chunks += self._read_arguments()
            elif self._state == "gap":
                self._text = self._text.lstrip()
                self._state = "text" if self._text else "gap"
            elif len(self._text) >= len(self._style.closing):
                self._text, self._state = self._text[len(self._style.closing) :], "gap"
            if (self._state, len(self._text)) == before:
                return said, chunks

    def _read_text(self, *, last: bool) -> str:
        said, found, rest = self._text.partition(self._style.opening)
        if found:
            self._text, self._state = rest, "name"
            return said
        keep = 0 if last else overlap_length(said, self._style.opening)
        self._text = said[len(said) - keep :]
        return said[: len(said) - keep]

    def _read_name(self) -> list[dict[str, Any]]:
        name, found, rest = self._text.partition(self._style.middle)
        if not found:
            return []
        self._text, self._state, self.count = rest, "arguments", self.count + 1
        return [{"name": name, "args": "", "id": uuid4().hex[:_ID], "index": self.count - 1}]

    def _read_arguments(self) -> list[dict[str, Any]]:
        """Read on to the bracket that closes the arguments."""
        end = len(self._text)
        for place, sign in enumerate(self._text, 1):
            if self._quoted:
                self._quoted = self._escaped or sign != '"'
                self._escaped = sign == "\\" and not self._escaped
            elif sign == '"':
                self._quoted = True
            else:
                self._depth += (sign in "{[") - (sign in "}]")
                if not self._depth and sign in "}]":
                    self._state, end = "closing", place
                    break
        part, self._text = self._text[:end], self._text[end:]
        return [{"name": None, "args": part, "id": None, "index": self.count - 1}] if part else []

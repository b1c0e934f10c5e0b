"""`/v1/decisions`, as OpenAI has it, and `/v1/systemone`, as transformers, vLLM and Ollama have it.

Both ask typed questions and get probabilities; `HuggingFaceDecisions` answers them. Options may have any number of
tokens, there may be any number of them, and their order does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from langchain_core.decisions import Choice, Noul, Question, Score
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from llmkit.models.langchain.decision_state import state_text
from llmkit.server.bodies import ApiRequest
from llmkit.server.errors import Refusal
from llmkit.server.service import Service, accept


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Instructions = str | list[dict[str, Any]]


class Predicate(_Strict):
    """Is a statement about the input true?"""

    type: Literal["predicate"]
    name: str | None = None
    instructions: Instructions

    def question(self) -> Question:
        """Return the question as LangChain has it."""
        return Noul(instructions=_text(self.instructions))

    def answer(self, found: Any) -> dict[str, Any]:
        """Return the answer as OpenAI has it."""
        return {"type": self.type, "name": self.name, "probability": found.noul}


class Option(_Strict):
    """One option of a choice."""

    value: str | bool
    description: str | None = None

    @property
    def words(self) -> str:
        """The value as text."""
        return self.value if isinstance(self.value, str) else str(self.value).lower()


class OptionChoice(_Strict):
    """Which option fits the input?"""

    type: Literal["choice"]
    name: str | None = None
    instructions: Instructions
    choices: list[Option] = Field(min_length=2)

    def question(self) -> Question:
        """Return the question as LangChain has it; raise `Refusal` for two options with one value."""
        criteria: dict[str, Any] = {option.words: option.description for option in self.choices}
        if len(criteria) < len(self.choices):
            raise Refusal(400, f"question {self.name!r:.60} has two choices with one value", param="questions")
        return Choice(instructions=_text(self.instructions), criteria=criteria)

    def answer(self, found: Any) -> dict[str, Any]:
        """Return the answer as OpenAI has it."""
        values = {option.words: option.value for option in self.choices}
        listed = [{"value": values[name], "probability": value} for name, value in found.probabilities.items()]
        chosen = {"choice": values[found.choice], "confidence": found.confidence, "probabilities": listed}
        return {"type": self.type, "name": self.name, **chosen}


class Level(_Strict):
    """One level of a score."""

    label: str
    description: str | None = None

    @property
    def words(self) -> str:
        """The label, with its description."""
        return self.label if self.description is None else f"{self.label}: {self.description}"


class LevelScore(_Strict):
    """At which of some ordered levels is the input?"""

    type: Literal["score"]
    name: str | None = None
    instructions: Instructions
    levels: list[Level] = Field(min_length=2)

    def question(self) -> Question:
        """Return the question as LangChain has it."""
        return Score(instructions=_text(self.instructions), criteria=[level.words for level in self.levels])

    def answer(self, found: Any) -> dict[str, Any]:
        """Return the answer as OpenAI has it."""
        listed = [
            {"value": value, "label": self.levels[value].label, "probability": probability}
            for value, probability in found.probabilities.items()
        ]
        scored = {"score": found.score, "confidence": found.confidence, "probabilities": listed}
        return {"type": self.type, "name": self.name, **scored}


class DecisionRequest(ApiRequest):
    """The body of `/v1/decisions`."""

    input: str | list[dict[str, Any]]
    questions: list[Annotated[Predicate | OptionChoice | LevelScore, Field(discriminator="type")]] = Field(min_length=1)
    prompt_cache_options: dict[str, Any] | None = None

    def state(self) -> Any:
        """Return what the questions are about: a text, or messages and calls as structured data."""
        if isinstance(self.input, str):
            return self.input
        return [{name: _plain(value) for name, value in item.items() if name != "type"} for item in self.input]


class SystemOneRequest(ApiRequest):
    """The body of `/v1/systemone`; `HuggingFaceDecisions` checks its questions."""

    state: str | dict[str, Any] | list[Any]
    questions: dict[str, dict[str, Any]] = Field(min_length=1)


async def decide(request: Request) -> JSONResponse:
    """Answer `POST /v1/decisions`."""
    service, body = await accept(request, DecisionRequest)
    questions = {str(index): question.question() for index, question in enumerate(body.questions)}

    def compute() -> dict[str, Any]:
        state = body.state()
        found = service.decisions.invoke({"state": state, "questions": questions}).answers
        answers = [question.answer(found[str(index)]) for index, question in enumerate(body.questions)]
        read = _count(service, state, questions)
        details: dict[str, Any] = {
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        usage = {"input_tokens": read, "output_tokens": 0, "total_tokens": read, **details}
        return {"model": service.name, "answers": answers, "usage": usage}

    return JSONResponse(await service.workers.result(request, compute))


async def ask_system_one(request: Request) -> JSONResponse:
    """Answer `POST /v1/systemone`."""
    service, body = await accept(request, SystemOneRequest)

    def compute() -> dict[str, Any]:
        given: Any = {"state": body.state, "questions": body.questions}
        answers = service.decisions.invoke(given).model_dump(mode="json")["answers"]
        read = _count(service, body.state, body.questions)
        return {"model": service.name, "answers": answers, "usage": {"input_tokens": read, "output_tokens": 0}}

    return JSONResponse(await service.workers.result(request, compute))


def _count(service: Service, state: Any, questions: Mapping[str, Any]) -> int:
    """Count the tokens of the state and of all instructions, as they were given."""
    instructions = [
        question["instructions"] if isinstance(question, Mapping) else question.instructions
        for question in questions.values()
    ]
    return sum(len(service.llm.get_token_ids(state_text(text))) for text in (state, *instructions))


def _text(instructions: Instructions) -> str:
    plain = _plain(instructions)
    if not isinstance(plain, str):
        raise Refusal(400, "instructions must be text, or a list of input_text parts", param="questions")
    return plain


def _plain(value: Any) -> Any:
    """Return a list of parts that are all text as one text; other values, such as images, are refused later."""
    if isinstance(value, list) and value and all(_is_text(part) for part in value):
        return "\n".join(part["text"] for part in value)
    return value


def _is_text(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and part.get("type") in ("input_text", "output_text", "text")
        and isinstance(part.get("text"), str)
    )

"""LangChain's decision models on a local model: probabilities of yes and no, of options, and of levels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from langchain_core.decisions import (
    BaseDecisionModel,
    Box,
    Choice,
    ChoiceAnswer,
    ClassifierRequest,
    ClassifierResponse,
    Noul,
    NoulAnswer,
    NoulCriteria,
    Question,
    Score,
    ScoreAnswer,
    State,
)
from langchain_core.language_models import BaseLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, TypeAdapter, ValidationError

from llmkit.errors import ContextWindowExceeded, InputError, kind_of
from llmkit.locks import CopyableLock
from llmkit.models.encoders.label_heads import log_softmax
from llmkit.models.encoders.long_texts import pooled_log_probabilities
from llmkit.models.generation.settings import explain
from llmkit.models.langchain.decision_state import state_text
from llmkit.text.content_free import NEUTRAL_TEXTS

Row = NDArray[np.float64]
Matrix = NDArray[np.float64]

_START = "The answer is"
_MARGIN = 8
"""Tokens that stay free beside what was counted: texts that are joined may have other tokens than alone."""
_KEPT_PRIORS = 256
_QUESTION: TypeAdapter[Any] = TypeAdapter(Question)


@dataclass(frozen=True)
class _Asked:
    """A question as text, and the name and the words of each of its options."""

    question: str
    names: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def descriptions(self) -> dict[str, str]:
        return dict(zip(self.names, self.words, strict=True))


class HuggingFaceDecisions(BaseDecisionModel):
    """A decision model of LangChain over a model of this process: typed questions in, probabilities out.

    Nothing is generated: the options of a question are scored, by their log-likelihoods as its answer or by the head
    of an encoder, less what the model prefers after texts that say nothing (contextual calibration, Zhao et al. 2021).
    Options may have any number of tokens, and their order does not matter: they are not listed in the prompt. A state
    that is longer than the window is read in passages, whose probabilities are averaged.

    - `Noul`: the probability of yes. Its criteria are part of the question.
    - `Choice`: the probability of each option, by its description or else its name. `confidence` is that of the choice.
    - `Score`: the probability of each level, by its description; `score` is its expected value, and `confidence` the
      probability of the likeliest level.
    - `Box`, and images or other media in a state or a question, are errors.

    Example:
        >>> decisions = HuggingFaceDecisions(HuggingFaceChat())
        >>> topic = Choice(instructions="What is this text about?", criteria={"sports": None, "politics": None})
        >>> request = {"state": "The match ended 3 to 2.", "questions": {"topic": topic}}
        >>> decisions.invoke(request).choices["topic"].choice
        'sports'

    Args:
        llm: a model with `score`, such as `HuggingFaceChat`, or a `HuggingFaceEncoder` with `label_scores`; default:
            the default model.

    Raises:
        InputError: a question or the state is wrong, or the model cannot answer such a question; says which.
    """

    llm: Any = Field(default=None, exclude=True, repr=False)

    _priors: dict[tuple[_Asked, int], Row] = PrivateAttr(default_factory=dict)
    _lock: CopyableLock = PrivateAttr(default_factory=CopyableLock)

    def __init__(self, llm: Any = None, **fields: Any) -> None:
        if llm is None or isinstance(llm, str):
            from llmkit.models.chat import HuggingFaceChat

            llm = HuggingFaceChat(llm or fields.pop("model", None))
        capabilities = getattr(llm, "capabilities", None)
        if capabilities and "label_scores" not in capabilities:
            raise llm.cannot("label_scores, which decisions need")
        if not capabilities and not hasattr(llm, "score"):
            raise InputError(f"llm is {kind_of(llm)}, but must be a model with score, such as HuggingFaceChat()")
        fields = {"llm": llm, "model": str(getattr(llm, "model_name", type(llm).__name__)), **fields}
        super().__init__(**fields)

    @property
    def _provider(self) -> str:
        return "llmkit"

    def invoke(
        self, input: ClassifierRequest, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ClassifierResponse:
        """Answer the questions of a request; see `BaseDecisionModel.invoke`."""
        return super().invoke(_validate_request(input), config, **kwargs)

    async def ainvoke(
        self, input: ClassifierRequest, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ClassifierResponse:
        """Answer the questions of a request; see `BaseDecisionModel.ainvoke`."""
        return await super().ainvoke(_validate_request(input), config, **kwargs)

    def _classify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        text = state_text(state)
        if not questions:
            raise InputError("there are no questions: give at least one")
        if hasattr(self.llm, "require_scores"):  # a served model, whose server may tell none
            self.llm.require_scores()
        typed = {name: _parse(name, question) for name, question in questions.items()}
        asked = {name: _as_asked(name, question) for name, question in typed.items()}  # all errors come before any work
        scorer = _EncoderScorer(self.llm) if hasattr(self.llm, "label_scores") else _LikelihoodScorer(self.llm)
        windows = {name: scorer.window(question) for name, question in asked.items()}
        answers = {}
        for name, question in asked.items():
            prior = self._prior(scorer, question, windows[name])

            def score(parts: Sequence[str], question: _Asked = question, prior: Row = prior) -> Matrix:
                return log_softmax(scorer.scores(parts, question) - prior)

            [row] = pooled_log_probabilities(score, [text], self.llm, windows[name])
            answers[name] = _answer(typed[name], asked[name].names, np.exp(log_softmax(row)))
        return ClassifierResponse(model=self.model, answers=answers)

    def _prior(self, scorer: _Scorer, asked: _Asked, window: int) -> Row:
        """Return what the model prefers after texts that say nothing and fit; it is measured once for a question."""
        if not scorer.prefers_options:
            return np.zeros(len(asked.words))
        key = (asked, getattr(self.llm, "weights_version", 0))
        with self._lock:
            if key not in self._priors:
                if len(self._priors) >= _KEPT_PRIORS:
                    self._priors.clear()
                texts = [text for text in NEUTRAL_TEXTS if self.llm.get_num_tokens(text) <= window]
                self._priors[key] = scorer.scores(texts or NEUTRAL_TEXTS[:1], asked).mean(axis=0)
            return self._priors[key]


class _Scorer(Protocol):
    """Scores the options of a question for states."""

    @property
    def prefers_options(self) -> bool: ...

    def window(self, asked: _Asked) -> int: ...

    def scores(self, states: Sequence[str], asked: _Asked) -> Matrix: ...


@dataclass(frozen=True)
class _LikelihoodScorer:
    """By the log-likelihoods of the options as the answer of a language model."""

    llm: Any

    prefers_options = True

    def window(self, asked: _Asked) -> int:
        """Return the most tokens of a state that fit beside the question and its longest option."""
        prompt = self._prompt("", asked)
        count = self.llm.get_num_tokens if isinstance(prompt, str) else self.llm.get_num_tokens_from_messages
        longest = max(self.llm.get_num_tokens(f" {words}") for words in asked.words)
        fixed = int(count(prompt)) + int(longest) + _MARGIN
        available = int(self.llm.context_window)
        if fixed >= available:
            advice = "shorten them, or choose a model with a larger window"
            raise ContextWindowExceeded(fixed, available, "the question and its longest option", advice)
        return available - fixed

    def scores(self, states: Sequence[str], asked: _Asked) -> Matrix:
        """Return the log-likelihood of each option for each state: [states, options]."""
        prompts = [self._prompt(state, asked) for state in states]
        return np.asarray(self.llm.score(prompts, [f" {words}" for words in asked.words]))

    def _prompt(self, state: str, asked: _Asked) -> Any:
        given = f"{state}\n\n{asked.question}"
        if isinstance(self.llm, BaseLLM):
            return f"{given}\n\n{_START}"
        return [HumanMessage(given), AIMessage(_START)]


@dataclass(frozen=True)
class _EncoderScorer:
    """By the head of an encoder, which reads the question after the state if it reads an option together with it."""

    llm: Any

    @property
    def prefers_options(self) -> bool:
        return bool(self.llm.prefers_labels)

    @property
    def _reads_question(self) -> bool:
        return self.llm.label_method in ("entailment", "relevance", "masked words")

    def window(self, asked: _Asked) -> int:
        """Return the most tokens of a state that fit beside the question and its longest option."""
        question = int(self.llm.get_num_tokens(f"\n{asked.question}")) + _MARGIN if self._reads_question else 0
        available = int(self.llm.text_window(asked.names, asked.descriptions))
        if question >= available:
            advice = "shorten them, or choose a model with a larger window"
            raise ContextWindowExceeded(question, available, "the question and its longest option", advice)
        return available - question

    def scores(self, states: Sequence[str], asked: _Asked) -> Matrix:
        """Return the log-probability of each option for each state: [states, options]."""
        texts = [f"{state}\n{asked.question}" if self._reads_question else state for state in states]
        return np.asarray(self.llm.label_scores(texts, asked.names, asked.descriptions))


def _validate_request(request: Any) -> Any:
    """Return a request that has a state and questions by name, or raise `InputError`."""
    form = "give {'state': …, 'questions': {name: question}}"
    if not isinstance(request, Mapping):
        raise InputError(f"the request is {kind_of(request)}, but must be a dictionary: {form}")
    if missing := [key for key in ("state", "questions") if key not in request]:
        raise InputError(f"the request has no {missing[0]!r}: {form}")
    if not isinstance(request["questions"], Mapping):
        raise InputError(f"questions is {kind_of(request['questions'])}, but must be a dictionary: {form}")
    return request


def _parse(name: str, question: Any) -> Noul | Choice | Score:
    """Return a question, which may be given as a dictionary, or raise `InputError` for one that cannot be answered."""
    try:
        parsed: Any = _QUESTION.validate_python(question)
    except ValidationError as error:
        raise InputError(f"question {name!r}: {explain(error)}") from error
    if isinstance(parsed, Box):
        raise InputError(
            f"question {name!r} asks for a box in an image, but the model reads text only: ask a Noul, Choice or Score"
        )
    return parsed  # type: ignore[no-any-return]


def _as_asked(name: str, question: Noul | Choice | Score) -> _Asked:
    text = state_text(question.instructions, f"question {name!r}")
    if isinstance(question, Noul):
        criteria = question.criteria or NoulCriteria()
        given = (("Yes", criteria.true), ("No", criteria.false))
        lines = [f"{word}: {_words(name, value)}" for word, value in given if value is not None]
        return _Asked("\n".join([text, *lines]), ("Yes", "No"), ("Yes", "No"))
    if isinstance(question, Choice):
        described = {option: _words(name, value) if value else option for option, value in question.criteria.items()}
    else:
        described = {str(level): _words(name, value) for level, value in enumerate(question.criteria)}
    if len(set(described.values())) < len(described):
        raise InputError(f"question {name!r} has two options with the same words: the model could not tell them apart")
    return _Asked(text, tuple(described), tuple(described.values()))


def _words(name: str, value: Any) -> str:
    return state_text(value if isinstance(value, str | dict | list) else json.dumps(value), f"a criterion of {name!r}")


def _answer(question: Noul | Choice | Score, names: Sequence[str], probabilities: Row) -> Any:
    values = [float(value) for value in np.clip(probabilities, 0.0, 1.0)]
    best = int(np.argmax(values))
    if isinstance(question, Noul):
        return NoulAnswer(type="noul", noul=values[0])
    if isinstance(question, Choice):
        by_name = dict(zip(names, values, strict=True))
        return ChoiceAnswer(type="choice", choice=names[best], probabilities=by_name, confidence=values[best])
    levels = dict(enumerate(values))
    expected = float(sum(level * value for level, value in levels.items()))
    legend = dict(enumerate(question.criteria))
    return ScoreAnswer(type="score", score=expected, legend=legend, probabilities=levels, confidence=values[best])

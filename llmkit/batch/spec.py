"""What a batch computes, as plain data: a chain, its arguments, and the model that it runs on."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import import_module
from typing import Any

from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL

CHAINS = {
    "classify": "ZeroShotClassificationChain",
    "entities": "NERChain",
    "summarize": "SummarizationChain",
    "ask": "QAChain",
}
"""The chain of each command, in `llmkit.chains`."""
SAVED = ("classify", "entities", "ask")
"""The chains that can be saved and loaded."""
PROMPTS = ("prompt", "abstractive_prompt", "structured_prompt", "combine_prompt")
"""Arguments of chains that are the name of a prompt text that ships with llmkit, or a prompt text."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChainSpec:
    """A chain as plain data, from which each worker builds it: every field can be written as JSON.

    Example:
        >>> spec = ChainSpec("classify", {"labels": ["good", "bad"]}, dtype="float32")
        >>> ChainSpec.from_json(spec.to_json()) == spec
        True

    Args:
        chain: "classify", "entities", "summarize" or "ask"; or `package.module:function`, a function that returns any
            LangChain `Runnable` over texts. It is called with the arguments, and with `llm` if there is a model.
        arguments: those of the chain's constructor. A prompt is a name or a prompt text (`TaskPrompt.to_markdown()`),
            an embedder is a name of the catalog.
        model: a name or a path; `None` for a function that needs none.
        base_url: the server that runs the model, which is then the server's name for it; its key is the environment
            variable `LLMKIT_API_KEY`.
        tokenizer: the name or the folder of a served model, if its name is neither.
        device, dtype, quantization, context_window: how the model is loaded, as for `HuggingFaceChat`.
        settings: generation settings.
        calibration: the arguments of the chain's method `calibrate`: `rows` and others.
        saved: the folder of a chain that was saved, which is loaded instead of a new one.
        question: for "ask", the question about each text, if `question_column` has none.
        text_column, question_column: the columns of a row that are read.

    Raises:
        InputError: the chain is unknown, or a field cannot be written as JSON.
    """

    chain: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = DEFAULT_MODEL
    device: str = "auto"
    dtype: str = "auto"
    quantization: str | None = None
    context_window: int | None = None
    base_url: str | None = None
    tokenizer: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    saved: str | None = None
    question: str | None = None
    text_column: str = "text"
    question_column: str | None = None

    def __post_init__(self) -> None:
        if self.chain not in CHAINS and ":" not in self.chain:
            listed = ", ".join(CHAINS)
            raise InputError(f"chain is {self.chain!r}, but must be one of {listed}, or package.module:function")
        if self.saved is not None and self.chain not in SAVED:
            raise InputError(f"{self.chain} cannot be loaded from a folder, only {', '.join(SAVED)}: leave saved out")
        if self.model is None and self.chain in CHAINS:
            raise InputError(f"{self.chain} needs a model")
        if self.chain == "ask" and (self.question is None) == (self.question_column is None):
            raise InputError("ask needs either a question or the column with the question of each row")
        for each in fields(self):
            try:
                plain = json.loads(json.dumps(getattr(self, each.name), allow_nan=False))
            except (TypeError, ValueError, RecursionError) as error:
                raise InputError(f"{each.name} of a ChainSpec must be plain data, as JSON has it: {error}") from error
            object.__setattr__(self, each.name, plain)  # a copy that no one else can change

    def __hash__(self) -> int:
        return hash(self.to_json())

    def to_json(self) -> str:
        """Return the specification as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ChainSpec:
        """Return the specification that `to_json` wrote."""
        return cls(**json.loads(text))

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [name for name in (self.text_column, self.question_column) if name is not None]

    def build(self, llm: Any = None) -> Any:
        """Return the chain, with the model loaded unless it is given; it is not calibrated yet."""
        if self.model is not None and llm is None:
            llm = load_model(self)
        if ":" in self.chain:
            module, _, name = self.chain.partition(":")
            given = {} if llm is None else {"llm": llm}
            return getattr(import_module(module), name)(**given, **self.arguments)
        from llmkit import chains

        arguments = {name: _prompt(value) if name in PROMPTS else value for name, value in self.arguments.items()}
        if self.saved is not None:
            return getattr(chains, CHAINS[self.chain]).load(self.saved, llm=llm, **arguments)
        return getattr(chains, CHAINS[self.chain])(llm=llm, **arguments)

    def load(self) -> Any:
        """Return the chain with its model, calibrated if there are rows for that."""
        chain = self.build()
        if self.calibration.get("rows"):
            options = {name: value for name, value in self.calibration.items() if name != "rows" and value is not None}
            report = chain.calibrate(self.calibration["rows"], **options)
            if report.guarantee is not None and not report.guarantee.holds:
                logger.warning("%s", report.guarantee.statement)
        return chain

    def chain_input(self, text: Any, question: Any = None) -> Any:
        """Return the input of the chain for the cells of a row."""
        if self.chain != "ask":
            return text
        return {"question": self.question if self.question_column is None else question, "context": text}


def load_model(spec: ChainSpec) -> Any:
    """Load the model of a specification: an encoder if it has a head and generates no text."""
    from llmkit.models.weights.catalog import CATALOG, resolve
    from llmkit.models.weights.model_folder import has_head

    name = str(spec.model)
    if spec.base_url is not None:
        return _served_model(spec, spec.base_url)
    where: dict[str, Any] = {"device": spec.device, "dtype": spec.dtype, "quantization": spec.quantization}
    is_encoder = CATALOG[name].kind == "embedding" if name in CATALOG else has_head(resolve(name))
    if is_encoder:
        from llmkit.models.encoder import HuggingFaceEncoder

        return HuggingFaceEncoder(name, context_window=spec.context_window, **where)
    from llmkit.models.chat import HuggingFaceChat
    from llmkit.models.generation.settings import GenerationSettings

    settings = GenerationSettings(**spec.settings)
    return HuggingFaceChat(name, settings=settings, context_window=spec.context_window or 0, **where)


def _served_model(spec: ChainSpec, base_url: str) -> Any:
    from llmkit.models.generation.settings import GenerationSettings
    from llmkit.models.served_settings import served_chat

    settings = GenerationSettings(**spec.settings)
    return served_chat(base_url, str(spec.model), settings, spec.tokenizer, spec.context_window)


def _prompt(value: Any) -> Any:
    """Return the prompt of a prompt text, and a name as it is."""
    if not isinstance(value, str) or "\n" not in value:
        return value
    from llmkit.prompts import TaskPrompt
    from llmkit.prompts.library import parse

    return TaskPrompt(**parse(value))

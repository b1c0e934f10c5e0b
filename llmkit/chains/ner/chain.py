"""Named entities that stand in the text: every span is weighed, and nothing is written."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from llmkit.chains.base import Chain
from llmkit.chains.inputs import Text, TextInput, parse_text, validate_positive, validate_prompt, validate_share
from llmkit.chains.labels import Labels
from llmkit.chains.ner.calibration import Odds, taught
from llmkit.chains.ner.candidates import Truecaser
from llmkit.chains.ner.entity_typing import Kinds
from llmkit.chains.ner.examples import Solved
from llmkit.chains.ner.results import Entity
from llmkit.chains.ner.span_scorer import Weighed, Weigher
from llmkit.chains.ner.structured import name_entities
from llmkit.chains.scoring import scoring_model
from llmkit.chains.structured import StructuredTask
from llmkit.prompts import TaskPrompt

DEFAULT_LABELS = ("person", "organization", "location")


class NERChain(Chain[Text, str, list[Entity]]):
    """Text in, entities out, each at its place: `text[entity.start:entity.end] == entity.text`.

    Every span of the text is weighed against the labels, so that nothing can be made up; where spans overlap, the
    likelier one is taken. A long text is read in passages that overlap, and no entity is cut by a border.

    Example:
        >>> chain = NERChain(HuggingFaceChat())
        >>> [(each.text, each.label) for each in chain.invoke("Ada Lovelace was born in London.")]
        [('Ada Lovelace', 'person'), ('London', 'location')]

    A text's result does not depend on the texts beside it, but for rounding: in bfloat16 a probability may differ by
    some hundredths from one batch to another.

    Args:
        llm: any LangChain chat model. One that has `score` (llmkit's own) weighs spans; another is asked for names,
            which are then looked up in the text.
        labels: the kinds of entities to find.
        descriptions: what a label means, as phrases divided by commas: {"site": "a building, an airport, a bridge"}.
        examples: solved texts, `{"input": text, "output": [{"text": …, "label": …}, …]}`, none of whose entities is
            left out. They teach how much must speak for each label.
        names: whether entities are proper names, which capitals and rare words speak for. For dates, foods and other
            things that are none, say `False`.
        threshold: the least probability of an entity.
        max_words: the longest entity.
        max_passage_tokens: longer texts are read in passages of about so many tokens.
        prompt: the name of a prompt text or a prompt.
        context_window: in tokens; needed for a model that does not tell its own, which it can only make smaller.

    Raises:
        InputError: a label, a description or an example is wrong, says which; or a text is empty.
        ContextWindowExceeded: the window does not even hold a short passage.
    """

    tool_name = "find_entities"
    tool_description = "Find what a text names, such as people, organizations and places, with exact offsets."
    tool_input = TextInput

    def __init__(
        self,
        llm: Any,
        labels: Iterable[str] = DEFAULT_LABELS,
        *,
        descriptions: Mapping[str, str] | None = None,
        examples: Sequence[Mapping[str, Any]] = (),
        names: bool = True,
        threshold: float = 0.5,
        max_words: int = 6,
        max_passage_tokens: int = 96,
        prompt: str | TaskPrompt | None = None,
        context_window: int | None = None,
    ) -> None:
        self._labels = Labels.validate(labels, descriptions, multi_label=True)
        self._solved = [Solved.checked(each, number, self.labels) for number, each in enumerate(examples, 1)]
        self.threshold = validate_share(threshold, "threshold")
        sizes = validate_positive(max_words, "max_words"), validate_positive(max_passage_tokens, "max_passage_tokens")
        self._lock = threading.RLock()
        self._weigher: Weigher | None = None
        self._namer: StructuredTask[str, list[Entity]] | None = None
        if local := scoring_model(llm):
            kinds = Kinds.over(local, validate_prompt(prompt or "mentions"), self._labels, context_window)
            truecaser = Truecaser(local, kinds.fit("N/A")) if names else None
            self._weigher = Weigher(kinds, truecaser, *sizes)
        else:
            asking = validate_prompt(prompt or "entities", ["labels"])
            self._namer = name_entities(llm, asking, self._labels, examples)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, as they were given."""
        return self._labels.names

    def prepare(self, input: Text) -> str:
        """Check that the text is not empty."""
        return parse_text(input)

    def run(self, prepared: Sequence[str], configs: Sequence[RunnableConfig]) -> list[list[Entity] | Exception]:
        """Find the entities of all texts: their mentions go through the model together."""
        if self._namer:
            return self._namer.run(prepared, configs)
        assert self._weigher is not None
        return self._weighed(self._weigher, prepared)

    def _weighed(self, weigher: Weigher, texts: Sequence[str]) -> list[list[Entity] | Exception]:
        with self._lock:
            odds = self._odds
            weighed = weigher.weigh(texts)
        return [
            each if isinstance(each, Exception) else odds.resolved(each, self.labels, self.threshold)
            for each in weighed
        ]

    @cached_property
    def _odds(self) -> Odds:
        """How scores become probabilities: learned, once, from the examples."""
        if not self._solved or self._weigher is None:
            return Odds()
        weighed = self._weigher.weigh([each.text for each in self._solved])
        for each in weighed:
            if isinstance(each, Exception):
                raise each
        return taught(list(zip(self._solved, cast(list[Weighed], weighed), strict=True)))

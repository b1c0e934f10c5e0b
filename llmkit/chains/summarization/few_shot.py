"""Examples of summaries: shown in the prompt where that helps, else only their length is taken.

A small model with examples in its prompt writes in their style, but mixes their content into its summaries. So it is
measured on the examples before any of them is shown: each half is summarized with and without the other half in the
prompt, and compared with its own summaries by ROUGE-1 (Lin 2004). What the tuning says of the model holds unless the
difference is more than its standard error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmkit.chains.calibration import ExamplesReport
from llmkit.chains.lockstep import BatchCaller, ModelCall
from llmkit.chains.postprocess import OutputForm, clean_completion, is_complete
from llmkit.chains.summarization.tuning import SummarizationTuning, repetition_settings
from llmkit.errors import LlmkitError
from llmkit.locks import CopyableLock
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.selectors import ExampleSelector
from llmkit.prompts.validation import Example
from llmkit.text.segmentation import sentences
from llmkit.text.word_forms import recognize_language, stems
from llmkit.text.words import count_words, terms

MAX_MEASURED = 16
"""At most so many examples are summarized to measure whether examples help."""
MIN_MEASURED = 4
"""With fewer examples nothing can be measured."""
QUANTILE = 0.9
"""Of the lengths of the examples' outputs: a summary may be so long."""


@dataclass(frozen=True)
class FewShot:
    """A prompt without examples and with them.

    Attributes:
        few_shot: `None` if there are no examples.
        show: whether the examples go into the prompt; `None` measures it.
        max_new_tokens: the most tokens of a summary.
    """

    llm: Any
    zero_shot: TaskPrompt
    few_shot: TaskPrompt | None
    show: bool | None
    tuning: SummarizationTuning
    max_new_tokens: int
    context_window: int | None = None
    _lock: CopyableLock = field(default_factory=CopyableLock)

    @property
    def prompt(self) -> TaskPrompt:
        """The prompt for summaries; whether it has the examples is measured at its first use."""
        return self.few_shot if self.few_shot is not None and self._shown else self.zero_shot

    @property
    def examples(self) -> Sequence[Example]:
        """The examples; none where a selector of LangChain has them."""
        return self.few_shot.examples if self.few_shot else ()

    @cached_property
    def form(self) -> OutputForm | None:
        """How long a summary may be, by the examples; `None` without any."""
        outputs = [example["output"] for example in self.examples]
        if not outputs:
            return None
        longest, most = (
            np.quantile([size(output) for output in outputs], QUANTILE, method="higher")
            for size in (count_words, lambda output: len(sentences(output)))
        )
        return OutputForm(max_words=float(longest), max_sentences=int(most))

    def report(self) -> ExamplesReport | None:
        """Return what was done with the examples, which may have to be measured first; `None` if there are none."""
        if not self.examples:
            return None
        shown, measured = self._shown, self._is_measured and len(self._scores[0]) > 0
        without, with_examples = (float(scores.mean()) for scores in self._scores) if measured else (None, None)
        use, measure = ("prompt" if shown else "length"), ("ROUGE-1" if measured else None)
        return ExamplesReport(len(self.examples), use, measure, without, with_examples)  # type: ignore[arg-type]

    @property
    def _shown(self) -> bool:
        """Whether the examples go into the prompt."""
        if not self.examples:
            return True  # a selector has them
        if self.show is not None:
            return self.show
        if not self._is_measured or not len(self._scores[0]):
            return self.tuning.shows_examples
        gain = self._scores[1] - self._scores[0]
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
        return bool(gain.mean() > (-error if self.tuning.shows_examples else error))

    @property
    def _is_measured(self) -> bool:
        return self.show is None and len(self.examples) >= MIN_MEASURED

    @property
    def _scores(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        with self._lock:
            return self._measured_scores

    @cached_property
    def _measured_scores(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ROUGE-1 of each example's summary, without the other half of them in the prompt and with it."""
        sample = list(self.examples[:MAX_MEASURED])
        middle = len(sample) // 2
        pairs: list[tuple[Example, FittedPrompt, FittedPrompt]] = []
        for scored, shown in ((sample[:middle], sample[middle:]), (sample[middle:], sample[:middle])):
            inputs = [example["input"] for example in scored]
            plain, with_others = self._fit(self.zero_shot, inputs), self._fit(self._with(shown), inputs)
            for example, *fitted in zip(scored, plain, with_others, strict=True):
                if all(isinstance(prompt, FittedPrompt) for prompt in fitted):
                    pairs.append((example, *fitted))  # type: ignore[arg-type]
        texts = self._generate([prompt for _, *prompts in pairs for prompt in prompts])
        outputs = [example["output"] for example, *_ in pairs]
        return (
            np.array([rouge_1(*pair) for pair in zip(texts[::2], outputs, strict=True)]),
            np.array([rouge_1(*pair) for pair in zip(texts[1::2], outputs, strict=True)]),
        )

    def _with(self, examples: Sequence[Example]) -> TaskPrompt:
        selector = self.few_shot.selector if self.few_shot else None
        known = selector.with_examples(()) if isinstance(selector, ExampleSelector) else None
        return self.zero_shot.with_examples(examples, known)

    def _fit(self, prompt: TaskPrompt, inputs: Sequence[str]) -> list[FittedPrompt | LlmkitError]:
        return prompt.fit_all(
            inputs, model=self.llm, max_new_tokens=self.max_new_tokens, context_window=self.context_window
        )

    def _generate(self, prompts: Sequence[FittedPrompt]) -> list[str]:
        settings = repetition_settings(self.llm, self.tuning)
        calls = [ModelCall(prompt, self.max_new_tokens, settings) for prompt in prompts]
        answers = BatchCaller(self.llm).batch(calls, [{} for _ in calls])
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        good = [answer for answer in answers if not isinstance(answer, Exception)]
        return [clean_completion(answer.text, is_complete(answer), form=self.form)[0] for answer in good]


def rouge_1(text: str, reference: str) -> float:
    """Return the F1 of two texts' words, stemmed and each counted as often as it occurs (ROUGE-1, Lin 2004)."""
    language = recognize_language(terms(reference))
    one, other = (Counter(stems(terms(of), language)) for of in (text, reference))
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0

"""Summaries of texts of any length."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any, get_args

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from llmkit.chains.base import Chain, apply_to_good
from llmkit.chains.calibration import ExamplesReport
from llmkit.chains.inputs import TextInput, validate_positive, validate_prompt, validate_share
from llmkit.chains.language_notice import language_notice, text_sample
from llmkit.chains.lockstep import BatchCaller, Progress, Run, run_in_lockstep
from llmkit.chains.postprocess import CompletionCleaner, clean_completion, is_complete, is_sentence
from llmkit.chains.scoring import validate_llm
from llmkit.chains.summarization.consensus import ConsensusCaller, validate_candidates
from llmkit.chains.summarization.documents import Source
from llmkit.chains.summarization.few_shot import FewShot
from llmkit.chains.summarization.results import CUT, Summary
from llmkit.chains.summarization.strategies import MIN_TOKENS, Outcome, Strategy, StrategyChoice, Summarizer
from llmkit.chains.summarization.summary_prompts import combine_prompt as combine_prompt_of
from llmkit.chains.summarization.summary_prompts import prompts_with_length
from llmkit.chains.summarization.support import SupportCheck
from llmkit.chains.summarization.tuning import SummarizationTuning, repetition_settings, tuning_for
from llmkit.chains.tuning import is_fitted_on
from llmkit.errors import InputError
from llmkit.models.langchain.threads import in_threads
from llmkit.prompts import FittedPrompt, TaskPrompt
from llmkit.prompts.context_budget import unbind
from llmkit.text.words import count_words

MAX_NEW_TOKENS = 96


class SummarizationChain(Chain[Source, Run[Outcome], Summary]):
    """Summarizes a text, a `Document`, or a list of Documents, which have one summary together.

    `stream` and `transform` yield chunks of the summary as it is generated: Summaries with some of the text each, and
    with the other attributes in the last one. Their sum is what `invoke` returns.

    Example:
        >>> SummarizationChain(HuggingFaceChat(temperature=0), max_words=60).invoke(report).text

    Args:
        llm: any chat model of LangChain that counts its tokens.
        prompt: asks for a summary: the name of a prompt text or a prompt. For conversations, "summarize-dialogue".
        examples: `{"input": …, "output": …}`; of their outputs the length is taken.
        selector: ranks the examples.
        strategy: "stuff" reads the whole text in one prompt; "map_reduce" summarizes parts and combines their
            summaries; "auto" takes "stuff" for a text that fits and is at most two passages long.
        max_words: the most words of the summary, which the prompt's field `max_words` or a sentence after its
            instruction says. In scripts without spaces, such as Chinese or Thai, a character is half a word.
        max_new_tokens: the most tokens of the summary; 96, or enough for `max_words`.
        combine_prompt: asks for one summary of many; "combine-summaries" if left out. With a tuning that selects
            sentences, the model combines summaries only if this is given.
        max_passage_tokens: the longest passage; if left out, the tuning's.
        show_examples: whether the examples go into the prompt. `None` measures once, on at least four examples, whether
            that helps; with fewer, the tuning decides. See `examples_report`.
        check_support: whether the support of each sentence by the source is measured (`Summary.sentences`).
        min_support: sentences with less support are left out (`Summary.left_out`), unless none has as much; 0 leaves
            nothing out; if left out itself, the tuning's.
        candidates: how many answers to each prompt are compared, to take the one that agrees most with the others; 1,
            or at least 3. Most are samples, so that a model has to have `n`. They are not streamed.
        context_window: in tokens; needed for a model that does not report its window, which it can only make smaller.
        progress: is called, in any thread, after every model call.
        tuning: the numbers that depend on the model; if left out, those of this model, or neutral ones.

    Raises:
        InputError: the text is empty, or an argument is wrong.
        ContextWindowExceeded: the window does not hold the instruction, some text and the tokens of its summary; or,
            with the strategy "stuff", the whole text.
        ReductionError: the model's summaries of parts are too long to be combined.
        GenerationError: the model generates nothing for any part.
    """

    tool_name = "summarize_text"
    tool_description = "Summarize a text of any length."
    tool_input = TextInput

    def __init__(
        self,
        llm: BaseChatModel,
        prompt: str | TaskPrompt = "summarize-text",
        examples: Sequence[Mapping[str, str]] = (),
        selector: BaseExampleSelector | None = None,
        strategy: StrategyChoice = "auto",
        *,
        max_words: int | None = None,
        max_new_tokens: int | None = None,
        combine_prompt: str | TaskPrompt | None = None,
        max_passage_tokens: int | None = None,
        show_examples: bool | None = None,
        check_support: bool = True,
        min_support: float | None = None,
        candidates: int = 1,
        context_window: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        tuning: SummarizationTuning | None = None,
    ) -> None:
        if strategy not in get_args(StrategyChoice):
            raise InputError(f"strategy is {strategy!r}, but must be one of {', '.join(get_args(StrategyChoice))}")
        self.llm, self.strategy, self.progress = validate_llm(llm), strategy, progress
        self.tuning = tuning_for(llm, tuning)
        self.max_words = None if max_words is None else validate_positive(max_words, "max_words")
        tokens = MAX_NEW_TOKENS if max_words is None else 16 + max_words * 3 // 2
        self.max_new_tokens = tokens if max_new_tokens is None else validate_positive(max_new_tokens, "max_new_tokens")
        if max_passage_tokens is not None and validate_positive(max_passage_tokens, "max_passage_tokens") < MIN_TOKENS:
            raise InputError(f"max_passage_tokens is {max_passage_tokens}, but a passage needs at least {MIN_TOKENS}")
        zero_shot = validate_prompt(prompt, "summarize", ["max_words"])
        few_shot = zero_shot.with_examples(examples, selector) if examples or selector else None
        self._few_shot = FewShot(
            llm, zero_shot, few_shot, show_examples, self.tuning, self.max_new_tokens, context_window
        )
        self._combine = combine_prompt_of(combine_prompt, zero_shot, selects_sentences=self.tuning.selects_sentences)
        self._min_support = None if min_support is None else validate_share(min_support, "min_support")
        self.candidates = validate_candidates(candidates)
        self._checks_support, self._context_window = check_support, context_window
        self._max_passage_tokens = max_passage_tokens or self.tuning.max_passage_tokens

    @property
    def prompt(self) -> TaskPrompt:
        """The prompt for summaries; whether it has the examples is measured at its first use."""
        return self._few_shot.prompt

    def examples_report(self) -> ExamplesReport | None:
        """Return what was done with the examples, which may have to be measured first; `None` if there are none."""
        return self._few_shot.report()

    @cached_property
    def _summarizer(self) -> Summarizer:
        prompt, tokens = self.prompt, self.max_new_tokens
        return Summarizer(
            self.llm,
            prompts_with_length(prompt, self._combine, None, tokens),
            prompts_with_length(prompt, self._combine, self.max_words, tokens),
            tokens,
            max_words=self.max_words,
            max_passage_tokens=self._max_passage_tokens,
            context_window=self._context_window,
            relevance=self.tuning.relevance,
            settings=repetition_settings(self.llm, self.tuning),
        )

    @cached_property
    def _support_check(self) -> SupportCheck:
        least = self.tuning.min_support if self._min_support is None else self._min_support
        return SupportCheck(self.llm, self._summarizer.prompts.part, self.tuning, least, self._context_window)

    def plan(self, source: Source) -> list[FittedPrompt]:
        """Return the prompts of the first step: one for the whole source, or one for each part."""
        run = self.prepare(source)
        calls = run.pending if run.is_active else [run.unwrap().call]
        return [call.prompt for call in calls if call]

    def prepare(self, input: Source) -> Run[Outcome]:
        """Divide the source into passages, and fit the first prompts."""
        run: Run[Outcome] = Run(self._summarizer.steps(self.strategy, input))
        if run.error:
            raise run.error
        return run

    def run(self, prepared: Sequence[Run[Outcome]], configs: Sequence[RunnableConfig]) -> list[Summary | Exception]:
        """Summarize all sources, in true batches."""
        caller = self._caller()
        run_in_lockstep(prepared, configs, caller, self._remaining_calls)
        pairs = zip(prepared, configs, strict=True)
        final = [(run.result.call, config) for run, config in pairs if run.result and run.result.call]
        answers = iter(caller.batch([call for call, _ in final], [config for _, config in final]))
        results: list[Summary | Exception] = []
        for run in prepared:
            answer = next(answers) if run.result and run.result.call else None
            results.append(run.error or (answer if isinstance(answer, Exception) else self._finish(run, answer)))
        good = [run for run, result in zip(prepared, results, strict=True) if not isinstance(result, Exception)]
        return apply_to_good(lambda summaries: self._checked(summaries, good), results)

    def _caller(self) -> BatchCaller:
        if self.candidates == 1:
            return BatchCaller(self.llm, self.progress)
        return ConsensusCaller(self.llm, self.candidates, self.progress)

    def _checked(self, summaries: Sequence[Summary], runs: Sequence[Run[Outcome]]) -> list[Summary]:
        """Return the summaries with the support of their sentences, if it is to be checked."""
        if not self._checks_support:
            return list(summaries)
        return self._support_check.apply(summaries, [run.unwrap() for run in runs])

    def stream(self, input: Source, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Summary]:
        """Yield chunks of the summary as it is generated; their sum is what `invoke` returns."""
        yield from self._transform_stream_with_config(iter([input]), self._chunks, config, **kwargs)

    async def astream(
        self, input: Source, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Summary]:
        """Yield chunks of the summary as it is generated."""
        async for chunk in in_threads(self.stream(input, config, **kwargs), threading.Event()):
            yield chunk

    def _chunks(self, inputs: Iterator[Source], run_manager: Any, config: RunnableConfig) -> Iterator[Summary]:
        source = next(inputs)
        self._log_unknown_language([source])
        caller, run = self._caller(), self.prepare(source)
        run_in_lockstep([run], [config], caller, self._remaining_calls)
        outcome = run.unwrap()
        may_be_given_back = outcome.call and count_words(outcome.text) <= outcome.call.max_tokens
        if outcome.call is None or may_be_given_back or self.candidates > 1:
            [answer] = caller.batch([outcome.call], [config]) if outcome.call else [None]
            if isinstance(answer, Exception):
                raise answer
            yield from self._checked([self._finish(run, answer)], [run])
            return
        cleaner, complete, whole = CompletionCleaner(self.max_words, self._few_shot.form), True, ""
        with closing(caller.stream(outcome.call, config)) as chunks:
            for chunk in chunks:
                complete = complete and is_complete(chunk)
                if text := cleaner.push(chunk.text):
                    whole += text
                    yield Summary(text=text, strategy=outcome.strategy, passages=(), model_calls=0, complete=False)
        text = cleaner.finish(complete)
        summary = self._summary(run, whole + text, complete=complete and not cleaner.truncated)
        [checked] = self._checked([summary], [run])
        yield checked.model_copy(update={"text": text})

    def _finish(self, run: Run[Outcome], answer: AIMessage | None) -> Summary:
        """Return the summary from the answer to the final call, or from the outcome's text."""
        outcome = run.unwrap()
        if outcome.strategy == "source":
            return self._summary(run, outcome.text)
        text, complete = (outcome.text, outcome.complete) if answer is None else (answer.text, is_complete(answer))
        form = None if answer is None else self._few_shot.form
        text, truncated = clean_completion(text, complete, self.max_words, form)
        if answer is not None and count_words(text) >= count_words(outcome.text) > 0:
            return self._summary(run, outcome.text, strategy="source")
        return self._summary(run, text, complete=complete and not truncated)

    def _summary(
        self, run: Run[Outcome], text: str, *, complete: bool = True, strategy: Strategy | None = None
    ) -> Summary:
        outcome = run.unwrap()
        language = language_notice(self.llm, text_sample(outcome.passages[0].text))
        is_cut = not complete and not is_sentence(text)
        return Summary(
            text=text,
            strategy=strategy or outcome.strategy,
            passages=outcome.passages,
            model_calls=(run.call_count + bool(outcome.call)) * self._caller().calls_per_answer,
            complete=complete,
            calibrated=is_fitted_on(self.tuning, unbind(self.llm)[0]),
            notices=tuple(notice for notice in (language, CUT if is_cut else None) if notice),
        )

    def _remaining_calls(self, run: Run[Outcome]) -> int:
        """Return the model calls that a run needs after its steps, as far as is known."""
        return not self._summarizer.selects_sentences if run.is_active else bool(run.result and run.result.call)

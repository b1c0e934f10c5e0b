"""The prompts of summaries: the limit of words, and how a prompt that combines summaries follows the other one."""

from __future__ import annotations

from llmkit.chains.inputs import validate_prompt
from llmkit.chains.summarization.strategies import Prompts
from llmkit.prompts import TaskPrompt
from llmkit.prompts.rendering import fill


def combine_prompt(given: str | TaskPrompt | None, prompt: TaskPrompt, *, selects_sentences: bool) -> TaskPrompt | None:
    """Return the prompt that combines summaries, by default one that follows `prompt`; `None` to select sentences."""
    if given is None and selects_sentences:
        return None
    given = _with_output_start_of(prompt, TaskPrompt.load("combine-summaries")) if given is None else given
    return validate_prompt(given, "summarize", ["max_words"])


def prompts_with_length(
    prompt: TaskPrompt, combine: TaskPrompt | None, max_words: int | None, max_new_tokens: int
) -> Prompts:
    """Return the prompts that tell the model how long a summary may be."""
    return Prompts(
        _with_length(prompt, max_words, max_new_tokens), combine and _with_length(combine, max_words, max_new_tokens)
    )


def _with_output_start_of(other: TaskPrompt, prompt: TaskPrompt) -> TaskPrompt:
    """Return the prompt with the label and the beginning of the output of another one."""
    label, start = (
        fill(text, other.partial_variables) for text in (other.parts.output_label, other.parts.output_start)
    )
    return prompt.with_parts(output_label=label, output_start=start)


def _with_length(prompt: TaskPrompt, max_words: int | None, max_new_tokens: int) -> TaskPrompt:
    """Return the prompt that tells the model how long a summary may be."""
    if "max_words" in prompt.input_variables:
        return prompt.partial(max_words=max_words or max_new_tokens // 2)
    if max_words is None:
        return prompt
    return prompt.with_parts(instruction=f"{prompt.parts.instruction} Use at most {max_words} words.".strip())

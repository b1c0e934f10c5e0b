"""Token ids in, answers out: generation by decoder-only and encoder-decoder models, alone and in batches.

`transformers` prepares what a model needs (masks, positions, caches, logits processors, the encoder's pass); the loop
that chooses the tokens is a Python generator of ours (see `loop`). Closing it stops the computation, and an error in
it reaches the caller at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from llmkit.errors import ContextWindowExceeded, GenerationError, InputError, SettingsError
from llmkit.models.constraints.grammar import Grammars
from llmkit.models.generation.decode_loop import Cancelled, Loop
from llmkit.models.generation.sampling import Penalties, check_mode, prepare_config, reads_prompt
from llmkit.models.generation.sequence import Answer, Request
from llmkit.models.generation.settings import DEFAULT_MAX_NEW_TOKENS
from llmkit.models.kv_cache.prefix_cache import PrefixCache, common_length
from llmkit.models.scoring.scorer import Scores, only_logits, score, score_rows, tree_scores
from llmkit.models.scoring.token_tree import Forest, Tokens
from llmkit.models.tokens.chat_template import Encoder

if TYPE_CHECKING:
    from transformers import GenerationConfig, LogitsProcessorList

    from llmkit.models.weights.loading import LoadedModel

BATCH_TOKENS = 8192
"""A batch holds at most so many tokens: prompts with their padding, and the answers' limits."""

_SHARE = 16  # a beginning that the prompts of a batch have in common is worth keeping from so many tokens on
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Engine:
    """What a loaded model does with token ids."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.encoder = Encoder(loaded.tokenizer, is_encoder_decoder=loaded.is_encoder_decoder)
        self.prefixes = PrefixCache(loaded.model)

    @cached_property
    def grammars(self) -> Grammars:
        """What makes constraints for this tokenizer; built when the first is needed."""
        size = self.loaded.model.config.get_text_config().vocab_size
        return Grammars(self.loaded.tokenizer, size, self.loaded.ends)

    @cached_property
    def takes_trees(self) -> bool:
        """Whether the model takes an attention mask of four dimensions and explicit positions; tried once, for real."""
        if self.loaded.lean:
            return True
        if not self.prefixes.usable or "position_ids" not in inspect.signature(self.loaded.model.forward).parameters:
            return False
        prompt, branches = [3, 5, 7, 4, 6], [[8, 9, 3], [8, 5, 4], [6, 3]]
        forest = Forest()
        for branch in branches:
            forest.add(prompt[2:], branch)
        try:
            tree = tree_scores(self, prompt[:2], forest)
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return False
        plain = score_rows(self, prompt, branches)
        model = self.loaded.model
        exact = model.dtype == torch.float32 and not getattr(model, "is_quantized", False)
        return bool(np.allclose(tree, plain, atol=1e-4 if exact else 0.5))

    def score(self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Scores]:
        """Give each prompt's continuations' log-likelihoods, in nats (see `scoring`)."""
        return score(self, prompts, continuations)

    def check(self, request: Request) -> None:
        """Check that a request can be answered, before any computation.

        Raises:
            InputError: the prompt has no token.
            ContextWindowExceeded: prompt and answer do not fit the window together.
            SettingsError: the answer's form needs more tokens, or the model's own settings ask for what is not here.
        """
        if not request.prompt:
            raise InputError("the prompt is empty, and this model has no token for the beginning of a text")
        limit = self.limit(request)
        check_mode(self.loaded.model, request.settings)
        if request.constraint:
            request.constraint.start(limit)

    def limit(self, request: Request) -> int:
        """Give the most tokens that the answer may have.

        Raises:
            ContextWindowExceeded: prompt and answer do not fit the window together.
        """
        asked = request.settings.max_new_tokens
        own = self.loaded.model.generation_config
        usual = asked or own.max_new_tokens or DEFAULT_MAX_NEW_TOKENS
        prompt, window = len(request.prompt), self.loaded.window
        if self.loaded.is_encoder_decoder:
            if prompt > window:
                raise ContextWindowExceeded(prompt, window, "the prompt's tokens")
            room = self.loaded.answer_window - len(self.loaded.beginning)
            if asked and asked > room:
                raise ContextWindowExceeded(asked, room, "the room for the answer, max_new_tokens,")
            return min(asked or own.max_new_tokens or own.max_length or usual, room)
        if prompt + (asked or 1) > window:
            raise ContextWindowExceeded(prompt + (asked or 1), window)
        return min(usual, window - prompt)

    def stream(self, request: Request) -> Generator[tuple[Answer, str], None, None]:
        """Yield the answer with its new text, token by token; closing the iterator stops the computation.

        Raises:
            SettingsError: the request asks for beams, whose answer is known only at its end.
        """
        if (request.settings.num_beams or 1) > 1:
            raise SettingsError(f"num_beams is {request.settings.num_beams}, but beams cannot be streamed: use invoke")
        if request.settings.n > 1:
            raise SettingsError(f"n is {request.settings.n}, but a stream has one answer: use invoke or generate")
        [answer] = self.answers(request)
        if self._config([answer]).num_beams > 1:  # the model's own default
            self._search([answer])
            yield answer, "".join(answer.parts)
            return
        with closing(self._decode([answer])) as steps:
            for step in steps:
                yield from step

    def generate(self, requests: Sequence[Request]) -> list[list[Answer]]:
        """Answer all requests, as one batch.

        All have the same settings, and all have a constraint or none has. Each gets `settings.n` answers.

        Raises:
            GenerationError: memory cannot hold the batch.
        """
        groups = [self.answers(request) for request in requests]
        flat = [answer for group in groups for answer in group]
        try:
            self._run(flat)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and not any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
                raise
            self.prefixes.clear()  # what was kept may be what is missing at the next attempt
            size = max(len(request.prompt) for request in requests)
            raise GenerationError(f"{len(flat)} answers to prompts of up to {size} tokens need more memory") from error
        return groups

    def _run(self, answers: list[Answer]) -> None:
        if self._config(answers).num_beams > 1:
            self._search(answers)
            return
        for _ in self._decode(answers):
            pass

    def batches(self, requests: Sequence[Request]) -> Iterator[list[int]]:
        """Yield the indices of requests that make good batches: of one kind, alike in length, bounded in tokens."""
        kinds: dict[Any, list[int]] = {}
        for index, request in enumerate(requests):
            kinds.setdefault((request.settings, request.constraint is None), []).append(index)
        for indices in kinds.values():
            batch: list[int] = []
            for index in sorted(indices, key=lambda index: -len(requests[index].prompt)):
                first = requests[batch[0]] if batch else requests[index]
                size = (len(first.prompt) + self.limit(first)) * first.settings.n
                if batch and (len(batch) + 1) * size > BATCH_TOKENS:
                    yield batch
                    batch = []
                batch.append(index)
            yield batch

    def answers(self, request: Request) -> list[Answer]:
        """Give the empty answers to a request, `settings.n` of them."""
        limit = self.limit(request)
        return [Answer.begin(request, self.loaded.tokenizer, limit, index) for index in range(request.settings.n)]

    def _config(self, answers: Sequence[Answer]) -> GenerationConfig:
        settings = answers[0].request.settings
        return prepare_config(self.loaded.model, settings, max(answer.limit for answer in answers))

    def _processors(self, answers: Sequence[Answer]) -> LogitsProcessorList:
        from transformers import LogitsProcessorList

        settings = answers[0].request.settings
        processors = LogitsProcessorList()
        if settings.presence_penalty or settings.frequency_penalty:
            processors.append(Penalties(settings.presence_penalty, settings.frequency_penalty))
        return processors

    def _decode(self, answers: list[Answer]) -> Generator[list[tuple[Answer, str]], None, None]:
        """Run the loop; yield at each step the answers that grew, with their new text."""
        config = self._config(answers)
        config.num_return_sequences = 1  # each answer has a row of its own
        inputs = self._inputs([answer.request.prompt for answer in answers], config)
        if self.loaded.is_encoder_decoder and any(answer.matcher for answer in answers):
            begun = [self.loaded.beginning] * len(answers)  # no constraint allows what is forced at the beginning
            inputs["decoder_input_ids"] = torch.tensor(begun, device=self.loaded.device)
        loop = Loop(self.loaded, answers)
        steps = self.loaded.model.generate(
            **inputs,
            generation_config=config,
            logits_processor=self._processors(answers),
            custom_generate=loop.run,
        )
        try:
            yield from steps
        finally:
            steps.close()
            if len(answers) == 1 and loop.cache is not None:
                self.prefixes.keep([*answers[0].request.prompt, *answers[0].ids], loop.cache)

    def _inputs(self, prompts: list[tuple[int, ...]], config: GenerationConfig) -> dict[str, Any]:
        """Lay prompts out as [rows, tokens]: what they share and is known, padding, what is their own.

        Padding must stand before everything where beams multiply the rows, or a penalty reads the prompt.
        """
        apart = config.num_beams > 1 or (len(prompts) > 1 and reads_prompt(self.loaded.model, config))
        known, cache = (0, None) if apart else self._shared(prompts)
        width = max(map(len, prompts))
        device, pad = self.loaded.device, config.pad_token_id or self.loaded.model.generation_config.pad_token_id or 0
        ids, mask = [], []
        for prompt in prompts:
            gap = width - len(prompt)
            own = [*([pad] * gap), *prompt[known:]]
            seen = [*([0] * gap), *([1] * (len(prompt) - known))]
            if self.loaded.is_encoder_decoder:  # encoders are padded at the end
                own, seen = [*prompt, *([pad] * gap)], [*([1] * len(prompt)), *([0] * gap)]
            ids.append([*prompt[:known], *own])
            mask.append([*([1] * known), *seen])
        inputs = {
            "inputs": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }
        if cache is not None:
            cache.batch_repeat_interleave(len(prompts))
            inputs["cache"] = cache
        return inputs

    def _shared(self, prompts: Sequence[Sequence[int]]) -> tuple[int, Any]:
        """Find keys and values for what all prompts begin with; for a batch, compute what is not known yet."""
        common = common_length(prompts)
        if common < _SHARE or not self.prefixes.usable:
            return 0, None
        if len(prompts) > 1:
            return common, self.prefill(prompts[0][:common])
        return self.prefixes.find(prompts[0][:common])

    def prefill(self, tokens: Sequence[int]) -> Any:
        """Give a cache of these tokens' keys and values, which the caller may extend.

        What is not known is computed, and kept for whoever begins with these tokens next.
        """
        known, cache = self.prefixes.find(tokens)
        if known < len(tokens):
            with self.loaded.lock, torch.inference_mode():
                rest = torch.tensor([list(tokens[known:])], device=self.loaded.device)
                last = only_logits(self.loaded.model, 1)
                out = self.loaded.forward(rest, cache=cache, use_cache=True, **last)
            cache = out.cache
            self.prefixes.keep(tokens, cache)
        return cache

    def _search(self, answers: list[Answer]) -> None:
        """Beam search, which `transformers` does whole."""
        config = self._config(answers)
        one_each = answers[:: answers[0].request.settings.n]
        if any(answer.request.constraint for answer in answers):
            raise SettingsError(f"num_beams is {config.num_beams}, but tools and forms of answers need num_beams=1")
        inputs = self._inputs([answer.request.prompt for answer in one_each], config)
        scored = any(answer.request.logprobs is not None for answer in answers)
        config.update(return_dict_in_generate=True, output_logits=scored)
        with self.loaded.lock:
            found = self.loaded.model.generate(
                **inputs,
                generation_config=config,
                logits_processor=self._processors(answers),
                stopping_criteria=[Cancelled(one_each)],
            )
        begin = 1 if self.loaded.is_encoder_decoder else inputs["inputs"].shape[1]
        for number, (answer, row) in enumerate(zip(answers, found.sequences[:, begin:].tolist(), strict=True)):
            logits = None
            if scored:  # a beam's tokens were chosen in different rows
                steps = zip(found.logits, found.beam_indices[number].tolist(), strict=False)
                logits = [step[beam] for step, beam in steps]
            answer.fill(row, self.loaded.ends, logits)

"""Generation with one loaded model: token ids in, completions out, alone and in batches.

transformers prepares what a model needs (masks, positions, caches, logits processors, the encoder's output); the loop
that chooses the tokens is a generator of ours (see `decode_loop`). Closing it stops the computation, and an error in it
reaches the caller at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

import torch
from transformers import GenerationConfig

from llmkit.errors import ContextWindowExceeded, GenerationError, InputError, SettingsError
from llmkit.models.attention.planning import without_planned_attention
from llmkit.models.batch_sizes import BatchSizes, memory_of
from llmkit.models.constraints.grammar import ConstraintFactory
from llmkit.models.generation.batch_inputs import BatchInputs
from llmkit.models.generation.batches import split_batches
from llmkit.models.generation.completion import Completion, GenerationRequest
from llmkit.models.generation.decode_loop import Cancelled, DecodeLoop
from llmkit.models.generation.engine_digest import EngineDigest
from llmkit.models.generation.model_defaults import check_entries, default_max_new_tokens, validate_values
from llmkit.models.generation.row_decoder import RowDecoder
from llmkit.models.generation.sampling import prepare_config, token_penalties, validate_mode
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.generation.shared_steps import SharedSteps
from llmkit.models.generation.tokenizer_parts import TokenizerParts, tokenizer_state
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.library_errors import computing_errors, is_out_of_memory
from llmkit.models.loaded_model import LoadedModel
from llmkit.models.scoring.scorer import Scorer
from llmkit.models.tokens.chat_template import PromptEncoder
from llmkit.models.tokens.languages import Languages

_ADVICE = (
    "shorten the prompt (prompt.fitted_to(llm) | llm leaves out the examples that do not fit), "
    "lower max_new_tokens, or choose a model with a larger window"
)


class Engine:
    """A loaded model with its caches; model objects may share it.

    Args:
        loaded: the model.
        uses_rows: whether completions are decoded in the rows of a fixed cache, if the model can; by default on CUDA.
    """

    def __init__(self, loaded: LoadedModel, *, uses_rows: bool | None = None) -> None:
        self.loaded = loaded
        self._parts = TokenizerParts(loaded)
        self.prefix_cache = PrefixCache(loaded, answer_start=lambda: self.tokenizer_parts.answer_start)
        self.scorer = Scorer(loaded, self.prefix_cache)
        self._inputs = BatchInputs(loaded, self.prefix_cache)
        fast = loaded.fast_forward if loaded.device.type == "cpu" else None
        self._shared_steps = SharedSteps(fast, loaded.lock) if fast else None
        memory = memory_of(loaded.device)
        self._batch_sizes = BatchSizes(loaded, memory)
        uses_rows = loaded.device.type == "cuda" if uses_rows is None else uses_rows
        self._row_decoder = RowDecoder(loaded, self.prefix_cache, memory, self._settings_config) if uses_rows else None
        self._digest = EngineDigest(loaded)
        self._checked: set[tuple[GenerationSettings, str]] = set()

    @property
    def cache_nbytes(self) -> int:
        """The memory of keys and values that are kept between calls, in bytes."""
        return self.prefix_cache.nbytes + (self._row_decoder.nbytes if self._row_decoder else 0)

    def digest(self) -> str:
        """Return a digest of all that a completion depends on, but for the request; see `EngineDigest`."""
        return self._digest.compute()

    @property
    def tokenizer_parts(self) -> TokenizerParts:
        """What is built from the tokenizer, built again if it was changed."""
        if self._parts.state != tokenizer_state(self.loaded):
            self._parts = TokenizerParts(self.loaded)
        return self._parts

    @property
    def encoder(self) -> PromptEncoder:
        """Turns messages and text into tokens."""
        return self.tokenizer_parts.encoder

    @property
    def languages(self) -> Languages:
        """The language tokens of a translation model."""
        return self.tokenizer_parts.languages

    @property
    def constraints(self) -> ConstraintFactory:
        """Compiles constraints for this model's tokenizer."""
        return self.tokenizer_parts.constraints

    def validate(self, request: GenerationRequest) -> None:
        """Check that a request can be completed, before any computation.

        Raises:
            InputError: the prompt has no token.
            ContextWindowExceeded: prompt and completion do not fit the context window together.
            SettingsError: `max_new_tokens` is too low for the constraint, or the decoding mode is not supported.
        """
        if not request.prompt:
            raise InputError(
                "the prompt is empty, but needs at least one token: this model has none that begins a text"
            )
        validate_values(self.loaded.model)
        limit = self.max_new_tokens(request)
        self._check_settings(request.settings, limit)
        if request.constraint:
            request.constraint.start(limit)

    def _check_settings(self, settings: GenerationSettings, limit: int) -> None:
        """Check settings with the model's own generation config; what was found right is remembered."""
        model = self.loaded.model
        self.decoder_start(settings)
        key = (settings, str(vars(model.generation_config)))
        if key not in self._checked:
            validate_mode(model, settings)
            config = prepare_config(model, settings, limit)
            config.eos_token_id = sorted(self.loaded.eos_token_ids) or None
            check_entries(model, config)
            self._checked.add(key)

    def max_new_tokens(self, request: GenerationRequest) -> int:
        """Return the most tokens that the completion may have, or raise `ContextWindowExceeded`."""
        requested = request.settings.max_new_tokens
        prompt, window = len(request.prompt), self.loaded.window
        if self.loaded.is_encoder_decoder:
            if prompt > window:
                raise ContextWindowExceeded(prompt, window, "the prompt", "shorten the input")
            available = self.loaded.completion_window - len(self.decoder_start(request.settings))
            if requested and requested > available:
                raise ContextWindowExceeded(requested, available, "the tokens of the completion, max_new_tokens,")
            return min(requested or default_max_new_tokens(self.loaded.model, 1), available)
        if prompt + (requested or 1) > window:
            raise ContextWindowExceeded(prompt + (requested or 1), window, advice=_ADVICE)
        return min(requested or default_max_new_tokens(self.loaded.model, prompt), window - prompt)

    def with_languages(self, tokens: Sequence[int], settings: GenerationSettings) -> list[int]:
        """Return a prompt with the tokens of its languages, or raise `SettingsError`."""
        self.decoder_start(settings)
        return self.languages.put_into_prompt(tokens, settings.source_language, settings.target_language)

    def decoder_start(self, settings: GenerationSettings) -> list[int]:
        """Return the tokens that a decoder is given before its completion, or raise `SettingsError`."""
        for name in ("source_language", "target_language", "forced_bos_token_id"):
            value = getattr(settings, name)
            if value is not None and not self.loaded.is_encoder_decoder:
                raise SettingsError(f"{name} is {value!r}, but this model is no encoder-decoder model: leave it out")
        if self.loaded.is_encoder_decoder:
            validate_values(self.loaded.model)
        start = self.loaded.decoder_start_ids if self.loaded.is_encoder_decoder else []
        if settings.forced_bos_token_id is not None:
            if settings.forced_bos_token_id >= (size := self.loaded.model.config.get_text_config().vocab_size):
                raise SettingsError(
                    f"forced_bos_token_id is {settings.forced_bos_token_id}, but this model has {size} tokens"
                )
            return [start[0], settings.forced_bos_token_id]
        if settings.target_language is None or self.languages.are_before_source:
            return start
        target = self.languages.id_of("target_language", settings.target_language)
        return [target] if start[0] in self.languages.ids.values() else [start[0], target]

    def stream(self, request: GenerationRequest) -> Generator[tuple[Completion, str], None, None]:
        """Yield completions with their new text, token by token; closing the iterator stops the computation."""
        self.loaded.check_weights()
        if (request.settings.num_beams or 1) > 1:
            raise SettingsError(f"num_beams is {request.settings.num_beams}, but beams cannot be streamed: use invoke")
        completions = self._new_completions(request)
        if self._config(completions).num_beams > 1:  # by the model's generation config
            yield from ((completion, completion.text) for completion in self._beam_search(completions))
            return
        with computing_errors(self.loaded), closing(self._decode(completions)) as steps:
            for step in steps:
                yield from step

    def generate(
        self, requests: Sequence[GenerationRequest], on_finished: Callable[[int, list[Completion]], None] | None = None
    ) -> list[list[Completion]]:
        """Return `settings.n` completions of each request, as one batch, or raise `GenerationError` without memory.

        Args:
            requests: with settings that `split_batches` puts together.
            on_finished: called with the index of a request and its completions as soon as these are finished.
        """
        self.loaded.check_weights()
        groups = [self._new_completions(request) for request in requests]
        completions = [completion for group in groups for completion in group]
        indices = {completion: index for index, group in enumerate(groups) for completion in group}
        unfinished = [set(group) for group in groups]
        sizes = [len(one.request.prompt) + one.max_new_tokens for one in completions]
        tokens = 0 if self._uses_rows(requests) else len(sizes) * max(sizes)  # rows are not all there at once
        with computing_errors(self.loaded), self._batch_sizes.measure(tokens):
            for finished in self._compute(completions):
                unfinished[index := indices[finished]].discard(finished)
                if on_finished and not unfinished[index]:
                    on_finished(index, groups[index])
        return groups

    def _compute(self, completions: list[Completion]) -> Iterator[Completion]:
        """Yield completions as they are finished."""
        try:
            if self._config(completions).num_beams > 1:
                yield from self._beam_search(completions)
                return
            for step in self._decode(completions):
                yield from (completion for completion, _ in step if completion.finish_reason)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self.prefix_cache.clear()  # its memory may suffice for the next attempt
            if self._row_decoder:
                self._row_decoder.clear()
            size = max(len(completion.request.prompt) for completion in completions)
            answers = f"{len(completions)} answers to prompts of up to {size} tokens need more memory"
            raise GenerationError(answers) from error

    def split_batches(self, requests: Sequence[GenerationRequest]) -> Iterator[list[int]]:
        """Yield the indices of requests that fit one batch: those decoded in rows, others alike in length."""
        together = [index for index, request in enumerate(requests) if self._uses_rows([request])]
        if together:
            yield together
        apart = sorted(set(range(len(requests))) - set(together))
        limits = [self.max_new_tokens(requests[index]) for index in apart]
        for batch in split_batches([requests[index] for index in apart], limits, self._batch_sizes.max_tokens):
            yield [apart[index] for index in batch]

    def _uses_rows(self, requests: Sequence[GenerationRequest]) -> bool:
        decoder = self._row_decoder
        return decoder is not None and all(map(decoder.supports, {request.settings for request in requests}))

    def _new_completions(self, request: GenerationRequest) -> list[Completion]:
        limit = self.max_new_tokens(request)
        return [Completion.from_request(request, self.loaded, limit, index) for index in range(request.settings.n)]

    def _settings_config(self, settings: GenerationSettings, max_new_tokens: int = 1) -> GenerationConfig:
        config = prepare_config(self.loaded.model, settings, max_new_tokens)
        config.eos_token_id = sorted(self.loaded.eos_token_ids) or None
        return config

    def _config(self, completions: Sequence[Completion]) -> GenerationConfig:
        settings = completions[0].request.settings
        config = self._settings_config(settings, max(completion.max_new_tokens for completion in completions))
        if settings.target_language is not None:
            config.decoder_start_token_id, *forced = self.decoder_start(settings)
            config.forced_bos_token_id = forced[0] if forced else None
        return config

    def _decode(self, completions: list[Completion]) -> Generator[list[tuple[Completion, str]], None, None]:
        """Run the decode loop; yield at each step the completions that grew, with their new text."""
        if self._row_decoder and self._uses_rows([completion.request for completion in completions]):
            yield from self._row_decoder.decode(completions)
            return
        config, settings = self._config(completions), completions[0].request.settings
        config.num_return_sequences = 1  # each completion has its own row
        inputs = self._inputs.make([completion.request.prompt for completion in completions], config)
        if self.loaded.is_encoder_decoder and any(completion.matcher for completion in completions):
            start = [self.decoder_start(settings)] * len(completions)  # the constraint does not allow a forced token
            inputs["decoder_input_ids"] = torch.tensor(start, device=self.loaded.device)
        loop, penalties = DecodeLoop(self.loaded, completions, self._shared_steps), token_penalties(settings)
        version = self.loaded.weights_version
        with without_planned_attention(self.loaded.device):  # an encoder computes now
            steps = self.loaded.model.generate(
                **inputs, generation_config=config, logits_processor=penalties, custom_generate=loop.run
            )
        with closing(steps):
            for number, step in enumerate(steps):
                if not number and len(completions) == 1:
                    self.prefix_cache.keep_last_pass(completions[0].request.prompt, loop.cache, version)
                yield step

    def _beam_search(self, completions: list[Completion]) -> list[Completion]:
        """Run the beam search of transformers as a whole; return the finished completions."""
        config = self._config(completions)
        first_of_each = completions[:: completions[0].request.settings.n]
        if any(completion.request.constraint for completion in completions):
            raise SettingsError(f"num_beams is {config.num_beams}, but tools and response_format need num_beams=1")
        inputs = self._inputs.make([completion.request.prompt for completion in first_of_each], config)
        needs_logits = any(completion.request.logprobs is not None for completion in completions)
        config.update(return_dict_in_generate=True, output_logits=needs_logits)
        with self.loaded.forward_pass():
            found = self.loaded.model.generate(
                **inputs,
                generation_config=config,
                logits_processor=token_penalties(completions[0].request.settings),
                stopping_criteria=[Cancelled(first_of_each)],
            )
        begin = 1 if self.loaded.is_encoder_decoder else inputs["inputs"].shape[1]
        for index, (completion, row) in enumerate(zip(completions, found.sequences[:, begin:].tolist(), strict=True)):
            # A beam's tokens were chosen in different rows.
            steps = zip(found.logits, found.beam_indices[index].tolist(), strict=False) if needs_logits else ()
            completion.append_all(row, self.loaded.eos_token_ids, [step[beam] for step, beam in steps])
        return completions

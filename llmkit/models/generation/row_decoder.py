"""Decoding in the rows of a fixed cache, for all callers at the same time.

Each step computes one token of every row. A row that is done is given to the next prompt that waits, whoever's it is
and with whatever settings (iteration-level scheduling of Orca, Yu et al. 2022).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from functools import cached_property

import torch
from transformers import GenerationConfig

from llmkit.models.batch_sizes import DeviceMemory
from llmkit.models.generation.completion import Completion
from llmkit.models.generation.row import Row
from llmkit.models.generation.row_choice import RowChooser
from llmkit.models.generation.row_prefill import Prefill, Prefilled, Prompt
from llmkit.models.generation.row_queue import Caller, RowQueue
from llmkit.models.generation.row_step import can_use_rows
from llmkit.models.generation.row_table import RowTable
from llmkit.models.generation.settings import GenerationSettings
from llmkit.models.kv_cache.prefix_cache import PrefixCache
from llmkit.models.loaded_model import LoadedModel

_PATIENCE = 0.25
"""How long a step waits for the callers of the step before it, as a share of the time that this one took."""

Grown = list[tuple[Completion, str]]


class RowDecoder:
    """Decodes completions of a decoder-only model; threads share it.

    Whoever wants a step while none is computed computes one, for all who want one. A caller alone waits for nobody.

    Args:
        loaded: the model.
        prefix_cache: for its prompts.
        memory: the device's, which bounds the rows.
        config_of: returns the configuration of settings.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        prefix_cache: PrefixCache,
        memory: DeviceMemory | None,
        config_of: Callable[[GenerationSettings], GenerationConfig],
    ) -> None:
        self._loaded = loaded
        self._prefill = Prefill(loaded, prefix_cache)
        self._rows = RowTable(loaded, memory)
        self._queue = RowQueue(self._rows)
        self._chooser = RowChooser(loaded.model, config_of)
        self._changed = threading.Condition()
        self._callers: list[Caller] = []
        self._is_computing = False
        self._latest_callers, self._latest_seconds = 0, 0.0

    @cached_property
    def usable(self) -> bool:
        """Whether the model can be computed in rows; tried once."""
        return can_use_rows(self._loaded)

    def supports(self, settings: GenerationSettings) -> bool:
        """Return whether completions with these settings can be decoded here."""
        return self.usable and self._chooser.shared(settings).is_supported

    @property
    def nbytes(self) -> int:
        """The memory of keys and values, in bytes."""
        return self._rows.steps.nbytes

    def clear(self) -> None:
        """Give up the memory of all steps, unless rows are being decoded."""
        with self._changed:
            if not self._is_computing and not self._callers:
                self._rows.clear()

    def decode(self, completions: Sequence[Completion]) -> Generator[Grown, None, None]:
        """Yield, step by step, the completions that grew and their new text, until all are finished."""
        caller = Caller(self._loaded.eos_token_ids)
        caller.add([self._new_row(caller, completion) for completion in completions])
        with self._changed:
            self._callers.append(caller)
        try:
            while caller.unfinished or caller.grown:
                yield self._next(caller)
        finally:
            with self._changed:
                self._callers.remove(caller)

    def _new_row(self, caller: Caller, completion: Completion) -> Row:
        shared = self._chooser.shared(completion.request.settings)
        return Row(completion, caller, shared, self._chooser.processors_of(completion))

    def _next(self, caller: Caller) -> Grown:
        with self._changed:
            caller.wants_step = True
            self._changed.notify_all()
            try:
                while not caller.grown and not caller.error:
                    if self._is_computing:
                        self._changed.wait()
                    else:
                        self._compute_step()
            finally:
                caller.wants_step = False
            if caller.error:
                raise caller.error
            grown, caller.grown = caller.grown, []
            return grown

    def _compute_step(self) -> None:
        """Compute one step for all callers who want one, also for those who come in a moment; called with the lock."""
        self._is_computing = True
        try:
            patience = self._latest_seconds * _PATIENCE
            self._changed.wait_for(lambda: len(self._wanting()) >= self._latest_callers, patience)
            callers, remaining = self._wanting(), set(self._callers)
            self._rows.keep([row for row in self._rows if row.caller in remaining])
            self._changed.release()
            started = time.perf_counter()
            try:
                with torch.inference_mode():
                    self._run(callers)
            finally:
                self._changed.acquire()
                self._latest_callers, self._latest_seconds = len(callers), time.perf_counter() - started
                for caller in callers:  # not again before it has taken what is new
                    caller.wants_step = not (caller.grown or caller.error)
        finally:
            self._is_computing = False
            self._changed.notify_all()

    def _wanting(self) -> list[Caller]:
        return [caller for caller in self._callers if caller.wants_step]

    def _run(self, callers: Collection[Caller]) -> None:
        """Begin rows for completions that wait, and choose a token for those that are ready, or behind one more."""
        self._begin(callers)
        ready = [row for row in self._rows if row.logits is not None]
        if ready:  # their first tokens are not kept waiting for a step
            self._choose(ready, torch.cat([row.logits for row in ready if row.logits is not None]), callers)
            return
        rows = [row for row in self._rows if row.caller in callers]
        if not rows:
            return
        computed, logits = self._rows.logits(rows)
        last = sorted((row for row in computed if row.is_last), key=computed.__getitem__)
        if len(last) < len(computed):
            for row in computed.keys() - last:
                row.length += 1
        if last:
            if len(last) < len(logits):
                logits = logits[torch.tensor([computed[row] for row in last], device=logits.device)]
            self._choose(last, logits, callers)

    def _choose(self, rows: Sequence[Row], logits: torch.Tensor, callers: Collection[Caller]) -> None:
        """Add a token to each row's completion; finished ones give up their rows."""
        tokens = self._chooser.choose(rows, logits)
        self._look_ahead(dict(zip(rows, tokens, strict=True)), callers)
        for index, (row, token) in enumerate(zip(rows, tokens, strict=True)):
            row.logits, completion = None, row.completion
            # Making a tensor of each row takes longer than choosing its token.
            scores = logits if completion.request.logprobs is None else logits[index]
            try:
                if isinstance(token, Exception):
                    raise token
                row.length = row.total
                row.caller.grown.append(completion.append(token, row.caller.ends, scores))
            except Exception as error:  # of this completion alone
                row.caller.error = error
            if completion.finish_reason:
                row.caller.unfinished -= 1
        self._rows.keep([row for row in self._rows if not row.completion.finish_reason])

    def _look_ahead(self, chosen: Mapping[Row, int | Exception], callers: Collection[Caller]) -> None:
        """Begin the next step of all rows that go on, unless what the logits tell is needed afterwards."""
        if any(row.completion.request.logprobs is not None for row in chosen):
            return
        others = [row for row in self._rows if row.caller in callers and row not in chosen]
        following = {row: (row.length, row.next_token) for row in others}
        for row, token in chosen.items():
            has_more = len(row.completion.token_ids) + 1 < row.completion.max_new_tokens
            if not isinstance(token, Exception) and token not in row.caller.ends and has_more:
                following[row] = row.total, token
        self._rows.look_ahead(following)

    def _begin(self, callers: Collection[Caller]) -> None:
        """Begin rows for completions that wait, as many as there are free ones."""
        new = self._queue.take(callers)
        rows: dict[Prompt, list[Row]] = {}
        for row in new:
            rows.setdefault(row.tokens, []).append(row)
        begun: set[Row] = set()
        try:
            for part in self._prefill.compute(list(rows)):
                if not begun:
                    self._rows.place(new, part)
                self._put(part, rows)
                begun.update(row for prompt in part.prompts for row in rows[prompt])
        except Exception as error:  # of those whose prompts these are
            for row in new:
                if row not in begun:
                    row.caller.error = error
        except BaseException:  # of the caller who computes, not of the others
            for row in new:
                if row not in begun:
                    row.caller.waiting.appendleft(row)
            raise

    def _put(self, part: Prefilled, rows: dict[Prompt, list[Row]]) -> None:
        """Begin the rows of these prompts."""
        begun = [(row, at) for at, prompt in enumerate(part.prompts) for row in rows[prompt]]
        for row, at in begun:
            row.length = row.total - 1
            row.logits = None if part.logits is None else part.logits[at : at + 1]
        self._rows.put([row for row, _ in begun], part, [at for _, at in begun])

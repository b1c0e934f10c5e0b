"""The completions that wait for a row, by the calls that they belong to, and which of them begin next."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from llmkit.models.generation.completion import Completion
from llmkit.models.generation.row import Row
from llmkit.models.generation.row_table import RowTable

_REFILLED_SHARE = 8
"""Prompts are computed together: while a step is full, they wait until this part of its rows is free."""


class Caller:
    """One call, with its completions that wait for a row, longest prompt first.

    Attributes:
        ends: the tokens that end a completion.
        waiting: rows without an index.
        unfinished: how many of its completions are not finished.
        wants_step: whether it waits for more text now.
        grown: the completions that grew since it last took them, with their new text.
        error: what one of its completions raised.
    """

    def __init__(self, ends: frozenset[int]) -> None:
        self.ends = ends
        self.waiting: deque[Row] = deque()
        self.unfinished = 0
        self.wants_step = False
        self.grown: list[tuple[Completion, str]] = []
        self.error: BaseException | None = None

    def add(self, rows: Sequence[Row]) -> None:
        """Let rows wait."""
        self.waiting.extend(sorted(rows, key=lambda row: -len(row.prompt)))
        self.unfinished += len(rows)


class RowQueue:
    """Gives free rows to the completions of callers, to one caller after the other.

    Args:
        table: the rows.
    """

    def __init__(self, table: RowTable) -> None:
        self._table = table
        self._most_rows = table.steps.most_rows  # of a step that holds the longest completion

    def take(self, callers: Collection[Caller]) -> list[Row]:
        """Take the rows that begin now; without an active row, those of callers who pause make way."""
        taken = self._take(callers)
        is_waiting = any(caller.waiting for caller in callers)
        if not taken and is_waiting and not any(row.caller in callers for row in self._table):
            for row in self._table:
                row.caller.waiting.appendleft(row)
            self._table.keep([])
            taken = self._take(callers)
        return taken

    def _take(self, callers: Collection[Caller]) -> list[Row]:
        queues = deque(caller for caller in callers if caller.waiting)
        count, free = sum(len(caller.waiting) for caller in queues), self._most_rows - len(self._table)
        if not count or (len(self._table) and free < max(1, min(count, self._most_rows // _REFILLED_SHARE))):
            return []
        steps, taken = self._table.steps, list[Row]()
        budget = steps.max_tokens() if steps.is_bounded else 0
        longest = max((row.most for row in self._table), default=0)
        while queues and (steps.is_bounded or not taken):  # the first prompt of all shows how much memory one takes
            caller = queues[0]
            longest = max(longest, caller.waiting[0].most)
            if steps.is_bounded:
                self._most_rows = steps.max_rows(longest, budget)
            if len(self._table) + len(taken) >= self._most_rows:
                break
            row = caller.waiting.popleft()
            queues.rotate(-1)
            if not caller.waiting:
                queues.remove(caller)
            if _is_wanted(row):
                taken.append(row)
        return taken


def _is_wanted(row: Row) -> bool:
    """Return whether a row may begin; it ends as cancelled if its caller no longer wants it."""
    completion: Completion = row.completion
    if completion.request.cancel.is_set():
        completion.cancel()
        row.caller.unfinished -= 1
        row.caller.grown.append((completion, ""))
        return False
    if not completion.token_ids:
        completion.start()
    return True

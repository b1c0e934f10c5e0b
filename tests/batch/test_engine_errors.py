"""What an engine says of a worker's error becomes one line with the worker's own reason."""

import pytest

from llmkit.batch.engine_errors import engine_error
from llmkit.errors import InputError, RunError

RAY = """ray.data.exceptions.UserCodeException: a task failed
ray::MapWorker() (pid=7)
  File "worker.py", line 3, in load
{}
To change retry attempts, configure `ray.data.DataContext.get_current()`."""


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        ("llmkit.errors.InputError: this worker computes something else", InputError, "^this worker computes"),
        ("llmkit.errors.RunError: out cannot be written: no space", RunError, "^out cannot be written"),
        ("TypeError: lengths() got 'wrong'", RunError, r"^Ray gave up \(lengths\(\) got 'wrong'\); what is written"),
        ("nothing is known", RunError, "^Ray gave up .ray.data.exceptions.UserCodeException: a task failed"),
    ],
)
def test_the_reason_is_that_of_the_worker(raised: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        raise engine_error("Ray", RAY.format(raised))

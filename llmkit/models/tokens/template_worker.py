"""The program of the process that renders chat templates: requests and replies are lines of JSON.

It is started by `template_process`, with limits of memory and processor time where the system has them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

MAX_SECONDS = 10
MAX_BYTES = 1 << 30
"""The most memory of the process; Python and transformers take a tenth of it."""

MAX_CHARACTERS = 1_000_000
"""The most characters of a prompt beyond ten times those that the template is given."""

_SHOWN_LENGTH = 500


def main() -> None:
    """Answer each line of standard input by a line on standard output, until the input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # nothing else may write between the replies
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit_memory()
    replies.write("{}\n")  # it is ready
    replies.flush()
    for line in sys.stdin.buffer:
        _limit_time()
        replies.write(f"{json.dumps(_reply(line, render_jinja_template))}\n")
        replies.flush()


def _reply(line: bytes, render: Callable[..., Any]) -> dict[str, Any]:
    """Return the rendered `texts`, the `error` of the template (with the `line` of a wrong syntax), or a `limit`."""
    try:
        texts = list(map(str, render(**json.loads(line))[0]))
        size = sum(map(len, texts))
        if size <= MAX_CHARACTERS + 10 * len(line):
            return {"texts": texts}
        return {"limit": f"writes {size:,} characters"}
    except MemoryError:
        return {"limit": f"needs more than {MAX_BYTES >> 20:,} MB of memory"}
    except Exception as error:
        return {"error": _shown(error), "line": getattr(error, "lineno", None)}


def _shown(error: Exception) -> str:
    return " ".join(str(error)[:_SHOWN_LENGTH].split()) or type(error).__name__


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))


def _limit_time() -> None:
    """Let the system end this process also when the one that started it is gone."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(usage.ru_utime + usage.ru_stime) + 2 * MAX_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()

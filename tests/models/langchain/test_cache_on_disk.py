"""A cache on disk gives an answer to a later process for the same model only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sqlite3, sys
from langchain_core.caches import BaseCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps, loads
from tests.support.models import chat


class SQLite(BaseCache):
    def __init__(self, path):
        self.rows, self.hits = sqlite3.connect(path, check_same_thread=False), 0
        self.rows.execute("create table if not exists answers (prompt, llm, answer, primary key (prompt, llm))")

    def lookup(self, prompt, llm_string):
        row = self.rows.execute("select answer from answers where prompt = ? and llm = ?", (prompt, llm_string))
        found = row.fetchone()
        self.hits += found is not None
        return loads(found[0], allowed_objects="all") if found else None

    def update(self, prompt, llm_string, return_val):
        row = (prompt, llm_string, dumps(list(return_val)))
        self.rows.execute("insert or replace into answers values (?, ?, ?)", row)
        self.rows.commit()

    def clear(self, **kwargs):
        self.rows.execute("delete from answers")


cache = SQLite(sys.argv[1])
set_llm_cache(cache)
llm = chat("llama", max_new_tokens=4)
if sys.argv[2] == "tuned":
    llm.engine.loaded.model.lm_head.weight.data.mul_(-1)
print(json.dumps([[llm.invoke("Hi", **options).content, cache.hits] for options in json.loads(sys.argv[3])]))
"""


def ask(path: Path, weights: str, *options: dict[str, int]) -> list[tuple[str, int]]:
    """Ask a new process once with each of these options; return the answers, and how many the cache had so far."""
    command = [sys.executable, "-c", SCRIPT, str(path), weights, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return [(answer, hits) for answer, hits in json.loads(done.stdout.splitlines()[-1])]


@pytest.mark.slow
def test_a_later_process_gets_the_answer_of_the_same_model_only(tmp_path: Path) -> None:
    path = tmp_path / "answers.db"
    [(answer, hits)] = ask(path, "base", {})
    assert hits == 0
    same, other_options = ask(path, "base", {}, {"max_new_tokens": 3})
    assert same == (answer, 1)
    assert other_options[1] == 1
    [(of_tuned, hits)] = ask(path, "tuned", {})
    assert hits == 0
    assert of_tuned != answer

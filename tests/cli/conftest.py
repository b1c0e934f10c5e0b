import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from llmkit import cli

Run = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def llmkit(monkeypatch, capsys) -> Run:
    """Run the command line in this process; give exit code, stdout and stderr.

    `stdin` is in its pipe, in which a lone surrogate, such as the one of the code dcff, is the byte ff.
    """

    def run(*arguments: str, stdin: str = "") -> tuple[Any, str, str]:
        pipe = io.BufferedReader(io.BytesIO(stdin.encode(errors="surrogateescape")))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe, encoding="utf-8"))
        monkeypatch.setattr(sys, "argv", ["llmkit", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


@pytest.fixture(autouse=True)
def float32_by_default(monkeypatch) -> None:
    """Let the commands of this process compute in float32, in which rounding changes no answer, on any processor."""

    def choose_dtype(device: str) -> Any:
        import torch

        return torch.float32

    monkeypatch.setattr("llmkit.models.weights.loading.choose_dtype", choose_dtype)


@pytest.fixture(scope="session")
def default_model(default_model_folder):
    """Keep the default model loaded: the commands that run in this process share its weights."""
    from llmkit import HuggingFaceChat

    return HuggingFaceChat(dtype="float32")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> list[str]:
    """Return the option for a tiny model of random weights: for output whose form does not depend on the model."""
    from tests.support import tiny

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = tiny.make("llama").tokenizer
    tiny.build("Llama", tokenizer, {**tiny.BODY, "max_position_embeddings": 8192}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ["--model", str(folder)]


Refused = Callable[..., str]


@pytest.fixture
def refused(llmkit) -> Refused:
    """Run a command line that must be refused before any work, in one line on stderr, and give that line."""

    def run(*arguments: str, stdin: str = "") -> str:
        code, out, err = llmkit(*arguments, stdin=stdin)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return str(err)

    return run


@pytest.fixture
def text_file(request, tmp_path) -> str:
    """A file that holds the `TEXT` of the test's module."""
    path = tmp_path / "text.txt"
    path.write_text(request.module.TEXT, encoding="utf-8")
    return str(path)

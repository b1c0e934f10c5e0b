"""What shells offer where Tab is pressed; files come from the shell itself, where nothing is offered."""

import os
import shutil
import subprocess
import sys

import pytest

from llmkit.models.weights.catalog import CATALOG


@pytest.fixture
def offered(llmkit, monkeypatch):
    """What is offered at the end of a line, in this process, as it is for bash."""

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_LLMKIT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        code, out, err = llmkit()
        assert (code, err) == (0, "")
        return str(out).split()

    return ask


def test_commands_options_and_choices(offered):
    assert offered("llmkit su") == ["summarize"]
    assert {"chat", "models", "config"} <= set(offered("llmkit "))
    assert offered("llmkit models p") == ["pull"]
    assert offered("llmkit summarize --str") == ["--strategy"]
    assert offered("llmkit summarize --strategy ") == ["auto", "stuff", "map_reduce"]


def test_models_and_prompts(offered):
    assert offered("llmkit chat --model ") == ["smollm2-135m"]
    assert offered("llmkit models show ") == list(CATALOG)
    assert offered("llmkit summarize --prompt summarize-f") == ["summarize-flan"]
    assert "question-answering" in offered("llmkit prompts show ")


def test_kept_conversations(offered, monkeypatch, tmp_path):
    monkeypatch.setenv("LLMKIT_DATA", str(tmp_path))
    (tmp_path / "conversations").mkdir()
    for name in ("boats", "trains"):
        (tmp_path / "conversations" / f"{name}.jsonl").write_text('{"do": "begin", "version": 1}\n')
    assert set(offered("llmkit chat --load ")) == {"boats", "trains"}
    assert offered("llmkit chat --load bo") == ["boats"]


def test_files_are_the_shells(offered):
    assert (
        offered("llmkit summarize no") == offered("llmkit ask Who? --file ") == offered("llmkit chat --model ./") == []
    )


@pytest.mark.parametrize("mistake", ["LLMKIT_SEED", "LLMKIT_CONFIG"])
def test_a_mistake_in_what_is_set_keeps_nothing_back(offered, monkeypatch, mistake):
    monkeypatch.setenv(mistake, "wrong")
    assert offered("llmkit su") == ["summarize"]


@pytest.mark.parametrize(
    ("shell", "says"),
    [
        ("bash", "complete -o default -F _llmkit_completion llmkit"),
        ("zsh", "compdef _llmkit_completion llmkit"),
        ("fish", "complete --command llmkit --no-files"),
    ],
)
def test_the_script_of_a_shell(llmkit, monkeypatch, shell, says):
    monkeypatch.setenv("_LLMKIT_COMPLETE", f"source_{shell}")
    code, out, err = llmkit()
    assert (code, err) == (0, "")
    assert says in out


@pytest.mark.parametrize(("shell", "ends"), [("zsh", "))'\n"), ("fish", "\n")])
def test_an_offer_is_one_line(llmkit, monkeypatch, shell, ends):
    monkeypatch.setenv("_LLMKIT_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "llmkit summarize --")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    code, out, err = llmkit()
    assert (code, err) == (0, "")
    offers = out.removeprefix("_arguments '*: :((").removesuffix(ends).splitlines()
    assert all(offer.startswith(("--", '"--')) for offer in offers)
    assert len(offers) > 10


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_in_bash(tmp_path):
    program = tmp_path / "llmkit"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llmkit "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_LLMKIT_COMPLETE=source_bash llmkit)"; COMP_WORDS=(llmkit models s); COMP_CWORD=2; '
        '_llmkit_completion llmkit; echo "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("show\n", "")

import json
import signal
import sys

import pytest

from tests.support.cli_runs import resume_run, run_until_interrupted

DIALOGUE = "Ann: The train leaves at nine.\nBen: Then we must hurry, it is half past eight."


@pytest.fixture
def dialogue(tmp_path):
    path = tmp_path / "dialogue.txt"
    path.write_text(DIALOGUE, encoding="utf-8")
    return str(path)


@pytest.mark.usefixtures("default_model")
class TestSummaries:
    def test_a_file(self, llmkit, dialogue):
        code, out, err = llmkit("summarize", dialogue, "--max-new-tokens", "2")
        assert (code, err) == (0, "note: the summary reached the limit of --max-new-tokens, 2 tokens, and ends there\n")
        assert len(out.splitlines()) == 1
        assert out[0].isupper()

    @pytest.mark.parametrize(
        ("options", "note"),
        [
            (["--seed", "3"], "note: --seed has no effect: the likeliest token is always taken"),
            (["--seed", "3", "--top-k", "5"], "note: --seed and --top-k have no effect: "),
            (["--seed", "3", "--temperature", "0.5"], ""),
        ],
    )
    def test_options_without_an_effect_are_named(self, llmkit, dialogue, options, note):
        code, _, err = llmkit("summarize", dialogue, "--max-new-tokens", "2", *options)
        assert code == 0
        assert ("no effect" in err) == bool(note)
        assert note in err

    def test_a_seed_of_the_configuration_is_no_note(self, llmkit, dialogue, monkeypatch):
        monkeypatch.setenv("LLMKIT_SEED", "3")
        code, _, err = llmkit("summarize", dialogue, "--max-new-tokens", "2")
        assert (code, "no effect" in err) == (0, False)

    @pytest.mark.slow
    def test_standard_input_as_json(self, llmkit, dialogue):
        code, out, _ = llmkit("summarize", "-", "--json", "--max-new-tokens", "16", stdin=DIALOGUE)
        summary = json.loads(out)
        assert (code, summary["strategy"], summary["model_calls"]) == (0, "stuff", 1)
        assert summary["passages"][0]["end"] == len(DIALOGUE)
        assert summary["text"] + "\n" == llmkit("summarize", dialogue, "--max-new-tokens", "16")[1]

    @pytest.mark.slow
    def test_explain_asks_nothing(self, llmkit, dialogue):
        code, out, _ = llmkit("summarize", dialogue, "--explain")
        assert code == 0
        assert out.startswith("Token budget of the prompt\n")
        assert "8192" in out.replace(",", "")
        code, out, _ = llmkit("summarize", dialogue, "--explain", "--json")
        [report] = json.loads(out)
        assert (code, report["context_window"], sum(each["tokens"] for each in report["parts"])) == (0, 8192, 8192)

    @pytest.mark.slow
    def test_at_most_so_many_words_in_a_file(self, llmkit, dialogue, tmp_path):
        output = tmp_path / "summary.txt"
        code, out, err = llmkit("summarize", dialogue, "--max-words", "5", "--output", str(output))
        assert (code, out, err) == (
            0,
            "",
            "note: the summary reached the limit of --max-words, 5 words, and ends there\n",
        )
        assert 0 < len(output.read_text(encoding="utf-8").split()) <= 5
        assert sorted(path.name for path in tmp_path.iterdir()) == ["dialogue.txt", "summary.txt"]

    @pytest.mark.slow
    def test_line_ends_of_another_system(self, llmkit, dialogue):
        options = ["--max-new-tokens", "16", "--json"]
        code, out, _ = llmkit("summarize", "-", *options, stdin=DIALOGUE.replace("\n", "\r\n"))
        assert (code, out) == (0, llmkit("summarize", dialogue, *options)[1])

    @pytest.mark.slow
    def test_a_document_a_line(self, llmkit, tmp_path):
        documents = [DIALOGUE, " ", "word " * 9000, "Ann: Good night.\nBen: Sleep well!"]
        (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": each}) + "\n" for each in documents))
        code, out, err = llmkit(
            "summarize", str(tmp_path / "in.jsonl"), "--lines", "--strategy", "stuff", "--max-new-tokens", "8"
        )
        rows = [json.loads(line) for line in out.splitlines()]
        assert [row["line"] for row in rows] == [1, 2, 3, 4]
        assert (code, err) == (1, "error: 2 of 4 documents failed, first line 2: the line is empty\n")
        assert rows[1]["error"] == "the line is empty"
        assert "8192" in rows[2]["error"]
        alone = json.loads(llmkit("summarize", "-", "--json", "--max-new-tokens", "8", stdin=documents[3])[1])
        assert rows[3] == {"line": 4, **alone}

    @pytest.mark.slow
    @pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
    def test_an_interrupted_run_is_resumed(self, tiny_model, tmp_path, stop):
        source, output = tmp_path / "in.txt", tmp_path / "out.jsonl"
        documents = [f"Ann: The number is {number}." for number in range(20_000)]
        source.write_text("\n".join(documents))
        command = [sys.executable, "-m", "llmkit", "summarize", str(source), "--lines", "--output", str(output)]
        command += ["--max-new-tokens", "6", *tiny_model]
        before = run_until_interrupted(command, output, stop)
        count = before.count(b"\n")
        assert 0 < count < len(documents)
        source.write_text("\n".join(documents[: count + 3]))
        rows = resume_run(command, output, before)
        assert [row["line"] for row in rows] == list(range(1, count + 4))
        assert [row["passages"][0]["text"] for row in rows] == documents[: count + 3]

    def test_longer_than_the_window(self, llmkit, tmp_path):
        (tmp_path / "long.txt").write_text("word " * 9000, encoding="utf-8")
        code, out, err = llmkit("summarize", str(tmp_path / "long.txt"), "--strategy", "stuff")
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert "8192" in err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"\xe9t\xe9", "not UTF-8"),
        (b"\xff\xfe\x00", "UTF-16"),
        (b"a\0b", "NUL"),
    ],
)
def test_a_file_that_is_no_text(refused, tmp_path, content, says):
    (tmp_path / "input").write_bytes(content)
    assert says in refused("summarize", str(tmp_path / "input"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--temperature", "-1"], "--temperature '-1': "),
        (["--temperature", "hot"], "--temperature 'hot': "),
        (["--seed", "x"], "--seed 'x': "),
        (["--strategy", "all"], "--strategy 'all': "),
        (["--max-words", "0"], "--max-words '0': "),
        (["--candidates", "0"], "--candidates '0': "),
        (["--candidates", "2"], "candidates is 2, but must be 1, or at least 3"),
        (["--top-p", "1.5"], "--top-p '1.5': "),
        (["--max-new-tokens", "0"], "--max-new-tokens '0': "),
        (["--prompt", "nothing"], "no prompt is called 'nothing': see llmkit prompts"),
        (["--prompt", "sentiment"], "the prompt is for classify, not for summarize"),
        (["--explain", "--lines"], "--explain is for one text"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", "minilm-l6"], "minilm-l6 makes sentence embeddings"),
        (["--model", "."], "config.json"),
    ],
)
def test_invalid_options_print_an_error(refused, dialogue, tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    assert says in refused("summarize", dialogue, *options)


def test_no_such_file(llmkit):
    code, _, err = llmkit("summarize", "nowhere.txt")
    assert (code, err) == (2, "error: nowhere.txt cannot be read: No such file or directory\n")


@pytest.mark.slow
@pytest.mark.usefixtures("default_model")
def test_a_language_that_the_model_does_not_know_is_one_note(llmkit, tmp_path):
    german = "Der Aufzug ist noch immer kaputt, und niemand weiß, wann er repariert wird. Ich nehme die Treppe."
    (tmp_path / "in.txt").write_text(f"{german}\n{german} Gut.\n{DIALOGUE}".replace(":", ""), encoding="utf-8")
    code, out, err = llmkit("summarize", str(tmp_path / "in.txt"), "--lines", "--max-new-tokens", "2")
    assert code == 0
    assert err.count("seems to be in German, but smollm2-135m knows English") == 1
    rows = [json.loads(line) for line in out.splitlines()]
    assert [bool(row["notices"]) for row in rows[:2]] == [True, True]


@pytest.mark.usefixtures("default_model")
def test_a_title_has_no_prompt_to_explain(llmkit):
    code, out, _ = llmkit("summarize", "-", "--explain", stdin="How to repair a watch")
    assert (code, out) == (0, "The text is so short that it is its own summary: there is no prompt\n")


@pytest.mark.usefixtures("default_model")
def test_what_was_done_with_the_examples_is_a_note(llmkit, dialogue, tmp_path):
    examples = tmp_path / "examples.jsonl"
    examples.write_text(json.dumps({"input": "Ann: Tea?\nBen: No, coffee.", "output": "Ben wants coffee."}) + "\n")
    options = ["--max-new-tokens", "2", "--examples", str(examples)]
    done = "1 example is not in the prompt; only the length is taken; too few to compare"
    for command in (["summarize", dialogue], ["summarize", dialogue, "--lines"]):
        code, _, err = llmkit(*command, *options)
        assert code == 0
        assert err.count(f"note: {done}") == 1
    code, out, err = llmkit("summarize", dialogue, *options, "--json")
    assert code == 0
    assert done not in err
    assert json.loads(out)["examples"]["note"].startswith(done)

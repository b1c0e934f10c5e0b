import json

import pytest

DIALOGUE = "Ann: The train leaves at nine.\nBen: Then we must hurry, it is half past eight."


@pytest.fixture
def dialogue(tmp_path):
    path = tmp_path / "dialogue.txt"
    path.write_text(DIALOGUE, encoding="utf-8")
    return str(path)


@pytest.mark.usefixtures("default_model_folder")
class TestSummaries:
    def test_a_file(self, llmkit, dialogue):
        code, out, err = llmkit("summarize", dialogue, "--max-new-tokens", "16")
        assert (code, err) == (0, "note: the summary was cut at 16 tokens: --max-new-tokens\n")
        assert len(out.splitlines()) == 1
        assert out[0].isupper()

    def test_standard_input_as_json(self, llmkit, dialogue):
        code, out, _ = llmkit("summarize", "-", "--json", "--max-new-tokens", "16", stdin=DIALOGUE)
        summary = json.loads(out)
        assert (code, summary["strategy"], summary["model_calls"]) == (0, "stuff", 1)
        assert summary["passages"][0]["end"] == len(DIALOGUE)
        assert summary["text"] + "\n" == llmkit("summarize", dialogue, "--max-new-tokens", "16")[1]

    def test_explain_asks_nothing(self, llmkit, dialogue):
        code, out, _ = llmkit("summarize", dialogue, "--explain")
        assert code == 0
        assert "8192" in out.replace(",", "")

    def test_longer_than_the_window(self, llmkit, tmp_path):
        (tmp_path / "long.txt").write_text("word " * 9000, encoding="utf-8")
        code, out, err = llmkit("summarize", str(tmp_path / "long.txt"))
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert "8192" in err


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b" \n\t", "is empty"), (b"\xff\xfe\x00", "not UTF-8"), (b"a\0b", "NUL")],
)
def test_a_file_that_is_no_text(llmkit, tmp_path, content, says):
    (tmp_path / "input").write_bytes(content)
    code, out, err = llmkit("summarize", str(tmp_path / "input"))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert says in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--temperature", "-1"], "temperature is -1.0"),
        (["--temperature", "hot"], "'--temperature'"),
        (["--top-p", "1.5"], "top_p is 1.5"),
        (["--max-new-tokens", "0"], "max_new_tokens is 0"),
        (["--prompt", "nothing"], "nothing"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", "."], "config.json"),
    ],
)
def test_wrong_options(llmkit, dialogue, tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = llmkit("summarize", dialogue, *options)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert says in err
    assert len(err.splitlines()) == 1


def test_no_such_file(llmkit):
    code, _, err = llmkit("summarize", "nowhere.txt")
    assert (code, err) == (2, "error: nowhere.txt cannot be read: No such file or directory\n")

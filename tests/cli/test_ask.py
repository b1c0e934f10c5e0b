import csv
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

KARN = (
    "The old lighthouse at Karn stands on a cliff above the sea. The engineer Maria Holm built it in 1874, after two "
    "ships had sunk in one winter. Today the tower is a small hotel with six rooms."
)
QUOTE = "The engineer Maria Holm built it in 1874, after two ships had sunk in one winter."
VILM = "Vilm is an island without cars. Its windmill was painted by Peter Falk."
FRAGMENT = (
    "#:~:text=on%20a%20cliff%20above%20the%20sea.-,The%20engineer%20Maria%20Holm%20built%20it%20in%201874%2C%20after%20"
    "two%20ships%20had%20sunk%20in%20one%20winter.,-Today%20the%20tower%20is%20a%20small"
)
QUESTION = "Who built the lighthouse?"
PAGE = "<!doctype html><html lang=en><title>Karn</title><body><p>{}</p></body></html>"
EXAMPLE = Path(__file__).parents[2] / "examples" / "web_qa.py"


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "karn.txt"
    path.write_text(KARN, encoding="utf-8")
    return str(path)


@pytest.fixture
def karn(site):
    return site.page(PAGE.format(KARN).encode(), "/karn")


@pytest.fixture
def vilm(site):
    return site.page(PAGE.format(VILM).encode(), "/vilm")


def plain(out: str) -> str:
    """The output with what may differ a little from one machine to another made the same."""
    return re.sub(r"(?m)^confidence [1-9]\d?%$", "confidence N%", out)


@pytest.mark.usefixtures("default_model")
class TestAnswers:
    @pytest.mark.slow
    def test_a_page(self, llmkit, karn):
        code, out, err = llmkit("ask", QUESTION, "--url", karn, "--allow-private")
        assert (code, err) == (0, "")
        assert plain(out) == (f"Maria Holm\nconfidence N%\n\n  “{QUOTE}”\n  characters 60 to 141 of {karn}{FRAGMENT}\n")

    @pytest.mark.slow
    def test_yes_or_no(self, llmkit, tmp_path):
        path = tmp_path / "shop.txt"
        path.write_text("The shop is open from Monday to Saturday. On Sunday it is closed.", encoding="utf-8")
        code, out, _ = llmkit("ask", "Is the shop open on Monday?", "--file", str(path))
        assert (code, plain(out)) == (
            0,
            f"Yes\nconfidence N%\n\n  “The shop is open from Monday to Saturday.”\n  characters 0 to 41 of {path}\n",
        )
        code, out, _ = llmkit("ask", "Is the shop open on Sunday?", "--file", str(path), "--threshold", "1")
        assert out.startswith(
            "Yes or no could not be told with enough confidence. Sentences near to the question:\n\n  “"
        )
        assert "  “On Sunday it is closed.”\n  characters 42 to 65 of" in out
        assert "confidence N%" not in plain(out)

    @pytest.mark.slow
    def test_multiple_pages_of_which_some_fail(self, llmkit, site, karn, vilm):
        pages = ["--url", f"{site.url}/nowhere", "--url", vilm, "--url", karn, "--url", "nonsense"]
        code, out, err = llmkit("ask", QUESTION, *pages, "--allow-private", "--json")
        answer = json.loads(out)
        assert (code, answer["text"], answer["citations"][0]["source"]) == (1, "Maria Holm", karn)
        assert err == (
            f"warning: {site.url}/nowhere is not there (404): check the URL; the answer is without it\n"
            "warning: nonsense is not the URL of a web page: it must begin with https:// or http://; "
            "the answer is without it\n"
        )
        assert [(each["source"], each["error"].split()[0]) for each in answer["unread"]] == [
            (f"{site.url}/nowhere", f"{site.url}/nowhere"),
            ("nonsense", "nonsense"),
        ]

    @pytest.mark.slow
    def test_a_page_beside_one_whose_server_sends_what_cannot_be_read(self, llmkit, site, karn):
        for path, target in {"/bytes": "http://[\xe9", "/two": "/a, /b \xff", "/port": "//a:99999/\xe9"}.items():
            site.put(lambda handler, target=target: handler.send(status=302, Location=target), path)
        site.page(b"<script>location = '/karn'</script>", "/script")
        given = [part for path in ("bytes", "two", "port", "script") for part in ("--url", f"{site.url}/{path}")]
        code, out, err = llmkit("ask", QUESTION, *given, "--url", karn, "--allow-private")
        assert (code, out.splitlines()[0]) == (1, "Maria Holm")
        assert err.count("warning: ") == 4
        assert f"/script only leads to {site.url}/karn, by a script" in err

    @pytest.mark.slow
    def test_a_file_beside_a_page_that_fails(self, llmkit, site, text_file):
        given = ["--url", f"{site.url}/nowhere", "--file", text_file, "--allow-private"]
        warning = f"warning: {site.url}/nowhere is not there (404): check the URL; the answer is without it\n"
        code, out, err = llmkit("ask", QUESTION, *given)
        assert (code, out.splitlines()[0], err) == (1, "Maria Holm", warning)
        assert llmkit("ask", QUESTION, *given, "--quiet") == (1, out, warning)  # a warning is no progress

    @pytest.mark.slow
    def test_a_page_that_robots_txt_closes_beside_a_file(self, llmkit, site, karn, text_file, tmp_path):
        site.page(b"User-agent: *\nDisallow: /", "/robots.txt", kind="text/plain")
        output = tmp_path / "answer.json"
        given = ["--url", karn, "--file", text_file, "--allow-private", "--output", str(output)]
        code, out, err = llmkit("ask", QUESTION, *given)
        assert (code, out) == (1, "")
        assert err.startswith("warning: ")
        answer = json.loads(output.read_text(encoding="utf-8"))
        assert answer["text"] == "Maria Holm"
        [unread] = answer["unread"]
        assert unread["source"] == karn
        assert "robots.txt" in unread["error"]

    @pytest.mark.slow
    def test_nothing_is_unread_where_all_is_read(self, llmkit, text_file):
        code, out, err = llmkit("ask", QUESTION, "--file", text_file, "--json")
        assert (code, err, json.loads(out)["unread"]) == (0, "", [])

    @pytest.mark.slow
    def test_a_row_for_each_quote(self, llmkit, text_file, tmp_path):
        output = tmp_path / "answer.csv"
        assert llmkit("ask", QUESTION, "--file", text_file, "--output", str(output)) == (0, "", "")
        with output.open(encoding="utf-8", newline="") as file:
            [row] = csv.DictReader(file)
        assert (row["text"], row["quote"], row["source"]) == ("Maria Holm", QUOTE, text_file)
        output = tmp_path / "answer.md"
        assert llmkit("ask", QUESTION, "--file", text_file, "--output", str(output)) == (0, "", "")
        header, _, first = output.read_text(encoding="utf-8").splitlines()
        assert header.startswith("| text | found | confidence |")
        assert first.startswith("| Maria Holm | true |")

    def test_how_much_is_read_and_answered(self, llmkit, text_file):
        given = ["ask", "When was it built?", "--file", text_file, "--threshold", "0", "--json"]
        answer = json.loads(llmkit(*given, "--top-k", "1", "--max-answer-words", "1")[1])
        assert len(answer["text"].split()) == 1

    @pytest.mark.slow
    def test_examples(self, llmkit, text_file, tmp_path):
        examples = tmp_path / "examples.jsonl"
        example = {"input": "Ann came by train.", "question": "Who came by train?", "output": "Ann"}
        examples.write_text(json.dumps(example))
        code, out, err = llmkit("ask", QUESTION, "--file", text_file, "--examples", str(examples))
        assert (code, out.splitlines()[0], err) == (0, "Maria Holm", "")

    @pytest.mark.slow
    def test_a_file_on_a_narrow_terminal(self, llmkit, text_file, monkeypatch):
        monkeypatch.setenv("COLUMNS", "40")  # the terminal wraps, so that links and quotes can be copied in whole
        code, out, err = llmkit("ask", QUESTION, "--file", text_file)
        assert (code, err) == (0, "")
        assert plain(out) == f"Maria Holm\nconfidence N%\n\n  “{QUOTE}”\n  characters 60 to 141 of {text_file}\n"

    @pytest.mark.slow
    def test_standard_input_as_json(self, llmkit):
        text = "\ufeff" + KARN.replace(". ", ".\r\n")
        code, out, err = llmkit("ask", QUESTION, "--file", "-", "--json", stdin=text)
        answer = json.loads(out)
        [citation] = answer["citations"]
        assert (code, err, answer["text"], answer["found"], answer["method"]) == (0, "", "Maria Holm", True, "spans")
        assert (citation["source"], citation["link"], citation["start"]) == ("standard input", None, 60)
        assert citation["quote"] == QUOTE

    @pytest.mark.slow
    def test_colour_is_for_terminals(self, llmkit, text_file, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        _, out, _ = llmkit("ask", QUESTION, "--file", text_file)
        assert out.startswith("\x1b[1mMaria Holm\x1b[0m\n")
        assert "The engineer \x1b[1;7mMaria Holm\x1b[0m built it" in out
        monkeypatch.setenv("NO_COLOR", "1")
        _, out, _ = llmkit("ask", QUESTION, "--file", text_file)
        assert QUOTE in out
        assert "\x1b" not in out

    @pytest.mark.slow
    def test_into_a_file(self, llmkit, text_file, tmp_path):
        output = tmp_path / "out.txt"
        assert llmkit("ask", QUESTION, "--file", text_file, "--output", str(output)) == (0, "", "")
        assert output.read_text(encoding="utf-8").startswith("Maria Holm\nconfidence ")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["karn.txt", "out.txt"]

    @pytest.mark.slow
    def test_a_text_that_does_not_say(self, llmkit, text_file):
        given = ["ask", QUESTION, "--file", text_file, "--threshold", "1"]
        assert llmkit(*given) == (0, "The text does not say.\n", "")
        answer = json.loads(llmkit(*given, "--json")[1])
        assert (answer["found"], answer["text"], answer["citations"]) == (False, "", [])

    @pytest.mark.slow
    def test_a_written_answer(self, llmkit, text_file):
        _, out, _ = llmkit("ask", QUESTION, "--file", text_file, "--style", "abstractive", "--json")
        answer = json.loads(out)
        assert answer["method"] == "generated"
        assert answer["text"]
        assert all(KARN[each["start"] : each["end"]] == each["quote"] for each in answer["citations"])

    def test_a_question_that_is_too_long(self, llmkit, text_file):
        code, out, err = llmkit("ask", "why " * 10_000, "--file", text_file)
        assert (code, out) == (2, "")
        assert err.startswith("error: the question and the tokens reserved for its answer need ")
        assert err.count("\n") == 1

    @pytest.mark.slow
    def test_the_example(self, karn, vilm):
        command = [sys.executable, str(EXAMPLE), karn, vilm, QUESTION, "--allow-private"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"Maria Holm\n\n  “{QUOTE}”\n  {karn}{FRAGMENT}\n"

    def test_the_example_says_what_it_refuses(self, karn, monkeypatch, capsys):
        monkeypatch.setattr(sys, "argv", [str(EXAMPLE), karn, QUESTION])
        with pytest.raises(SystemExit, match="2"):
            runpy.run_path(str(EXAMPLE), run_name="__main__")
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: {karn} leads to 127.0.0.1, which is no public address")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Missing argument 'QUESTION'"),
        ([QUESTION], "there is nothing to read: give --url or --file, or --file - for standard input"),
        (["", "--file", "karn.txt"], "the question is empty"),
        ([" ", "--file", "karn.txt"], "the question is empty"),
        (["?!", "--file", "karn.txt"], "the question '?!' has no words"),
        (["Who?", "--file", "-", "--file", "-"], "--file - is given twice"),
        ([QUESTION, "--file", "nowhere.txt"], "nowhere.txt cannot be read: No such file or directory"),
        ([QUESTION, "--file", "-"], "standard input is empty"),
        ([QUESTION, "--file", "karn.txt", "--style", "poetic"], "--style 'poetic': "),
        ([QUESTION, "--file", "karn.txt", "--threshold", "2"], "--threshold"),
        ([QUESTION, "--file", "karn.txt", "--threshold", "sure"], "--threshold 'sure': "),
        ([QUESTION, "--file", "karn.txt", "--threshold", "nan"], "--threshold 'nan': "),
        ([QUESTION, "--file", "karn.txt", "--model", "no-such-model"], "no-such-model"),
        ([QUESTION, "--file", "karn.txt", "--top-k", "0"], "--top-k '0': "),
        ([QUESTION, "--file", "karn.txt", "--output", "a.xlsx"], "a.xlsx cannot be written as a .xlsx file"),
        (
            [QUESTION, "--file", "karn.txt", "--json", "--output", "a.csv"],
            "--json writes JSON, but a.csv is a .csv file",
        ),
        ([QUESTION, "--file", "karn.txt", "--examples", "bad.jsonl"], 'with "input", "question" and "output"'),
        ([QUESTION, "--url", ""], "the URL is empty"),
        ([QUESTION, "--url", "nonsense"], "nonsense is not the URL of a web page"),
        (
            [QUESTION, "--url", "file:///etc/passwd"],
            "file:///etc/passwd is a file, not a web page: use --file /etc/passwd",
        ),
        ([QUESTION, "--url", "http://127.0.0.1:9/"], "pages of local servers are read with --allow-private"),
        ([QUESTION, "--url", "http://[::ffff:10.0.0.1]/"], "leads to ::ffff:10.0.0.1, which is no public address"),
        ([QUESTION, "--url", "http://user:pw@example.com/"], "has a user name or password in it"),
    ],
)
def test_invalid_options_print_an_error(refused, text_file, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jsonl").write_text('{"input": "Ann came.", "output": "Ann"}')
    message = refused("ask", *arguments)
    assert says in message
    assert "pw" not in message


def test_a_missing_file_fails_before_a_page_is_fetched(refused, karn, site):
    assert "nowhere.txt cannot be read" in refused("ask", QUESTION, "--url", karn, "--file", "nowhere.txt")
    assert site.asked == []


def test_robots_txt_is_respected(llmkit, site, karn):
    site.page(b"User-agent: *\nDisallow: /", "/robots.txt", kind="text/plain")
    code, out, err = llmkit("ask", QUESTION, "--url", karn, "--allow-private")
    assert (code, out) == (2, "")
    assert "robots.txt" in err
    assert "/karn" not in site.paths


def test_pages_that_do_not_come(llmkit, site):
    site.page(b"<html><body></body></html>", "/empty")
    code, out, err = llmkit("ask", QUESTION, "--url", f"{site.url}/empty", "--allow-private")
    assert (code, out) == (1, "")
    assert err == (
        f"error: {site.url}/empty has no readable text: "
        "check in a browser whether it is empty, or has its text in pictures\n"
    )

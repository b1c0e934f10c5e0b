"""Arguments of another form than the command reads: the error says what to type."""

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("notes.txt", "more.txt"):
        (tmp_path / name).write_text("Ann comes on Monday.")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (
            ["ask", "Who?", "--file", "https://a.example/b"],
            "https://a.example/b is a web page, not a file: use --url https",
        ),
        (["ask", "Who?", "--file", "HTTP://a.example"], "http://a.example is a web page, not a file: use --url http:"),
        (["ask", "Who?", "--file", "file:///x/notes.txt"], "is a URL: give the path of the file, /x/notes.txt"),
        (["ask", "Who?", "--url", "notes.txt"], "notes.txt is a file, not a web page: use --file notes.txt"),
        (["ask", "Who?", "--url", "file:///x/notes.txt"], "is a file, not a web page: use --file /x/notes.txt"),
        (["ask", "Who?", "--url", "-"], "- is standard input, not a web page: use --file -"),
        (["ask", "Who?", "--url", "https://a.example", "--url", "notes.txt"], "use --file notes.txt"),
        (["ask", "Who?", "notes.txt"], "extra argument(s) (notes.txt): a file is given as --file notes.txt"),
        (["ask", "Who?", "missing.pdf"], "a file is given as --file missing.pdf"),
        (["ask", "Who?", "https://a.example"], "a web page is given as --url https://a.example"),
        (
            ["ask", "notes.txt", "Who?"],
            'the question comes first, and a file as an option: llmkit ask "Who?" --file notes',
        ),
        (["ask", "Who", "comes?", "--file", "notes.txt"], "put the question in quotation marks"),
        (["chat", "Who", "are", "you?"], "extra argument(s) (are you?): put the message in quotation marks"),
        (
            ["chat", "Who comes?", "notes.txt"],
            'to ask about a file, llmkit ask "…" --file notes.txt, or /file notes.txt',
        ),
        (
            ["summarize", "notes.txt", "more.txt"],
            "one file at a time; of several make one text, as in cat a.txt b.txt |",
        ),
        (["summarize", "Ann", "comes."], 'a text itself is given through a pipe: echo "…" | llmkit summarize'),
        (["classify", "notes.txt", "good", "--labels", "a,b"], "labels are one option, --labels a,b"),
        (
            ["classify", "notes.txt", "--labels", "a,b", "--embedder", "minilm-l6"],
            "error: --embedder takes no value: leave minilm-l6 out; see llmkit classify --help",
        ),
        (
            ["classify", "--embedder", "minilm-l6", "notes.txt", "--labels", "a,b"],
            "--embedder takes no value, and there is no file minilm-l6: leave it out",
        ),
        (
            ["classify", "--labels", "a,b", "--embedder", "minilm-l6"],
            "--embedder takes no value, and there is no file minilm-l6: leave it out",
        ),
        (["entities", "notes.txt", "--json", "true"], "--json takes no value: leave true out"),
        (["ask", "Who?", "--file", "notes.txt", "--embedder", "minilm-l6"], "--embedder takes no value: leave minilm"),
        (["summarize", "notes.txt", "--json", "more.txt"], "one file at a time"),
        (["summarize", "--json", "Ann", "comes."], "a text itself is given through a pipe"),
        (["summarize", "--json", "missing.txt"], "missing.txt cannot be read: No such file or directory"),
        (
            ["summarize", "https://a.example/b"],
            'save the page as a file and name that, or ask about it: llmkit ask "…" --',
        ),
        (
            ["classify", "http://a.example", "--labels", "a,b"],
            "http://a.example is a web page, not a file: save the page",
        ),
        (
            ["entities", "https://a.example/b", "--lines"],
            "https://a.example/b is a web page, not a file: save the page",
        ),
        (["summarize", "--examples", "https://a.example/b"], "https://a.example/b is a web page, not a file: save"),
        (
            ["entities", "Ann comes on Monday."],
            "cannot be read: No such file or directory; a text itself is given through",
        ),
    ],
)
def test_commands(refused, arguments, advice):
    assert advice in refused(*arguments)


def test_a_missing_file_with_spaces_in_its_name_is_no_text(refused):
    error = refused("summarize", "my long notes.txt")
    assert error == "error: my long notes.txt cannot be read: No such file or directory\n"


def test_a_file_may_be_called_like_a_page(folder, refused):
    (folder / "https:").mkdir()
    assert "is a web page, not a file" in refused("summarize", "https:/page")
    (folder / "https:" / "page").write_bytes(b"\0\0\0")
    assert "https:/page is not text" in refused("summarize", "https:/page"), "the file is read"


def test_a_page_without_a_scheme_is_not_taken_for_a_file(folder, refused):
    assert "must begin with https:// or http://" in refused("ask", "Who?", "--url", "example.com")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["models", "list"], "there is no command 'list': llmkit models lists them"),
        (["models", "rm", "x"], "llmkit models remove NAME deletes one"),
        (["prompts", "list"], "llmkit prompts lists them"),
        (["config", "set", "seed", "1"], "edit the file whose path llmkit config path prints"),
        (["ask", "Who?", "--file", "notes.txt", "--threshold", "50%"], "'50%': it must be a number, such as 0.5;"),
        (["ask", "Who?", "--file", "notes.txt", "--threshold", "0,25"], "'0,25': it must be a number, such as 0.25;"),
        (["ask", "Who?", "--file", "notes.txt", "--threshold", "high"], "'high': it must be a number, such as 0.5;"),
        (["ask", "Who?", "--file", "notes.txt", "--top-k", "2.5"], "'2.5': it must be a whole number, such as 3"),
        (["ask", "Who?", "--file", "notes.txt", "--top-k", "0"], "'0': it must be at least 1"),
        (
            ["ask", "Who?", "--embedder", "--no-embedder"],
            "--embedder and --no-embedder are opposites: give one of them",
        ),
        (["chat", "/resume"], "there is no command /resume: use /load NAME"),
    ],
)
def test_what_cannot_be_used_has_an_alternative(refused, arguments, advice):
    assert advice in refused(*arguments)

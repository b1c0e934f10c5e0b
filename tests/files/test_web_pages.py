import pytest

from llmkit.errors import InputError
from llmkit.files import read

PAGE = (
    "<!doctype html><html lang=en><title>Lifts</title><body><nav>Home</nav>"
    "<p>The lift is repaired on <b>Thursday</b> &amp; not before.</p></body></html>"
)
TEXT = "The lift is repaired on Thursday & not before."


def text_of(data: str | bytes, name: str) -> str:
    (document,) = read(data if isinstance(data, bytes) else data.encode(), name)
    assert document.metadata["source"] == name
    return document.page_content


@pytest.mark.parametrize("name", ["saved.html", "saved.HTM", "saved", "standard input", "saved.txt"])
def test_a_saved_page_is_read_as_a_page(name):
    (document,) = read(PAGE.encode(), name)
    assert document.page_content == TEXT
    assert document.metadata == {"source": name, "title": "Lifts", "language": "en"}


@pytest.mark.parametrize(
    "begin", ["\ufeff", "\n  ", "<?xml version='1.0'?>\n", "<!-- saved from url=(0014)about:internet -->\n"]
)
def test_a_page_may_start_with_other_markup(begin):
    assert text_of(begin + PAGE, "saved") == TEXT


def test_a_page_in_utf_16_is_read():
    assert text_of(PAGE.encode("utf-16"), "saved.html") == TEXT
    assert text_of(PAGE.encode("utf-16"), "saved") == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["saved.html", "standard input"])
def test_a_page_in_utf_16_without_a_byte_order_mark_is_read(name, encoding):
    assert text_of(PAGE.encode(encoding), name) == TEXT
    cyrillic = "<html><meta charset=utf-16><body><p>Лифт чинят в четверг.</p></body></html>"
    assert text_of(cyrillic.encode(encoding), name) == "Лифт чинят в четверг."


def test_the_declared_charset_is_used():
    page = "<html><head><meta charset=windows-1252></head><body><p>A ticket costs £12 – dogs don’t pay.</p>"
    assert text_of(page.encode("cp1252"), "saved.html") == "A ticket costs £12 – dogs don’t pay."


def test_xhtml_and_html_fragments_are_read():
    page = f"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body><p>{TEXT[:20]}</p></body></html>"
    assert text_of(page, "saved.xhtml") == TEXT[:20].strip()
    assert text_of("<p>The lift is <b>repaired</b>.</p>", "part.html") == "The lift is repaired."
    assert text_of("<div><p>The lift is <b>repaired</b>.</p></div>", "standard input") == "The lift is repaired."


MHTML = """From: <Saved by Blink>
Snapshot-Content-Location: https://example.com/lifts
Subject: Lifts
MIME-Version: 1.0
Content-Type: multipart/related;
\ttype="text/html";
\tboundary="----B"

------B
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable
Content-Location: https://example.com/lifts

<!DOCTYPE html><html><head><meta http-equiv=3D"Content-Type" content=3D"text/html; charset=3DUTF-8">
</head><body><p>The caf=C3=A9 lift is repaired on Thursday.</p></body></html>
------B
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
------B--
"""


@pytest.mark.parametrize("name", ["saved.mhtml", "saved.mht", "standard input"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_saved_mhtml_page_is_read(name, line_end):
    assert text_of(MHTML.replace("\n", line_end), name) == "The café lift is repaired on Thursday."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chat.txt", "<b> hello\n<c> hi"),
        ("README.md", "<p align=center>Lifts</p>\n\n# Lifts"),
        ("notes.txt", "Write <p>a paragraph</p> so."),
        ("data.xml", "<rows><row>1</row></rows>"),
        ("mail.txt", "From: Ann\nContent-Type: text/plain\n\nHello."),
    ],
)
def test_other_text_with_tags_is_unchanged(name, text):
    assert text_of(text, name) == text


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.html", b"", "empty.html is empty"),
        ("script.html", b"<html><body><script>1</script></body></html>", "script.html has no readable text"),
        ("none.mhtml", MHTML.replace("text/html\n", "text/css\n").encode(), "a web archive without a page"),
    ],
)
def test_pages_without_text_raise_a_clear_error(name, data, says):
    with pytest.raises(InputError, match=says):
        read(data, name)


@pytest.mark.parametrize("start", ["<!--a-->", "<?xml?>", "<!--"])
def test_comments_without_a_page_take_no_time(start):
    text = f"{start * 1000}x"
    assert text_of(text, "notes.txt") == text

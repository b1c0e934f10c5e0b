"""Whatever a server sends, `fetch` returns a document or raises an LlmkitError whose message is one printable line."""

import gzip
import unicodedata
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch, robots
from tests.support.raw_server import raw_server

BODY = b"<html><title>T</title><body><p>The boat leaves at nine.</p></body></html>"
MANY = b"9" * 5000
STATUS = [b"301 Moved", b"302 Found", b"304 Not Modified", b"204 No", b"206 Partial", b"429 Busy", b"503 No", b"abc"]
STATUS += [b"100 Continue", b"101 Up", b"999 x", b"-1 x", b"2000 x", b"500 \xff\x1b]52;c;aa\x07", b"404 \x1b[2J", MANY]
HEADERS = {
    b"Location": [b"/caf\xe9", b"http://\xff/", b"//", b"http://[::1", b"http:\\\\x\\y", b"javascript:1", b"/\x1b[2J"],
    b"Retry-After": [MANY, b"Fri, 31 Dec 99999 23:59:59 GMT", b"-1", b"nan", b"inf", b"1e309", b"\xff", b"0.001"],
    b"Content-Length": [b"-1", MANY, b"0", b"5", b"abc", b"5,6", b"+5", b"\xb2", b"1e3"],
    b"Transfer-Encoding": [b"chunked", b"gzip, chunked", b"xchunked", b"identity"],
    b"Content-Encoding": [b"gzip", b"deflate", b"br", b"gzip" + b",gzip" * 50, b"utf-8", b"\xff"],
    b"Refresh": [b"0; url=/page", MANY + b";url=/x", b"-5;url=x", b"0; url='" + b"a" * 9000, b"\xff"],
    b"Cache-Control": [b"max-age=" + MANY, b"max-age=-1", b"*", b"\xff\xfe", b"private=,=,="],
    b"X": [b"a" * 70_000, b"\xff\x00"],
}
HEADERS[b"Location"] += [
    b"http://1.1.1.1:99999/",
    b"http://xn--a/",
    b"http://" + b"a." * 200 + b"/",
    b"#",
    b"",
    b"\x00",
]
CHARSETS = ["base64", "hex", "zlib", "bz2", "rot13", "uu", "quopri", "idna", "undefined", "utf-7", "punycode", "mbcs"]
CHARSETS += ["unicode_escape", "utf-8\0", "a" * 9000, "raw_unicode_escape", "..", "os", "aliases", "charmap", "\xff"]
BODIES = [BODY, gzip.compress(BODY, mtime=0), zlib.compress(BODY), gzip.compress(BODY, mtime=0)[:20], b""]
CHUNKED = {  # and what comes of them
    b"5\r\n<p>ab\r\n0\r\n\r\n": "ab",
    b"5;e=\xff\r\n<p>ab\r\n0\r\n\r\n": "ab",
    b"0x5\r\nabcde\r\n0\r\n\r\n": "abcde",
    b"-5\r\nabcde\r\n0\r\n\r\n": " answers with what cannot be read (",
    b"F" * 20 + b"\r\nabc": " broke off (",
    b"\xb2\r\nab\r\n": " broke off (",
    b"g\r\n": " broke off (",
    b"5\r\n<p>ab": " broke off (",
    b"1" * 5000 + b"\r\n": " broke off (",
}

header = st.sampled_from(sorted(HEADERS)).flatmap(
    lambda name: st.sampled_from(HEADERS[name]).map(lambda value: name + b": " + value)
)
junk = st.binary(max_size=30)
answers = st.builds(
    lambda status, headers, body, end: b"HTTP/1.1 " + end.join([status, *headers, b"", body]),
    st.just(b"200 OK") | st.sampled_from(STATUS) | junk,
    st.lists(header | header | header | junk, max_size=4),
    st.sampled_from([*BODIES, *CHUNKED]) | junk,
    st.just(b"\r\n") | st.just(b"\r\n") | st.just(b"\n"),
)


def fetched(server, answer, **options):
    """Return the text of a page, and the message of the error, which must be one of ours; one of them is empty."""
    server.answers = answer
    robots.forget()
    try:
        return fetch(server.url, allow_private=True, cache=False, timeout=2, **options).page_content, ""
    except (PageError, PageRefused) as error:
        return "", str(error)


def is_clean(text, message):
    """Return whether a text has no control characters, or else a message is one short printable line."""
    if not text:
        return message.isprintable() and 0 < len(message) < 1000
    return all(character in "\n\t" or unicodedata.category(character) != "Cc" for character in text)


@pytest.fixture(scope="module")
def server():
    with raw_server() as server:
        yield server


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_each_header_beside_a_page(server, name, monkeypatch):
    monkeypatch.setattr("llmkit.web.download.RETRY_DELAY", 0.001)
    for value in HEADERS[name]:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + name + b": " + value + b"\r\n\r\n"
        found = fetched(server, [head + BODY], respect_robots=False)
        assert is_clean(*found)
        if name in {b"Location", b"Retry-After", b"Cache-Control"}:  # these do not matter to a page that is there
            assert found == ("The boat leaves at nine.", "")


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_charset_that_is_none_does_not_matter(server, charset):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset={charset}\r\n\r\n".encode("latin-1")
    assert fetched(server, [head + BODY], respect_robots=False) == ("The boat leaves at nine.", "")


@pytest.mark.parametrize("chunks", CHUNKED)
def test_chunks_are_read_or_end_in_an_error_of_ours(server, chunks):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    text, message = fetched(server, [head + chunks], respect_robots=False)
    assert is_clean(text, message)
    assert text == CHUNKED[chunks] or message.startswith(server.url + CHUNKED[chunks])


@pytest.mark.slow
@given(answer=st.lists(answers, min_size=1, max_size=3), respect_robots=st.booleans())
@settings(max_examples=1500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer(server, answer, respect_robots, monkeypatch):
    monkeypatch.setattr("llmkit.web.download.RETRY_DELAY", 0.001)
    assert is_clean(*fetched(server, answer, respect_robots=respect_robots))

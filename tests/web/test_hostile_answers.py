"""Whatever a server sends, `fetch` returns a document or raises an LlmkitError whose message is one printable line."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch, robots
from tests.support.http_answers import BODIES, BODY, CHARSETS, CHUNKED, HEADERS, STATUS
from tests.support.raw_server import raw_server

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


def test_cookies_are_not_read(server, recwarn):
    for value in HEADERS[b"Set-Cookie"]:  # of which http.cookiejar warns with a traceback
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: " + value + b"\r\n\r\n"
        assert fetched(server, [head + BODY], respect_robots=False) == ("The boat leaves at nine.", "")
    assert not [str(warning.message) for warning in recwarn]


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

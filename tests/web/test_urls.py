"""What is the URL of a web page, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from llmkit.errors import PageRefused
from llmkit.web import fetch
from llmkit.web.urls import validate_url


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", "is empty"),
        ("not a url", "must begin with https://"),
        ("example.com/page", "must begin with https://"),
        ("//example.com/page", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        ("javascript:alert(1)", "must begin with https://"),
        ("http:example.com", "must begin with https://"),
        ("data:text/html,<p>x", "must begin with https://"),
        ("http://", "names no host"),
        ("http:///etc/passwd", "names no host"),
        ("http://[::1", "is not a URL"),
        ("http://example.com:99999/", "is not a URL"),
        ("http://example.com:port/", "is not a URL"),
        ("http://user:pw@host", "user name or password"),
        ("http://user@host/", "user name or password"),
        ("http://127.0.0.1:6666\\@1.1.1.1", "backslash"),
        ("http://exa mple.com/", "white space"),
        ("http://example.com/a\nHost: other", "white space"),
        ("http://example.com/\x00", "control character"),
        ("http://example.com/\ud800", "control character"),
        ("http://" + "a" * 9000, "characters, more than"),
        (None, "not nothing"),
    ],
)
def test_invalid_page_urls_are_refused(url, error):
    with pytest.raises(PageRefused, match=error) as caught:
        fetch(url)
    assert "pw" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("  https://example.com/page\n", "https://example.com/page"),
        ("HTTPS://Example.COM", "https://example.com/"),
        ("https://example.com/a b".replace(" ", "%20") + "#part", "https://example.com/a%20b"),
        ("https://example.com/?q=a#b@c", "https://example.com/?q=a"),
        ("https://example.com/@me", "https://example.com/@me"),
        ("https://example.com/open/%2e%2E/closed/./%2e", "https://example.com/closed/"),
        ("https://bücher.example/größe", "https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe"),
    ],
)
def test_urls_are_requested_unchanged(url, asked):
    assert validate_url(url) == asked


@given(st.text(max_size=40) | st.text(alphabet="htps:/@\\#?[]%.01:afx \t", max_size=40).map("http://".__add__))
def test_valid_urls_have_a_host_and_no_credentials(text):
    try:
        url = validate_url(text)
    except PageRefused:
        return
    parts = parse_url(url)
    assert parts.scheme in {"http", "https"}
    assert parts.host
    assert parts.auth is None
    assert url.isascii()
    assert not set(url) & set("\\ \t\r\n\0")
    assert validate_url(url) == url

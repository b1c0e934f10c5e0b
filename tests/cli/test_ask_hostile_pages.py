"""`llmkit ask` with three pages, one of which comes from a hostile server: it answers from the others, and says so."""

import gzip
import json

import pytest

from tests.support.raw_server import raw_server

LIGHTHOUSE = "The engineer Maria Holm built the lighthouse in 1874, after two ships had sunk in one winter."
VILM = "Vilm is an island without cars. Its windmill was painted by Peter Falk."
PAGE = "<!doctype html><html lang=en><title>Karn</title><body><p>{}</p></body></html>"
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html"
ANSWERS = {
    "any bytes": bytes(range(256)),
    "nothing": b"",
    "a status": b"HTTP/1.1 500 \xff\x1b]52;c;ZXZpbA==\x07\r\n\r\n",
    "no status": b"HTTP/1.1 -1 \x9b2J\r\n\r\n",
    "a Location that is not UTF-8": b"HTTP/1.1 302 Found\r\nLocation: http://\xff[/\r\n\r\n",
    "a Location that is a script": b"HTTP/1.1 302 Found\r\nLocation: javascript:alert(1)\r\n\r\n",
    "a Location of a private file": b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n\r\n",
    "Retry-After of thousands of digits": b"HTTP/1.1 429 Busy\r\nRetry-After: " + b"9" * 5000 + b"\r\n\r\n",
    "Retry-After in the year 99999": b"HTTP/1.1 503 No\r\nRetry-After: Fri, 31 Dec 99999 23:59:59 GMT\r\n\r\n",
    "a negative chunk": HTML + b"\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
    "a broken gzip": HTML + b"\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08" + b"\xff" * 99,
    "a decompression bomb": HTML
    + b"\r\nContent-Encoding: gzip\r\n\r\n"
    + gzip.compress(b"\0" * 30_000_000, 9, mtime=0),
    "elements without end": HTML + b"\r\n\r\n" + b"<b>" * 110_000,
    "control characters only": HTML + b"\r\n\r\n\x1b[2J\x9b2J\x00\x00",
    "a picture": b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nx",
}


@pytest.fixture(scope="module")
def server():
    with raw_server() as server:
        yield server


@pytest.mark.slow
@pytest.mark.usefixtures("default_model")
@pytest.mark.parametrize("name", ANSWERS)
def test_the_other_pages_are_answered_from(llmkit, site, server, name, monkeypatch):
    monkeypatch.setattr("llmkit.web.download.RETRY_DELAY", 0.01)
    server.answers = [ANSWERS[name]]
    karn = site.page(PAGE.format(LIGHTHOUSE).encode(), "/karn")
    vilm = site.page(PAGE.format(VILM).encode(), "/vilm")
    pages = [part for url in (vilm, server.url, karn) for part in ("--url", url)]
    options = ["--allow-private", "--ignore-robots", "--json"]
    code, out, err = llmkit("ask", "Who built the lighthouse?", *pages, *options)
    answer = json.loads(out)
    assert (code, answer["text"], answer["citations"][0]["source"]) == (1, "Maria Holm", karn)
    assert err.startswith(f"warning: {server.url} ")
    assert err.endswith("; the answer is without it\n")
    assert err.rstrip("\n").isprintable()
    assert [unread["source"] for unread in answer["unread"]] == [server.url]
    assert answer["unread"][0]["error"] in err


@pytest.mark.parametrize(("name", "expected"), [("any bytes", 1), ("a Location that is not UTF-8", 2)])
def test_without_any_page_there_is_no_answer(llmkit, server, name, expected):
    server.answers = [ANSWERS[name]]
    options = ["--allow-private", "--ignore-robots"]
    code, out, err = llmkit("ask", "Who built it?", "--url", server.url, "--url", f"{server.url}2", *options)
    assert (code, out) == (expected, "")
    assert [line.partition(": ")[0] for line in err.splitlines()] == ["warning", "error"]
    assert all(line.isprintable() for line in err.splitlines())

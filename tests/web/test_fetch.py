"""Fetching: what comes, and what a server may do to keep it from coming."""

import gzip
import itertools
import threading
import time
import tracemalloc
import zlib

import pytest

from llmkit.errors import InputError, PageError, PageRefused
from llmkit.web import download, fetch
from tests.support.site import PAGE, TEXT


def local(url, **settings):
    return fetch(url, allow_private=True, **settings)


def test_a_page_is_returned_as_a_document(site):
    url = site.page()
    document = local(url + "#place")
    assert document.page_content == TEXT
    assert document.metadata == {"source": url, "title": "A page", "language": "en"}


def test_requests_have_a_user_agent(site):
    url = site.page()
    local(url)
    local(url, cache=False, user_agent="school-project (mail@example.com)")
    agents = [headers["User-Agent"] for path, headers in site.asked if path == "/page"]
    assert agents[0].startswith("llmkit/")
    assert agents[1] == "school-project (mail@example.com)"


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_pages_are_unpacked(site, packing):
    body = gzip.compress(PAGE) if packing == "gzip" else zlib.compress(PAGE)
    assert local(site.page(body, Content_Encoding=packing)).page_content == TEXT


def test_content_codings_that_were_not_requested_are_refused(site):
    with pytest.raises(PageError, match="compressed with br, which was not asked for"):
        local(site.page(b"\x8b\x00\x80hi\x03", Content_Encoding="br"))


def test_redirects_are_followed(site):
    page = site.page(path="/end")
    site.put(lambda handler: handler.send(status=302, Location="end"), "/start")
    assert local(site.url + "/start").metadata["source"] == page


def test_five_redirects_and_no_more(site):
    for step in range(6):
        site.put(lambda handler, step=step: handler.send(status=307, Location=f"/{step + 1}"), f"/{step}")
    site.page(path="/6")
    assert local(site.url + "/1").page_content == TEXT
    with pytest.raises(PageError, match="redirects more than 5 times"):
        local(site.url + "/0")


def test_the_body_of_a_redirect_is_not_read(site):
    def answer(handler):
        handler.close_connection = True
        handler.send_response(302)
        handler.send_header("Location", "/end")
        handler.end_headers()
        for _ in itertools.count():
            handler.wfile.write(b"more" * 1000)

    site.page(path="/end")
    assert local(site.put(answer)).page_content == TEXT


def test_a_loop_of_redirects_ends(site):
    url = site.put(lambda handler: handler.send(status=301, Location="/page"))
    with pytest.raises(PageError, match="redirects more than 5 times"):
        local(url)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/", "http://[", "gopher://x"]
)
def test_a_redirect_must_lead_to_a_web_page(site, target):
    with pytest.raises(PageRefused, match="redirects to a URL that is not fetched"):
        local(site.put(lambda handler: handler.send(status=302, Location=target)))


def test_a_redirect_is_validated_like_a_url(site):
    with pytest.raises(PageRefused, match=r"169\.254\.169\.254"):
        local(site.put(lambda handler: handler.send(status=302, Location="http://169.254.169.254/latest/meta-data")))


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, "is not there"), (410, "is not there"), (403, "closed to programs"), (500, "answers 500"), (204, "204")],
)
def test_http_errors_raise_a_clear_error(site, status, error):
    url = site.page(b"", status=status)
    with pytest.raises(PageError, match=error) as caught:
        local(url)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_retried(site, status, monkeypatch):
    monkeypatch.setattr(download, "RETRY_DELAY", 0.01)
    answers = iter([(b"", status), (b"", status), (PAGE, 200)])
    assert local(site.put(lambda handler: handler.send(*next(answers)))).page_content == TEXT
    assert site.paths.count("/page") == 3


def test_a_busy_server_is_retried_at_most_three_times(site, monkeypatch):
    monkeypatch.setattr(download, "RETRY_DELAY", 0.01)
    with pytest.raises(PageError, match="busy"):
        local(site.page(b"", status=503))
    assert site.paths.count("/page") == 3


def test_a_retry_after_beyond_the_timeout_is_not_retried(site):
    with pytest.raises(PageError, match="asks to wait 3600 s"):
        local(site.page(b"", status=429, Retry_After="3600"))
    assert site.paths.count("/page") == 1


def test_large_pages_stop(site):
    with pytest.raises(PageError, match="more than 1000 bytes: raise max_bytes"):
        local(site.page(PAGE + b" " * 1000), max_bytes=1000)


def test_a_page_of_just_the_limit_passes(site):
    assert local(site.page(), max_bytes=len(PAGE)).page_content == TEXT


def test_a_body_without_end_stops(site):
    def endless(handler):
        handler.begin()
        for _ in itertools.count():
            handler.wfile.write(b"<p>more" * 1000)

    with pytest.raises(PageError, match="more than 100000 bytes"):
        local(site.put(endless), max_bytes=100_000)


def test_a_bomb_is_unpacked_no_further_than_the_limit(site):
    bomb = gzip.compress(bytes(50_000_000), compresslevel=9)
    url = site.page(bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(PageError, match="more than 1000000 bytes"):
            local(url, max_bytes=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_damaged_compression_raises_a_clear_error(site):
    with pytest.raises(PageError, match="is not compressed as its server says"):
        local(site.page(b"no gzip", Content_Encoding="gzip"))


def test_an_incomplete_page_raises_a_clear_error(site):
    def half(handler):
        handler.begin(Content_Length="1000")
        handler.wfile.write(PAGE)

    with pytest.raises(PageError, match="broke off"):
        local(site.put(half))


@pytest.fixture
def over():
    """Set at the end of a test, for servers that would never end."""
    event = threading.Event()
    yield event
    event.set()


def drip(handler, over, piece):
    while not over.wait(0.05):
        handler.wfile.write(piece)
        handler.wfile.flush()


def test_a_body_that_drips_is_cut(site, over):
    def answer(handler):
        handler.begin()
        drip(handler, over, b"x")

    with pytest.raises(PageError, match=r"took longer than 0\.5 s"):
        local(site.put(answer), timeout=0.5)


def test_headers_that_drip_are_cut(site, over):
    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        drip(handler, over, b"x")

    with pytest.raises(PageError, match=r"took longer than 0\.5 s"):
        local(site.put(answer), timeout=0.5)


@pytest.mark.slow
def test_a_truncated_body_is_never_accepted(site, over, own_pages):
    def answer(handler):
        handler.begin(Cache_Control="max-age=600")
        handler.wfile.write(PAGE)
        drip(handler, over, b" ")

    url = site.put(answer)
    for _ in range(2):
        with pytest.raises(PageError, match="took longer"):
            local(url, timeout=0.5)


def test_a_silent_server_is_not_waited_for(site, over):
    with pytest.raises(PageError, match=r"sent nothing for 0\.2 s"):
        local(site.put(lambda handler: over.wait(30)), read_timeout=0.2)


@pytest.mark.parametrize("headers", [{"X-Big": "x" * 100_000}, {f"X-{number}": "x" for number in range(200)}])
def test_headers_have_limits(site, headers):
    with pytest.raises(PageError, match="broke off"):
        local(site.put(lambda handler: handler.send(PAGE, **headers)))


def test_an_invalid_http_response_raises_a_clear_error(site):
    with pytest.raises(PageError, match="broke off"):
        local(site.put(lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")))


@pytest.mark.parametrize(
    ("kind", "error"),
    [("application/pdf", "is a PDF"), ("image/png", "is image/png"), ("application/json; charset=utf-8", "json")],
)
def test_other_content_types_are_refused_before_the_body_is_read(site, kind, error):
    with pytest.raises(PageRefused, match=error):
        local(site.page(b"", kind=kind))


def test_a_pdf_in_disguise_is_refused(site):
    with pytest.raises(PageRefused, match="is a PDF"):
        local(site.page(b"%PDF-1.7 ...", kind="text/html"))


def test_an_empty_page_raises_a_clear_error(site):
    with pytest.raises(PageError, match="no readable text"):
        local(site.page(b"<html><body><script>write('x')</script></body></html>"))


def test_a_refused_connection_raises_a_clear_error(site):
    with pytest.raises(PageError, match="not reached at port 1 "):
        local("http://127.0.0.1:1/")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["parsing.is_hidden", "blocks.is_beside_text", "main_text.resolve_controls"])
def test_a_page_that_takes_long_to_read_is_given_up(site, monkeypatch, step):
    def slow(*_):
        time.sleep(0.02 if step != "main_text.resolve_controls" else 1)
        return False

    url = site.page(b"<p>a" * 5_000)
    monkeypatch.setattr(f"llmkit.web.{step}", slow)
    started = time.monotonic()
    with pytest.raises(PageError, match=r"/page takes longer than 1 s to fetch and read: raise timeout"):
        local(url, timeout=1)
    assert time.monotonic() - started < 20  # all elements would take 100 s


@pytest.mark.parametrize("limit", ["max_bytes", "timeout", "connect_timeout", "read_timeout"])
def test_limits_must_be_limits(limit):
    with pytest.raises(InputError, match=limit):
        fetch("https://example.com/", **{limit: 0})


def test_no_secret_of_the_users_is_sent(site, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    local(site.page())
    assert all("Authorization" not in headers for _, headers in site.asked)

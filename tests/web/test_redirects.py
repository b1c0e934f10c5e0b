"""Where a redirect leads: a Location as servers write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch
from llmkit.web.redirects import redirect_url, resolve
from tests.support.site import PAGE, TEXT

BASE = "http://example.com/docs/a?x=1"


def local(url, **settings):
    return fetch(url, allow_private=True, **settings)


def redirect(site, *targets, path="/page", status=302):
    def answer(handler):
        handler.send_response(status)
        for target in targets:
            handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return site.put(answer, path)


@pytest.mark.parametrize(
    ("location", "requested"),
    [
        ("/caf\xe9", "/caf%E9"),
        ("/\xd6\xd0\xce\xc4", "/%D6%D0%CE%C4"),
        ("/q?x=\xf1&y=1", "/q?x=%F1&y=1"),
        ("/café".encode().decode("latin-1"), "/caf%C3%A9"),
        ("/中\N{IDEOGRAPHIC SPACE}文".encode().decode("latin-1"), "/%E4%B8%AD%E3%80%80%E6%96%87"),
        ("/caf%e9", "/caf%E9"),
        ("/new page", "/new%20page"),
        ("/q?w=two words", "/q?w=two%20words"),
        (" \t/new\t ", "/new"),
        ("\\new", "/new"),
        ("sub\\new", "/sub/new"),
        ("/new\x01", "/new"),
        ("/ne\x7fw", "/ne%7Fw"),
        ("/q?w=a\\b", "/q?w=a%5Cb"),
        ("new#part two", "/new"),
        ("./old/../new", "/new"),
        ("?page=2", "/page?page=2"),
        ("http:new", "/new"),
        ("/100%", "/100%25"),
    ],
)
@pytest.mark.parametrize("cache", [False, True])
def test_a_location_is_followed_as_in_a_browser(site, location, requested, cache):
    page = site.page(path=requested)
    assert local(redirect(site, location), cache=cache).metadata["source"] == page
    assert site.paths[-1] == requested


@pytest.mark.parametrize("form", ["{}", "//{}", "\\\\{}", "http:\\\\{}", "HTTP:///{}", "/\\{}", "http://{}"])
def test_the_host_of_a_location_can_have_any_form(site, form):
    page = site.page()
    authority = site.url.removeprefix("http://")
    if form == "{}":  # a path, in a browser, too
        form = "/page#{}"
    target = form.format(authority + ("" if form.startswith("/page") else "/page"))
    assert local(redirect(site, target, path="/start")).metadata["source"] == page


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("b", "http://example.com/docs/b"),
        ("", BASE),
        ("https:b", "https://b"),
        ("http:/b", "http://example.com/b"),
        ("//other.example\\b?c\\d", "http://other.example/b?c%5Cd"),
        ("//bücher.example/größe", "http://bücher.example/gr%C3%B6%C3%9Fe"),
        ("//b\udcfccher.example/gr\udcf6", "http://bücher.example/gr%F6"),
        ("\n /a\r\nb\t", "http://example.com/ab"),
        ("javascript:location='/x'", "javascript:location='/x'"),
    ],
)
def test_references_are_resolved_as_in_the_url_standard(reference, url):
    assert resolve(BASE, reference) == url


@given(st.text(max_size=30) | st.binary(max_size=30).map(lambda data: data.decode(errors="surrogateescape")))
def test_any_location_is_a_checked_url_or_refused(reference):
    try:
        url = redirect_url(BASE, reference)
    except PageRefused:
        return
    assert url.isascii()
    assert url.startswith(("http://", "https://"))
    assert redirect_url(url, url) == url


def test_an_empty_location_is_no_redirect(site):
    with pytest.raises(PageError, match=r"redirects \(302\), but does not say where to"):
        local(redirect(site, " "))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_that_leads_nowhere_is_a_page_if_it_has_a_text(site, status):
    assert local(site.put(lambda handler: handler.send(PAGE, status))).page_content == TEXT


def test_the_same_location_twice_is_one(site):
    site.page(path="/end")
    assert local(redirect(site, "/end", "/end")).page_content == TEXT


def test_two_targets_are_refused_as_browsers_do(site):
    with pytest.raises(PageError, match="several URLs at once"):
        local(redirect(site, "/end", "/other"))


@pytest.mark.parametrize("target", ["http://[::1", "http://a b/", "http://%00/", "//user:pw@127.0.0.1/", "data:,x"])
def test_a_redirect_to_another_resource_raises_an_error_that_names_it(site, target):
    with pytest.raises(PageRefused, match=r"/page redirects to a URL that is not fetched") as refused:
        local(redirect(site, target))
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "9" * 5000},
        {"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"},
        {"Date": "\xff", "Age": "x", "Expires": "Fri, 31 Dec 99999 23:59:59 GMT"},
        {"Cache-Control": f"max-age={'9' * 5000}, \xe9=, ,"},
        {"Refresh": "9" * 5000},
    ],
)
@pytest.mark.parametrize("cache", [False, True])
def test_no_header_ends_a_program(site, headers, cache):
    assert local(site.page(**headers), cache=cache).page_content == TEXT


@pytest.mark.parametrize("wait", ["9" * 5000, "Fri, 31 Dec 99999 23:59:59 GMT", "x"])
def test_a_wait_that_cannot_be_read_is_a_busy_page(site, wait, monkeypatch):
    monkeypatch.setattr("llmkit.web.download.RETRY_DELAY", 0.01)
    with pytest.raises(PageError, match=r"is busy \(503\)"):
        local(site.page(b"", status=503, Retry_After=wait))

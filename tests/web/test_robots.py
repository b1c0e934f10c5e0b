"""A site's robots.txt is asked for first, and kept to."""

import codecs
import gzip

import pytest

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch
from tests.support.site import TEXT

CLOSED = b"User-agent: *\nDisallow: /page"


def local(url, **settings):
    return fetch(url, allow_private=True, cache=False, **settings)


def test_a_page_disallowed_by_robots_txt_is_not_requested(site):
    site.page(CLOSED, "/robots.txt", kind="text/plain")
    with pytest.raises(PageRefused, match="may not be read by programs"):
        local(site.page())
    assert site.paths == ["/robots.txt"]


def test_it_can_be_switched_off(site):
    site.page(CLOSED, "/robots.txt", kind="text/plain")
    assert local(site.page(), respect_robots=False).page_content == TEXT
    assert site.paths == ["/page"]


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        (b"User-agent: *\nDisallow: /", False),
        (gzip.compress(b"User-agent: *\nDisallow: /", mtime=0), False),  # sent as it is, without Content-Encoding
        (b"User-agent: other\nDisallow: /", True),
        (b"User-agent: llmkit\nDisallow: /*age$", False),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: llmkit\nAllow: /", True),
        (b"\xff\xfe nonsense \x00", True),
        (b"", True),
    ],
)
def test_rules_are_parsed_as_in_the_standard(site, rules, allowed):
    site.page(rules, "/robots.txt", kind="text/plain")
    url = site.page()
    if allowed:
        assert local(url).page_content == TEXT
    else:
        with pytest.raises(PageRefused, match="robots"):
            local(url)


def test_no_rules_allow_all(site):
    assert local(site.page()).page_content == TEXT


def test_a_site_that_cannot_tell_allows_nothing(site):
    site.page(b"", "/robots.txt", status=500)
    with pytest.raises(PageError, match="answers 500"):
        local(site.page())
    assert "/page" not in site.paths


def test_robots_txt_is_requested_once(site):
    site.page(path="/other")
    local(site.page())
    local(site.url + "/other")
    assert site.paths == ["/robots.txt", "/page", "/other"]


def test_the_rules_of_where_a_redirect_leads_count(site):
    site.page(CLOSED, "/robots.txt", kind="text/plain")
    site.page()
    site.put(lambda handler: handler.send(status=302, Location="/page"), "/open")
    with pytest.raises(PageRefused, match="/page may not be read"):
        local(site.url + "/open")


def test_a_long_robots_txt_is_accepted(site):
    site.page(CLOSED + b"\n# " + b"x" * 2_000_000, "/robots.txt", kind="text/plain")
    with pytest.raises(PageRefused, match="robots"):
        local(site.page())


@pytest.mark.parametrize(
    "rules",
    [
        codecs.BOM_UTF8 + b"User-agent: *\nDisallow: /page",
        codecs.BOM_UTF8 * 2 + b"User-agent: *\nDisallow: /page",
        codecs.BOM_UTF8 + b"User-agent: llmkit\nDisallow: /\n\nUser-agent: *\nAllow: /",
        codecs.BOM_UTF8.decode("cp1252").encode() + b"User-agent: *\nDisallow: /page",
        "User-agent: *\r\nDisallow: /page".encode("utf-16"),
        codecs.BOM_UTF16_BE + "User-agent: *\nDisallow: /page".encode("utf-16-be"),
        "User-agent: *\nDisallow: /page".encode("utf-16-le"),
        "User-agent: *\nDisallow: /page".encode("utf-16-be"),
        "User-agent: *\nDisallow: /page".encode("utf-32"),
        b"\0User-agent: *\nDisallow: /page",
        "\u200bUser-agent: *\n\ufeffDisallow: /page".encode(),
        b"User-agent: *\rDisallow: /page\r",
        b"User-agent:\xa0*\nDisallow:\xa0/page",
        "User-agent:\N{NO-BREAK SPACE}*\nDisallow: /page".encode(),
        b"# caf\xe9\nUSER-AGENT:*\nDISALLOW:/page # \xff",
        b"<html><body><pre>User-agent: *\nDisallow: /page</pre></html>",
        b"<p>User-agent: *<br>Disallow: /page<p>",
        b"User-agent: LLMkit/1.0\nDisallow: /page",
        b"User-agent: llmkit (+https://example.com/bot) # all\nDisallow: /page",
        b"User-agent: other\r\nUser-agent: llmkit, another\r\nDisallow: /page",
    ],
)
def test_no_odd_form_of_a_file_opens_a_site(site, rules):
    site.page(rules, "/robots.txt", kind="text/plain")
    with pytest.raises(PageRefused, match="may not be read by programs"):
        local(site.page())
    assert site.paths == ["/robots.txt"]


@pytest.mark.parametrize(
    "body", [b"<!doctype html><title>Not found</title><p>User agents may look elsewhere.</p>", b"\xff\xfe", b"\0\0\0"]
)
def test_a_page_in_place_of_the_rules_closes_nothing(site, body):
    site.page(body, "/robots.txt")
    assert local(site.page()).page_content == TEXT


def test_bytes_of_a_path_are_those_of_its_url(site):
    site.page(b"User-agent: *\nDisallow: /caf\xe9", "/robots.txt", kind="text/plain")
    with pytest.raises(PageRefused, match="may not be read"):
        local(site.page(path="/caf%E9"))
    assert local(site.page(path="/caf%C3%A9")).page_content == TEXT


@pytest.mark.parametrize("status", [200, 203, 206])
def test_every_success_is_a_file(site, status):
    site.page(CLOSED, "/robots.txt", status=status)
    with pytest.raises(PageRefused, match="may not be read"):
        local(site.page())


def test_half_a_rule_at_the_limit_is_none(site, monkeypatch):
    rules = b"User-agent: *\nDisallow: /page\nAllow: /page-of-another-name"
    monkeypatch.setattr("llmkit.web.robots.MAX_BYTES", len(rules) - len(b"-of-another-name"))
    site.page(rules, "/robots.txt", kind="text/plain")
    with pytest.raises(PageRefused, match="may not be read"):
        local(site.page())


def test_a_path_is_checked_as_it_is_requested(site):
    site.page(CLOSED, "/robots.txt", kind="text/plain")
    site.page()
    with pytest.raises(PageRefused, match="may not be read"):
        local(f"{site.url}/open/%2e%2e/page")


@pytest.mark.parametrize(
    ("target", "path"), [("/r\xf3bots", "/r%F3bots"), ("/the rules", "/the%20rules"), ("\\rules", "/rules")]
)
def test_a_redirected_robots_txt_is_followed(site, target, path):
    site.put(lambda handler: handler.send(status=301, Location=target), "/robots.txt")
    site.page(CLOSED, path, kind="text/plain")
    with pytest.raises(PageRefused, match="may not be read"):
        local(site.page())


@pytest.mark.parametrize("target", ["/caf\xe9", "/not found", "/robots.txt", "", "ftp://a/", "http://[", "http://a b/"])
def test_a_redirect_to_no_rules_allows_all(site, target):
    site.put(lambda handler: handler.send(status=302, Location=target), "/robots.txt")
    assert local(site.page()).page_content == TEXT


@pytest.mark.parametrize("target", ["http://169.254.169.254/robots.txt", "http://127.0.0.1:1/robots.txt"])
def test_rules_that_are_not_reached_allow_nothing(site, target):
    site.put(lambda handler: handler.send(status=302, Location=target), "/robots.txt")
    with pytest.raises(PageError, match=r"robots\.txt cannot be read, so what the site allows is unknown"):
        local(site.page())
    assert "/page" not in site.paths


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_rules_that_cannot_be_decompressed_allow_nothing(site, coding):
    site.page(b"no gzip", "/robots.txt", Content_Encoding=coding)
    with pytest.raises(PageError, match=r"robots\.txt cannot be read, so what the site allows is unknown"):
        local(site.page())
    assert "/page" not in site.paths


@pytest.mark.parametrize("coding", ["gzip", "gzip,", "utf-8, x-gzip"])
def test_a_compressed_robots_txt_is_accepted(site, coding):
    site.page(gzip.compress(CLOSED), "/robots.txt", Content_Encoding=coding)
    with pytest.raises(PageRefused, match="may not be read"):
        local(site.page())

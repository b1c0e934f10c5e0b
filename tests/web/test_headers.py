"""Content-Type and Content-Encoding as servers write them."""

import gzip
import zlib

import pytest

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch, read
from llmkit.web.headers import content_codings, parse_content_type
from tests.support.site import PAGE, TEXT

XHTML = (
    b"<?xml version='1.0'?><!-- x --><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'xhtml1-strict.dtd'>\n"
    b"<html xmlns='http://www.w3.org/1999/xhtml'><body><p>The lift is repaired on Thursday.</p></body></html>"
)


def local(url):
    return fetch(url, allow_private=True, cache=False)


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        ("text/html", ("text/html", "")),
        ("", ("", "")),
        # the examples of https://fetch.spec.whatwg.org/#content-type-header
        ("text/plain;charset=gbk, text/html", ("text/html", "")),
        ("text/html;charset=gbk;a=b, text/html;x=y", ("text/html", "gbk")),
        ("text/html;charset=gbk, x/x, text/html;x=y", ("text/html", "")),
        ("text/html, cannot-parse", ("text/html", "")),
        ("text/html, */*", ("text/html", "")),
        ("text/html, ", ("text/html", "")),
        ("text/html, text/html; charset=utf-8", ("text/html", "utf-8")),
        ('Text/HTML ; CHARSET = "utf-8"', ("text/html", "utf-8")),
        ("text/html; charset='utf-8'", ("text/html", "utf-8")),
        ('text/html; title="a, b; charset=gbk"; charset=utf-8', ("text/html", "utf-8")),
        ("text/html;;charset=utf-8;", ("text/html", "utf-8")),
        ("text/html charset=utf-8", ("text/html", "utf-8")),
        ("text/html; charset=utf-8; charset=gbk", ("text/html", "utf-8")),
        ("text/html (a comment)", ("text/html", "")),
        ("html; charset=gbk", ("", "gbk")),
        ("html", ("", "")),
        ("*/*", ("", "")),
        ("unknown/unknown", ("", "")),
        ("text/", ("", "")),
    ],
)
def test_the_type_is_the_one_that_browsers_take(header, parsed):
    assert parse_content_type(header) == parsed


@pytest.mark.parametrize(
    "kind",
    [
        "text/html, text/html; charset=utf-8",
        "html",
        "text/html charset=utf-8",
        "*/*",
        "text/html;;",
        "utf-8",
        ",",
        None,
    ],
)
def test_a_page_with_a_strange_type_is_read(site, kind):
    assert local(site.page(kind=kind)).metadata["title"] == "A page"


def test_two_lines_are_one_list(site):
    assert local(site.page(kind="text/plain", Content_Type="text/html")).page_content == TEXT


def test_the_charset_of_an_earlier_member_counts(site):
    body = "<p>café €5</p>".encode("gbk", "ignore")
    assert local(site.page(body, kind="text/html; charset=gbk, text/html")).page_content == body[3:-4].decode("gbk")


def test_a_charset_that_is_no_encoding_of_text_is_passed_over(site):
    for charset in ("hex", "idna", "undefined", "zlib", "utf-7", "punycode", "unicode_escape"):
        url = site.page("<p>Café</p>".encode(), kind=f"text/html; charset={charset}")
        assert local(url).page_content == "Café"


@pytest.mark.parametrize("kind", ["text/xml", "application/xml; charset=utf-8", "application/vnd.wap.xhtml+xml"])
def test_xhtml_can_have_the_content_type_of_xml(site, kind):
    assert local(site.page(XHTML, kind=kind)).page_content == TEXT


def test_other_xml_raises_an_error_that_names_its_type(site):
    feed = b"<?xml version='1.0'?><rss><channel><title>html</title></channel></rss>"
    with pytest.raises(PageRefused, match="is text/xml and not XHTML"):
        local(site.page(feed, kind="text/xml"))


def test_a_hostile_header_or_prolog_takes_no_time():
    assert parse_content_type("a" * 65_000) == ("", "")
    assert parse_content_type('text/html; "' + "\\" * 65_000) == ("text/html", "")
    with pytest.raises(PageRefused, match="not XHTML"):
        read(b"<!---->" * 50_000, content_type="text/xml")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xef\xbb\xbf\n <!-- saved --><p>One<p>two", "One\n\ntwo"),
        (b"<my-page>One</my-page>", "One"),
        (b"Write <b>words</b> so.", "Write <b>words</b> so."),
        (b"<3 is a heart", "<3 is a heart"),
    ],
)
def test_a_body_without_a_type_is_looked_at(site, body, text):
    assert local(site.page(body, kind=None)).page_content == text


@pytest.mark.parametrize(
    "coding", ["utf-8", "none", "identity", "", ",", "text/html", "8bit, binary", "UTF-8,identity"]
)
def test_a_coding_that_is_none_is_passed_over(site, coding):
    assert local(site.page(Content_Encoding=coding)).page_content == TEXT


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip,", gzip.compress(PAGE, mtime=0)),
        ("GZip", gzip.compress(PAGE, mtime=0)),
        ("x-gzip", gzip.compress(PAGE, mtime=0)),
        ("identity, gzip", gzip.compress(PAGE, mtime=0)),
        ("gzip, utf-8", gzip.compress(PAGE, mtime=0)),
        ("none,deflate", zlib.compress(PAGE)),
        ("deflate, gzip", gzip.compress(zlib.compress(PAGE), mtime=0)),
    ],
)
def test_codings_are_a_list(site, coding, body):
    assert local(site.page(body, Content_Encoding=coding)).page_content == TEXT


def test_two_lines_of_codings_are_one_list():
    assert content_codings(["utf-8", "deflate", '"gzip";q=1 ,']) == ["deflate", "gzip"]


@pytest.mark.parametrize("coding", ["zstd", "gzip, br", "compress"])
def test_an_unrequested_content_coding_raises_an_error_that_names_it(site, coding):
    with pytest.raises(PageError, match=f"compressed with {coding.rpartition(' ')[2]}, which was not asked for"):
        local(site.page(b"\x28\xb5\x2f\xfd", Content_Encoding=coding))


def test_a_page_from_a_proxy_is_a_page(site):
    assert local(site.page(status=203)).page_content == TEXT

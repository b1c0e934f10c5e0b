"""Pages that only say where the text is."""

import pytest

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch, read
from llmkit.web.client_redirects import parse_refresh
from tests.support.site import TEXT

STORY = "".join(f"<p>The lift has stood still for {day} days, and no one knows why it does so.</p>" for day in range(9))
MIKE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>Redirecting</title>
<noscript><meta http-equiv="refresh" content="1; url=page" /></noscript>
<script>window.location.replace("page" + window.location.search + window.location.hash);</script>
</head><body>Redirecting to <a href="page">page</a>...</body></html>"""
JEKYLL = """<!DOCTYPE html><html lang="en-US"><meta charset="utf-8"><title>Redirecting&hellip;</title>
<link rel="canonical" href="/page"><script>location="/page"</script><meta http-equiv="refresh" content="0; url=/page">
<meta name="robots" content="noindex"><h1>Redirecting&hellip;</h1>
<a href="/page">Click here if you are not redirected.</a></html>"""


def local(url, **settings):
    return fetch(url, allow_private=True, cache=False, **settings)


def refresh(content, rest=""):
    return f'<html><head><meta http-equiv=refresh content="{content}"></head><body>{rest}</body></html>'


def start(site, html, **settings):
    site.page()
    return site.page(html.encode(), "/start", **settings)


@pytest.mark.parametrize(
    ("content", "parsed"),
    [
        ("0;url=/b", (0, "/b")),
        ("0; URL='/b'", (0, "/b")),
        ("5,url=/b", (5, "/b")),
        (' 3 ; Url = "/b" rest', (3, "/b")),
        ("0 /b", (0, "/b")),
        ("0;/b", (0, "/b")),
        ("0; '/b", (0, "/b")),
        ("1.9;url=/b", (1, "/b")),
        (".5;url=/b", (0, "/b")),
        ("0;urlx=/b", (0, "urlx=/b")),
        ("0\n;\turl\n=\n/b", (0, "/b")),
        ("300", None),
        ("0;", None),
        ("0;url=", None),
        ("0;url=''", None),
        ("5x;url=/b", None),
        ("-1;url=/b", None),
        ("url=/b", None),
        ("", None),
    ],
)
def test_a_refresh_is_parsed_as_in_the_html_standard(content, parsed):
    assert parse_refresh(content) == parsed


@pytest.mark.parametrize(
    "html",
    [
        refresh("0; url=/page"),
        refresh("0;URL=page"),
        refresh("0; url='page'", STORY),
        refresh("1,page", STORY),
        refresh("10; url=page", "We have moved."),
        "<p>Moved.<META HTTP-EQUIV='Refresh' CONTENT='2;URL=page'>",
        "<base href=/x/><meta http-equiv=refresh content='0;url=../page'>",
        "<meta http-equiv=refresh content='0;url=javascript:x()'><meta http-equiv=refresh content='0;url=page'>",
        "<!-- <meta http-equiv=refresh content='0;url=/no'> --><meta http-equiv=refresh content=0;page>",
        MIKE,
        JEKYLL,
        "<noscript><meta http-equiv=refresh content='0;url=page'></noscript><div></div><script src=x.js></script>",
    ],
)
def test_a_refresh_is_followed(site, html):
    document = local(start(site, html))
    assert (document.page_content, document.metadata["source"]) == (TEXT, f"{site.url}/page")


@pytest.mark.parametrize("value", ["0; url=/page", "0;URL='page'", "0, http:page", "5;/page"])
@pytest.mark.parametrize("kind", ["text/html", "text/plain", None])
def test_a_refresh_header_is_followed(site, value, kind):
    assert local(start(site, "", Refresh=value, kind=kind)).metadata["source"] == f"{site.url}/page"


def test_a_refresh_header_has_bytes_as_a_location_has(site):
    site.page(path="/caf%E9")
    assert local(start(site, "", Refresh="0;url=/caf\xe9")).page_content == TEXT


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (refresh("30; url=/page", "<p>Slide one."), "Slide one."),
        (refresh("5; url=/page", STORY), "The lift has stood still for 0 days"),
        (refresh("5; url=/start", "<p>Live: 2 to 1."), "Live: 2 to 1."),
        (refresh("60", "<p>Live: 2 to 1."), "Live: 2 to 1."),
        (refresh("0; url=#top", "<p>Words."), "Words."),
        (refresh("0; url=mailto:a@example.com", "<p>Words."), "Words."),
        (refresh("60; url=/page", "<p>Words.<meta http-equiv=refresh content='0;url=/page'>"), "Words."),
        ("<p>Words.<template><meta http-equiv=refresh content='0;url=/page'></template>", "Words."),
        ("<p>Words.<noscript><meta http-equiv=refresh content='0;url=/page'></noscript><script>f()</script>", "Words."),
        ("<p>Words.<!-- <meta http-equiv=refresh content='0;url=/page'> -->", "Words."),
        ("<p>Words.<script>function go() { location.href = '/page' }</script>", "Words."),
        ("<p>Words.<script>if (top != self) top.location = '/page'</script>", "Words."),
        ("<p>Words.<script>// location.href = '/page'\nx = \"location='/page'\"</script>", "Words."),
        ("<p>Words.<iframe src=/page></iframe>", "Words."),
        (STORY + "<script>location.href = '/page'</script>", "The lift has stood still for 0 days"),
    ],
)
def test_a_refresh_page_with_text_is_read(site, html, text):
    url = start(site, html)
    document = local(url)
    assert document.page_content.startswith(text)
    assert document.metadata["source"] == url


def test_a_refresh_header_has_priority_over_the_page(site):
    assert local(start(site, refresh("0;url=/other"), Refresh="0;url=/page")).page_content == TEXT


def test_refreshes_count_as_redirects(site):
    for step in range(6):
        if step % 2:
            site.put(lambda handler, step=step: handler.send(status=302, Location=f"/{step + 1}"), f"/{step}")
        else:
            site.page(refresh(f"0;url=/{step + 1}").encode(), f"/{step}")
    site.page(path="/6")
    assert local(f"{site.url}/1").page_content == TEXT
    with pytest.raises(PageError, match="redirects more than 5 times"):
        local(f"{site.url}/0")


def test_a_loop_of_refreshes_ends(site):
    with pytest.raises(PageError, match="redirects more than 5 times"):
        local(start(site, refresh("0;url=/start")))
    assert site.paths.count("/start") == 6


@pytest.mark.parametrize(
    "html", [refresh("0;url=/page"), "<frameset><frame src=/page></frameset>", "<iframe src=/page></iframe>"]
)
def test_robots_txt_is_checked_for_the_target_of_a_refresh(site, html):
    site.page(b"User-agent: *\nDisallow: /page", "/robots.txt", kind="text/plain")
    with pytest.raises(PageRefused, match="/page may not be read by programs"):
        local(start(site, html))
    assert "/page" not in site.paths


@pytest.mark.parametrize(
    "form", [refresh("0;url={}"), "<frameset><frame src='{}'></frameset>", "<iframe src='{}'></iframe>"]
)
def test_where_a_page_leads_is_checked(site, form):
    with pytest.raises(PageRefused, match=r"169\.254\.169\.254"):
        local(start(site, form.format("http://169.254.169.254/latest")))
    with pytest.raises(PageRefused, match="redirects to a URL that is not fetched"):
        local(start(site, form.format("http://user:pw@127.0.0.1/")))


@pytest.mark.parametrize(
    "html",
    [
        "<frameset rows='100%,*'><frame src=page><noframes>No frames?</noframes></frameset>",
        "<FRAMESET><FRAME SRC=page><FRAME SRC=about:blank><FRAME></FRAMESET>",
        "<title>My site</title><body><iframe src=page width='100%' height='100%'></iframe>",
    ],
)
def test_a_single_frame_is_the_page(site, html):
    assert local(start(site, html)).metadata["source"] == f"{site.url}/page"


def test_multiple_frames_are_listed_in_the_error(site):
    url = start(site, "<frameset cols='20%,80%'><frame src=menu><frame src=page></frameset>")
    with pytest.raises(PageError, match="shows other pages in frames") as error:
        local(url)
    assert str(error.value).endswith(f"{site.url}/menu, {site.url}/page")


@pytest.mark.parametrize(
    "script",
    [
        "location.href='page'",
        'window.location = "/page";',
        "document.location.replace('page')",
        "var a = 1;\ntop.location.assign(`/page`)",
        "window.onload = function() { self.location = '/page' }",
        "setTimeout(function () { location.href = 'page' }, 100)",
    ],
)
@pytest.mark.parametrize("rest", ["", "<p>Redirecting…</p>"])
def test_a_redirect_by_script_is_named(site, script, rest):
    with pytest.raises(PageError, match=r"/start only leads to \S+/page, by a script"):
        local(start(site, f"<script>{script}</script>{rest}"))


def test_a_script_that_runs_when_the_page_is_loaded_is_one(site):
    with pytest.raises(PageError, match="/page, by a script"):
        local(start(site, "<body onload=\"location='/page'\"><p>One moment, please.</p>"))


@pytest.mark.parametrize(
    ("html", "error"),
    [
        ("<div id=app></div><script src=app.js></script>", "scripts made it"),
        ("<script>location.replace(target)</script>", "scripts made it"),
        ("<img src=a.png>", "check in a browser"),
        ("<script type=application/ld+json>{}</script>", "check in a browser"),
        ("", "check in a browser"),
        (refresh("30; url=/page"), "leads to .*/page after a while: give that URL"),
        (refresh("600; url=/page") + "<iframe src=/a></iframe><iframe src=/b></iframe>", "frames: .*/a, .*/b$"),
    ],
)
def test_an_empty_page_raises_an_error_with_the_reason(site, html, error):
    with pytest.raises(PageError, match=error):
        local(start(site, html))


def test_a_saved_refresh_page_raises_an_error_with_its_target():
    with pytest.raises(PageError, match=r"only leads to https://example\.com/page: read that page"):
        read(JEKYLL, "https://example.com/start")
    assert read(refresh("0;url=/page", STORY), "https://example.com/start").page_content.startswith("The lift has")


@pytest.mark.parametrize(
    ("html", "error"),
    [
        (MIKE, "only leads to page: read that page"),
        (refresh("0;url=../page.html"), r"only leads to \.\./page\.html: read that page"),
        ("<frameset><frame src=a_files/menu.html><frame src=a_files/page.html></frameset>", "a_files/menu.html, a_fil"),
        ("<script>location.href='/page'</script>", "only leads to /page, by a script"),
    ],
)
def test_a_saved_refresh_page_of_unknown_url_raises_an_error_with_its_reference(html, error):
    for url in ("", "saved.html"):
        with pytest.raises(PageError, match=error):
            read(html, url)


def test_a_saved_refresh_page_with_text_is_read():
    assert read(refresh("30;url=/page", "<p>Words.")).page_content == "Words."
    assert read("<p>Words.<script>if (a) location.href = '/page'</script>").page_content == "Words."

"""A site's robots.txt is asked for first, and kept to."""

import pytest

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch
from tests.support.site import TEXT

CLOSED = b"User-agent: *\nDisallow: /page"


def local(url, **settings):
    return fetch(url, allow_private=True, cache=False, **settings)


def test_a_page_that_is_closed_to_programs_is_not_asked_for(site):
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
        (b"User-agent: other\nDisallow: /", True),
        (b"User-agent: llmkit\nDisallow: /*age$", False),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: llmkit\nAllow: /", True),
        (b"\xff\xfe nonsense \x00", True),
        (b"", True),
    ],
)
def test_rules_are_read_as_the_standard_says(site, rules, allowed):
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


def test_rules_are_asked_for_once(site):
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


def test_rules_may_be_long(site):
    site.page(CLOSED + b"\n# " + b"x" * 2_000_000, "/robots.txt", kind="text/plain")
    with pytest.raises(PageRefused, match="robots"):
        local(site.page())

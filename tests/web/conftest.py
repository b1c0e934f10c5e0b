"""Every test of pages has its own cache, and asks for each robots.txt anew."""

import pytest

from llmkit.web import robots
from tests.web.site import serving


@pytest.fixture(autouse=True)
def own_pages(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("LLMKIT_CACHE", str(cache))
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    robots.forget()
    return cache


@pytest.fixture
def site():
    with serving() as site:
        yield site

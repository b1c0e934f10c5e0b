"""Every test of pages has its own cache, and the authorities that all have."""

import pytest


@pytest.fixture(autouse=True)
def nothing_is_known_yet(own_pages, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)

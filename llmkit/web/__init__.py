"""Web pages as readable Documents: fetched with care, and read as a person would see them.

urls (is it a page's address?) -> addresses, transport (which machine may be asked) -> robots (does the site agree?)
-> download (redirects, limits, retries, the cache) -> charset, visible (what a reader sees) -> reading (the Document).
requests, beautifulsoup4 and trafilatura are loaded at the first use.
"""

from __future__ import annotations

from llmkit.web.extraction import read
from llmkit.web.fetching import fetch
from llmkit.web.fragments import text_fragment

__all__ = ["fetch", "read", "text_fragment"]

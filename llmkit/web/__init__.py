"""Web pages as readable Documents: fetched safely, and read as a person would see them.

fetching -> urls (is it the URL of a page?) -> transport, ssrf (which addresses may be connected to) -> robots (does the
site allow it?) -> download (redirects, limits, retries, the cache) -> extraction (the Document) -> visible, main_text.
requests, beautifulsoup4 and trafilatura are loaded when first used.
"""

from __future__ import annotations

from llmkit.web.extraction import read
from llmkit.web.fetching import fetch
from llmkit.web.fragments import text_fragment

__all__ = ["fetch", "read", "text_fragment"]

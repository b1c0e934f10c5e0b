"""Web pages as readable Documents: fetched safely, and read as a person would see them.

- fetching: from a URL to a Document.
    - urls: is it the URL of a page? robots: does the site allow it?
    - download: limits and retries; redirects, headers, cache; transport and ssrf: which addresses may be connected to.
- extraction: from HTML to a Document.
    - charset: bytes as text. client_redirects: does the page lead elsewhere by itself?
    - visible: the elements that a person sees. controls: buttons, labels and forms.
    - main_text: the title, the language, and the blocks of the main text.
    - blocks, with inline, superscripts, tables and elements: the text as a browser shows it.
    - selection, with marked_page and loose_text: the blocks that trafilatura takes for the main text.
- fragments: links to a quote in a page.

requests, beautifulsoup4 and trafilatura are loaded when first used.
"""

from __future__ import annotations

from llmkit.web.extraction import read
from llmkit.web.fetching import fetch
from llmkit.web.fragments import text_fragment

__all__ = ["fetch", "read", "text_fragment"]

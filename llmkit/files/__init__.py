"""Files as Documents: plain text in any Unicode encoding, saved web pages, subtitles and PDFs.

loading -> formats (is it text at all, or what else?) -> pdf, web_pages, subtitles, or encodings (plain text).
A file of another format is an error that names the format, and a way to make text of it.
"""

from __future__ import annotations

from llmkit.files.loading import load, read

__all__ = ["load", "read"]

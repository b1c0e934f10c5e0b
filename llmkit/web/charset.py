"""The charset of a page, as browsers find it: byte order mark, HTTP header, declaration in the page, or a guess.

The order and the meaning of labels are those of the HTML and Encoding standards (WHATWG); the guess is that of Firefox,
which knows these encodings only. UTF-16 without a mark is recognized, whatever is declared: no other text has its NUL
bytes. Browsers show the markup of such pages instead.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from llmkit.text.unmarked_encodings import find_unmarked_encoding

# fmt: off
_TLD_OF_LANGUAGE = {
    "ar": "sa", "be": "by", "bs": "ba", "ca": "es", "cs": "cz", "da": "dk", "el": "gr", "en": "us", "et": "ee",
    "eu": "es", "fa": "ir", "gl": "es", "he": "il", "iw": "il", "ja": "jp", "ka": "ge", "kk": "kz", "ko": "kr",
    "nb": "no", "nn": "no", "sl": "si", "sq": "al", "sr": "rs", "sv": "se", "uk": "ua", "ur": "pk", "vi": "vn",
    "zh-cn": "cn", "zh-hans": "cn", "zh-hant": "tw", "zh-hk": "hk", "zh-mo": "mo", "zh-sg": "cn", "zh-tw": "tw",
}
_LEGACY_CHARSET = {
    "az": "cp1254", "cz": "cp1250", "ee": "cp1257", "hr": "cp1250", "hu": "cp1250", "lt": "cp1257", "lv": "cp1257",
    "pl": "cp1250", "ro": "cp1250", "si": "cp1250", "sk": "cp1250", "tr": "cp1254", "vn": "cp1258",
}
"""What to take, in a country whose pages are not written in windows-1252, if the guess is that."""
# fmt: on
_LABELS = {"iso-8859-8-i": "iso8859-8", "x-mac-cyrillic": "mac-cyrillic"}
"""Names of the Encoding standard that Python does not know."""
_NOT_OF_THE_WEB = {"utf-7", "punycode", "unicode-escape", "raw-unicode-escape"}
_LANGUAGE = re.compile(rb"<html\b[^<>]{0,2000}?\blang\s*=\s*[\"']?\s*([a-z]{2,3}(?:-[a-z]{2,8})?)\b", re.IGNORECASE)
_MARKUP = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)|<[a-z/!?][^<>]*>", re.IGNORECASE | re.DOTALL
)
_ISO_2022_JP = re.compile(rb"\x1b(?:\$[@B]|\([BJI])")
_MAX_BROKEN = 0.1
"""The share of broken characters up to which a text is UTF-8 all the same."""
_SAMPLE = 1 << 18


def decode(body: bytes, content_type: str = "", url: str = "") -> str:
    """Decode a page or plain text; bytes that are wrong in its charset become U+FFFD.

    Args:
        body: the bytes of the page.
        content_type: the server's header.
        url: where the page is from: the top-level domain is a hint where no charset is declared.

    References:
        https://html.spec.whatwg.org/multipage/parsing.html#determining-the-character-encoding
    """
    from w3lib.encoding import http_content_type_encoding, read_bom, to_unicode

    by_mark, mark = read_bom(body)
    if by_mark and mark:
        return to_unicode(body[len(mark) :], by_mark)
    if unmarked := find_unmarked_encoding(body):
        return body.decode(unmarked, "replace")
    is_plain = content_type.lower().lstrip().startswith("text/plain")
    charset = http_content_type_encoding(content_type) or (None if is_plain else _declared(body))
    return to_unicode(body, charset if charset and _is_of_text(charset) else guess(body, url))


def _is_of_text(charset: str) -> bool:
    """Return whether a codec of Python is one of text on the web: a page may declare names such as `hex` and `idna`."""
    try:
        b"a\xff".decode(charset, "replace")
    except (LookupError, ValueError):
        return False
    return charset not in _NOT_OF_THE_WEB


def _declared(body: bytes) -> str | None:
    """Return the charset in a `meta` element or an XML declaration.

    A page in which these could be read as ASCII is not UTF-16, whatever they say: the standard takes UTF-8.
    """
    from w3lib.encoding import html_body_declared_encoding

    declared = html_body_declared_encoding(body)
    return "utf-8" if declared and declared.startswith(("utf-16", "utf-32")) else declared


def guess(body: bytes, url: str = "") -> str:
    """Guess the charset by the text, with the language and the top-level domain as hints.

    References:
        chardetng, the detector of Firefox: https://github.com/hsivonen/chardetng
    """
    from chardetng_py import EncodingDetector
    from w3lib.encoding import resolve_encoding

    if _ISO_2022_JP.search(body):
        return "iso2022_jp"
    if _is_utf8(body):
        return "utf-8"
    text = _MARKUP.sub(b" ", body)[:_SAMPLE]
    detector = EncodingDetector()
    detector.feed(text, last=True)
    hint = _top_level_domain(body, url)
    guessed = str(detector.guess(tld=hint.encode() or None, allow_utf8=False)).lower()
    charset = _LABELS.get(guessed) or resolve_encoding(guessed) or "cp1252"
    if charset == "cp1252":
        charset = _LEGACY_CHARSET.get(hint, charset)
    return charset if _writes_words(text, charset) else "cp1252"


def _is_utf8(body: bytes) -> bool:
    """Return whether the bytes are UTF-8, but for a few that are broken."""
    text = body.decode(errors="replace")
    broken = text.count("\ufffd")
    return not broken or broken <= _MAX_BROKEN * sum(character > "\x7f" for character in text if character != "\ufffd")


def _top_level_domain(body: bytes, url: str) -> str:
    """Return the top-level domain of the page's language, else that of its URL; empty where neither is known."""
    if found := _LANGUAGE.search(body[:_SAMPLE]):
        language = found[1].decode().lower()
        short = language.partition("-")[0]
        if domain := _TLD_OF_LANGUAGE.get(language) or _TLD_OF_LANGUAGE.get(short) or ("" if short == "zh" else short):
            return domain
    domain = (urlsplit(url).hostname or "").rpartition(".")[2]
    return domain if domain.isascii() and not domain.isdecimal() and ":" not in domain else ""


def _writes_words(text: bytes, charset: str) -> bool:
    """Return whether the letters that a charset makes of the signs of windows-1252 stand beside letters.

    `£12` is `Ł12` in windows-1250, but a letter alone is no word; `dzia³a` is `działa`.
    """
    if not charset.startswith(("cp125", "iso8859")):
        return True
    western, guessed = text.decode("cp1252", "replace"), text.decode(charset, "replace")
    differences = [at for at, (one, other) in enumerate(zip(western, guessed, strict=True)) if one != other]
    return not differences or any(
        western[at].isalpha() or any(c.isalpha() for c in guessed[max(0, at - 1) : at] + guessed[at + 1 : at + 2])
        for at in differences
    )

"""UTF-16 and UTF-32 without a byte order mark, recognized by their bytes.

No text in another encoding has so many NUL bytes and control characters: in UTF-16 they are the first halves of the
units of small alphabets, of spaces and of line ends, and by chance the second halves of ideographs. One order of the
bytes makes letters of one or two scripts of them, the other makes letters of many.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

TEXT_CONTROLS = frozenset(b"\t\n\x0b\x0c\r\x1b")
"""Control characters that a text in any encoding may have."""

_SAMPLE = 1 << 14  # bytes
_MIN_CUT = 16
"""The least bytes of a text that was cut in the middle of a character."""
_MIN_CONTROLS = 0.02
_MIN_UNPRINTABLE = 0.2
"""The least shares of NUL and control bytes, and of all bytes that are no printable ASCII."""
_MAX_BAD = 0.01
"""The most characters that no text has: controls, and code points without a character."""
_MIN_LIKELY = 0.85
"""The least share of characters that are no letters of a third script."""
_EAST_ASIAN = frozenset(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO", "IDEOGRAPHIC"))


def find_unmarked_encoding(data: bytes) -> str | None:
    """Return the encoding of bytes that can only be UTF-16 or UTF-32; `None` for any other.

    A cut at the end is no reason against it: decoding tells of that.

    References:
        The HTML standard recognizes `<?x` in UTF-16 in the same way:
        https://html.spec.whatwg.org/multipage/parsing.html#prescan-a-byte-stream-to-determine-its-encoding
    """
    sample = data[:_SAMPLE]
    if not _has_halves(sample) or (len(data) % 2 and len(data) < _MIN_CUT):
        return None
    rated = [
        (_likelihood(text), encoding)
        for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
        if (text := _decode(sample, encoding))
    ]
    likelihood, best = max(rated, default=(0.0, ""))
    return best if likelihood >= _MIN_LIKELY else None


def _has_halves(sample: bytes) -> bool:
    """Return whether the bytes are no text of bytes, by their NUL and control bytes."""
    controls = sum(byte < 32 and byte not in TEXT_CONTROLS for byte in sample)
    unprintable = sum(not 32 <= byte < 127 for byte in sample)
    return controls > _MIN_CONTROLS * len(sample) and unprintable > _MIN_UNPRINTABLE * len(sample)


def _decode(sample: bytes, encoding: str) -> str:
    """Return the sample as text, without what is cut at its end; empty if it is in another encoding."""
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError as error:
        is_cut = len(sample) - error.start < 4
        return sample[: error.start].decode(encoding) if is_cut else ""


def _likelihood(text: str) -> float:
    """Return the share of characters that a text in two scripts may have, and more for ASCII; 0 for no text."""
    categories = [unicodedata.category(character) for character in text]
    bad = sum(
        category in ("Cn", "Co") or (category == "Cc" and ord(character) not in TEXT_CONTROLS)
        for character, category in zip(text, categories, strict=True)
    )
    if bad > _MAX_BAD * len(text):
        return 0.0
    letters = (character for character, category in zip(text, categories, strict=True) if category[0] in "LM")
    scripts = Counter(_script(letter) for letter in letters if not letter.isascii())
    rare = scripts.pop("", 0)
    unlikely = rare + sum(scripts.values()) - sum(count for script, count in scripts.most_common(2))
    return 1 - unlikely / len(text) + sum(map(str.isascii, text)) / len(text)


def _script(letter: str) -> str:
    """Return the script of a letter, the first word of its name; empty for rare ideographs and syllables."""
    script = unicodedata.name(letter, "").partition(" ")[0]
    if script in ("CJK", "HANGUL") and not _is_common(letter):
        return ""
    return "CJK" if script in _EAST_ASIAN else script


def _is_common(letter: str) -> bool:
    """Return whether a national standard counts an ideograph or a syllable as common (in Big5: its first level)."""
    for charset, last in (("gb2312", 0xFF), ("shift_jis", 0xFF), ("big5", 0xC6), ("euc_kr", 0xFF)):
        encoded = letter.encode(charset, errors="ignore")
        if len(encoded) == 2 and encoded[0] <= last:
            return True
    return False

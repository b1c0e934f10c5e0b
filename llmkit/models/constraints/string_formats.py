"""Formats of strings as regular expressions: those of JSON schema, pydantic and OpenAPI, as Python can read them.

The grammar compiler follows the standards, by which second 60, year 0 or durations of any length are valid.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_COMPILED = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
"""Formats that the grammar compiler knows."""

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = "(?:0[1-9]|1[0-9]|2[0-8])"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-{_DAY}|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)|{_LEAP_YEAR}-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_OFFSET = "(?:Z|[-+](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_GROUP = "[0-9a-f]{1,4}"
_IPV6 = rf"(?:(?:{_GROUP}:){{7}}{_GROUP}|(?:{_GROUP}:){{1,3}}(?::{_GROUP}){{1,3}}|::(?:{_GROUP})?)"
_HEX = "[0-9a-fA-F]"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:(?:{_LABEL}\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?|{_IPV4}|\[::1\])"
_PORT = "(?::(?:[1-5][0-9]{4}|6[0-4][0-9]{3}|[1-9][0-9]{0,3}))"
_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*:"
_USER = "(?:[A-Za-z0-9._~%-]+(?::[A-Za-z0-9._~%-]*)?@)"
_COUNT = "[0-9]{1,6}"
_DIGITS = "(?:0|[1-9][0-9]*)"

INTEGER, NUMBER = f"-?{_DIGITS}", rf"-?{_DIGITS}(?:\.[0-9]+)?"
"""Numbers as strings."""


def _letters_except(words: Iterable[str], length: int) -> str:
    """Return the pattern of as many letters that are none of these words, in any case."""
    rest = [word for word in words if word]
    if not rest:
        return f"[A-Za-z]{{{length}}}" if length else ""
    firsts = sorted({word[0] for word in rest})
    others = "".join(letter for letter in string.ascii_lowercase if letter not in firsts)
    options = [f"[{others}{others.upper()}]" + (f"[A-Za-z]{{{length - 1}}}" if length > 1 else "")]
    for first in firsts if length > 1 else ():
        after = _letters_except([word[1:] for word in rest if word[0] == first], length - 1)
        options.append(f"[{first}{first.upper()}]{after}")
    return f"(?:{'|'.join(options)})"


_RESERVED = ("arpa", "invalid", "local", "localhost", "onion", "test")
"""Names that email-validator takes for no domain's end (https://www.rfc-editor.org/rfc/rfc6761)."""
_DOMAIN_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_OTHER = "\u00a1-\ud7ff"  # letters beyond ASCII
_DOMAIN_END = "|".join(
    _letters_except([word for word in _RESERVED if len(word) == length], length) for length in range(2, 10)
)
_DOMAIN = rf"(?:{_DOMAIN_LABEL}\.){{1,3}}(?:{_DOMAIN_END}|[A-Za-z]{{10,24}})"
_IDN_LABEL = f"[A-Za-z0-9{_OTHER}](?:[A-Za-z0-9{_OTHER}-]*[A-Za-z0-9{_OTHER}])?"
_WORD = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"


def _network_sizes() -> Iterator[str]:
    """Yield IPv4 networks for each length of the prefix: the bits behind it are zero."""
    for size in range(33):
        count, bits = divmod(size, 8)
        parts = [_BYTE] * count
        if bits:
            parts.append(f"(?:{'|'.join(map(str, range(0, 256, 2 ** (8 - bits))))})")
        yield r"\.".join([*parts, *["0"] * (4 - len(parts))]) + f"/{size}"


_PATTERNS: dict[str, str] = {
    "date": _DATE,
    "time": rf"{_TIME}{_OFFSET}",
    "date-time": f"{_DATE}T{_TIME}{_OFFSET}",
    "date-time-local": f"{_DATE}T{_TIME}",
    "time-local": _TIME,
    "duration": f"P(?:(?:{_COUNT}[YMWD])+(?:T(?:{_COUNT}[HMS])+)?|T(?:{_COUNT}[HMS])+)",
    "email": rf"[^@]{{1,64}}@{_DOMAIN}",
    "uri": rf"{_SCHEME}(?://(?:{_USER}?{_HOST}{_PORT}?)?(?:[/?#].*)?|[^/].*)",
    "multi-host-uri": rf"{_SCHEME}//{_USER}?{_HOST}{_PORT}?(?:,{_HOST}{_PORT}?)*(?:/[A-Za-z0-9_]*)?",
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "ipv4interface": rf"{_IPV4}(?:/(?:3[0-2]|[12]?[0-9]))?",
    "ipv6interface": rf"{_IPV6}(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?",
    "ipv4network": "(?:" + "|".join(_network_sizes()) + ")",
    "ipv6network": rf"(?:(?:{_GROUP}:){{2}}:/(?:3[2-9]|4[0-8]|56|64)|(?:{_GROUP}:){{4}}:/64|{_IPV6}/128|::/0)",
    "uuid": f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}",
    **{f"uuid{n}": f"{_HEX}{{8}}-{_HEX}{{4}}-{n}{_HEX}{{3}}-[89abAB]{_HEX}{{3}}-{_HEX}{{12}}" for n in range(1, 9)},
    "base64": "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
    "base64url": "(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?",
    "fraction": rf"{INTEGER}(?:/[1-9][0-9]*)?",
}
_EITHER = {
    f"ipvany{what}": tuple(f"ipv{version}{'' if what == 'address' else what}" for version in (4, 6))
    for what in ("address", "interface", "network")
}
_PATTERNS |= {
    "idn-email": rf"[A-Za-z0-9_+{_OTHER}-]{{1,32}}(?:\.[A-Za-z0-9_+{_OTHER}-]{{1,30}})?@{_DOMAIN}",
    "name-email": rf"(?:[A-Z][A-Za-z]*(?: [A-Z][A-Za-z]*){{0,3}} <{_WORD}(?:\.{_WORD})*@{_DOMAIN}>|{_WORD}@{_DOMAIN})",
    "idn-hostname": rf"{_IDN_LABEL}(?:\.{_IDN_LABEL})*",
    "iri": _PATTERNS["uri"],
    "uri-reference": rf"(?:{_PATTERNS['uri']}|[A-Za-z0-9._~/?#][A-Za-z0-9._~/?#&=%+,;@!$*-]*)?",
    "iri-reference": rf"(?:{_PATTERNS['uri']}|[\w{_OTHER}.~/?#][\w{_OTHER}.~/?#&=%+,;@!$*-]*)?",
    "uri-template": r"(?:[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]|\{[+#./;?&]?[A-Za-z0-9_.,*:]+\})+",
    "json-pointer": "(?:/(?:[^~/]|~[01])*)*",
    "relative-json-pointer": f"{_DIGITS}(?:#|(?:/(?:[^~/]|~[01])*)*)",
    "byte": _PATTERNS["base64"],
    "base16": f"(?:{_HEX}{{2}})*",
}
"""Formats that are seldom used, of the standard and of OpenAPI; some are narrower here than there."""
_NARROWED = {"date-time", "time", "date", "duration", "email", "uri"}
"""Formats that the grammar compiler knows, and takes more widely than Python."""

_LIMITS = ("formatMinimum", "formatMaximum")
"""Bounds of dates, as in ajv-formats (https://ajv.js.org/packages/ajv-formats.html)."""


def format_pattern(name: Any) -> str | None:
    """Return a regular expression, without anchors, for all of a string in a format; `None` if there is none."""
    return _PATTERNS.get(name) if isinstance(name, str) else None


def is_known_format(name: Any) -> bool:
    """Return whether a format restricts a string; by the standard, any other is a remark."""
    return name in _COMPILED or name in _PATTERNS or name in _EITHER


def with_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a string whose format the grammar compiler knows, with a pattern where that is needed."""
    schema = dict(schema)
    least, most = (schema.pop(name, None) for name in _LIMITS)
    name = schema.get("format")
    if not isinstance(name, str):
        return schema
    if name not in _COMPILED:
        del schema["format"]
    if name in _EITHER:
        return {**schema, "anyOf": [with_format({"type": "string", "format": one}) for one in _EITHER[name]]}
    if name in _NARROWED or name not in _COMPILED:
        schema = _with_pattern(schema, f"^{_PATTERNS[name]}$" if name in _PATTERNS else None)
    if name in ("date", "date-time", "date-time-local"):
        for bound, is_least in ((least, True), (most, False)):
            schema = _with_pattern(schema, _bound_pattern(str(bound)[:10], is_least=is_least) if bound else None)
    return schema


def _with_pattern(schema: dict[str, Any], pattern: str | None) -> dict[str, Any]:
    if pattern is None:
        return schema
    if "pattern" not in schema:
        return {**schema, "pattern": pattern}
    return {**schema, "allOf": [*schema.get("allOf", ()), {"type": "string", "pattern": pattern}]}


def _bound_pattern(bound: str, *, is_least: bool) -> str:
    """Return the pattern of texts that are at least, or at most, a bound of digits, character by character."""
    options = [bound]
    for place, digit in enumerate(bound):
        first, last = (
            (int(digit) + 1, 9) if is_least and digit.isdigit() else (0, int(digit or 0) - 1 if digit.isdigit() else -1)
        )
        if digit.isdigit() and first <= last:
            options.append(f"{bound[:place]}[{first}-{last}]")
    return "^(?:" + "|".join(options) + ")"

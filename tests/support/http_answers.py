"""Parts of HTTP answers that no browser expects: statuses, headers, charsets, bodies and chunks."""

import gzip
import zlib

BODY = b"<html><title>T</title><body><p>The boat leaves at nine.</p></body></html>"
MANY = b"9" * 5000
STATUS = [b"301 Moved", b"302 Found", b"304 Not Modified", b"204 No", b"206 Partial", b"429 Busy", b"503 No", b"abc"]
STATUS += [b"100 Continue", b"101 Up", b"999 x", b"-1 x", b"2000 x", b"500 \xff\x1b]52;c;aa\x07", b"404 \x1b[2J", MANY]
HEADERS = {
    b"Location": [b"/caf\xe9", b"http://\xff/", b"//", b"http://[::1", b"http:\\\\x\\y", b"javascript:1", b"/\x1b[2J"],
    b"Retry-After": [MANY, b"Fri, 31 Dec 99999 23:59:59 GMT", b"-1", b"nan", b"inf", b"1e309", b"\xff", b"0.001"],
    b"Content-Length": [b"-1", MANY, b"0", b"5", b"abc", b"5,6", b"+5", b"\xb2", b"1e3"],
    b"Transfer-Encoding": [b"chunked", b"gzip, chunked", b"xchunked", b"identity"],
    b"Content-Encoding": [b"gzip", b"deflate", b"br", b"gzip" + b",gzip" * 50, b"utf-8", b"\xff"],
    b"Refresh": [b"0; url=/page", MANY + b";url=/x", b"-5;url=x", b"0; url='" + b"a" * 9000, b"\xff"],
    b"Cache-Control": [b"max-age=" + MANY, b"max-age=-1", b"*", b"\xff\xfe", b"private=,=,="],
    b"Set-Cookie": [b"a=b; Max-Age=" + MANY, b"a=b; Version=x", b"\xff=\x00; Expires=Fri, 31 Dec 99999 23:59:59 GMT"],
    b"X": [b"a" * 70_000, b"\xff\x00"],
}
HEADERS[b"Location"] += [
    b"http://1.1.1.1:99999/",
    b"http://xn--a/",
    b"http://" + b"a." * 200 + b"/",
    b"#",
    b"",
    b"\x00",
]
CHARSETS = ["base64", "hex", "zlib", "bz2", "rot13", "uu", "quopri", "idna", "undefined", "utf-7", "punycode", "mbcs"]
CHARSETS += ["unicode_escape", "utf-8\0", "a" * 9000, "raw_unicode_escape", "..", "os", "aliases", "charmap", "\xff"]
BODIES = [BODY, gzip.compress(BODY, mtime=0), zlib.compress(BODY), gzip.compress(BODY, mtime=0)[:20], b""]
CHUNKED = {  # and what comes of them
    b"5\r\n<p>ab\r\n0\r\n\r\n": "ab",
    b"5;e=\xff\r\n<p>ab\r\n0\r\n\r\n": "ab",
    b"0x5\r\nabcde\r\n0\r\n\r\n": "abcde",
    b"-5\r\nabcde\r\n0\r\n\r\n": " answers with what cannot be read (",
    b"F" * 20 + b"\r\nabc": " broke off (",
    b"\xb2\r\nab\r\n": " broke off (",
    b"g\r\n": " broke off (",
    b"5\r\n<p>ab": " broke off (",
    b"1" * 5000 + b"\r\n": " broke off (",
}

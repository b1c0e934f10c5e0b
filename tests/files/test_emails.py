"""E-mails as files: headers, texts, attachments."""

from contextlib import suppress
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import InputError
from llmkit.files import read

HEADERS = """Return-Path: <ann@example.com>
Message-ID: <1@example.com>
From: =?utf-8?q?Ann_M=C3=BCller?= <ann@example.com>
To: Bo <bo@example.com>,
\tCy <cy@example.com>
Subject: =?utf-8?q?Caf=C3=A9?= on
 Thursday
Date: Thu, 05 Mar 2026 10:00:00 +0100
MIME-Version: 1.0
"""
SHOWN = """Subject: Café on Thursday
From: Ann Müller <ann@example.com>
To: Bo <bo@example.com>, Cy <cy@example.com>
Date: Thu, 05 Mar 2026 10:00:00 +0100"""
PLAIN = """Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

The caf=C3=A9 opens=
 at 9.
"""


def text_of(data: str | bytes, name: str = "mail.eml") -> str:
    (document,) = read(data if isinstance(data, bytes) else data.encode(), name)
    assert document.metadata["source"] == name
    return document.page_content


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["mail.eml", "mail.EML", "standard input", "saved.txt"])
def test_headers_and_text_are_decoded(name, line_end):
    (document,) = read((HEADERS + PLAIN).replace("\n", line_end).encode(), name)
    assert document.page_content == f"{SHOWN}\n\nThe café opens at 9."
    assert document.metadata == {"source": name, "title": "Café on Thursday"}


def test_raw_utf_8_headers_are_read():
    assert text_of("From: ann@example.com\nSubject: Café für Łódź\n\nHi.") == (
        "Subject: Café für Łódź\nFrom: ann@example.com\n\nHi."
    )


def test_the_plain_form_of_a_text_is_preferred_and_attachments_are_named():
    message = EmailMessage()
    message["Subject"], message["From"] = "Menu", "ann@example.com"
    message.set_content("The menu is attached.\n")
    message.add_alternative("<p>The <b>menu</b> is attached.</p>", subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="Menü 1.pdf")
    assert text_of(message.as_bytes()) == (
        "Subject: Menu\nFrom: ann@example.com\n\nThe menu is attached.\n\nAttached: Menü 1.pdf (application/pdf)"
    )


def test_html_is_read_as_a_page_where_there_is_no_plain_text():
    message = EmailMessage()
    message["From"] = "ann@example.com"
    message.set_content("\n")
    message.add_alternative("<html><body><p>The caf&eacute; opens at <b>9</b>.</p></body></html>", subtype="html")
    assert text_of(message.as_bytes()) == "From: ann@example.com\n\nThe café opens at 9."


def test_images_in_html_are_not_named_but_all_texts_are_read():
    message = EmailMessage()
    message["From"] = "ann@example.com"
    message.set_content("<p>Look: <img src=cid:a></p>", subtype="html")
    message.add_related(b"1", maintype="image", subtype="png", cid="<a>")
    outer = EmailMessage()
    outer["From"] = "list@example.com"
    outer.set_content("See below.\n")
    outer.make_mixed()
    outer.attach(message)
    footer = EmailMessage()
    footer.set_content("The list's footer.\n")
    outer.attach(footer)
    photo = EmailMessage()
    photo.set_content(b"1", maintype="image", subtype="jpeg", disposition="attachment", filename="a.jpg", cid="<b>")
    outer.attach(photo)
    assert (
        text_of(outer.as_bytes())
        == "From: list@example.com\n\nSee below.\n\nLook:\n\nThe list's footer.\n\nAttached: a.jpg (image/jpeg)"
    )


def test_a_forwarded_message_is_read():
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "Old", "bo@example.com"
    inner.set_content("The boat leaves at 6.\n")
    message = EmailMessage()
    message["From"] = "ann@example.com"
    message.set_content("See this.\n")
    message.add_attachment(inner)
    assert text_of(message.as_bytes()).endswith(
        "See this.\n\nForwarded message:\n\nSubject: Old\nFrom: bo@example.com\n\nThe boat leaves at 6."
    )


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("charset=iso-8859-1", "9 € – caf\x85".encode("cp1252", "replace"), "9 € – caf?"),
        ("charset=nonsense", "Café".encode(), "Café"),
        ("charset=koi8-r", "Привет".encode("koi8-r"), "Привет"),
        (
            "format=flowed",
            b"One line \nof two.\n\n> Quoted \n> text.\n-- \nAnn",
            "One line of two.\n\n> Quoted text.\n-- \nAnn",
        ),
        ("format=flowed; delsp=yes", b"foot \nball", "football"),
    ],
)
def test_texts_in_other_forms_are_read(kind, body, text):
    data = f"From: a@example.com\nContent-Type: text/plain; {kind}\nContent-Transfer-Encoding: 8bit\n\n".encode() + body
    assert text_of(data) == f"From: a@example.com\n\n{text}"


def test_a_message_of_apple_mail_is_read():
    message = b"From: a@example.com\n\nHi.\n"
    assert text_of(b"%d  \n" % len(message) + message + b"<?xml version='1.0'?><plist/>", "1.emlx") == (
        "From: a@example.com\n\nHi."
    )


def test_an_encrypted_message_raises_a_clear_error():
    with pytest.raises(InputError, match=r"mail.eml is an encrypted e-mail: open it in your mail program"):
        read(b"From: a@example.com\nContent-Type: multipart/encrypted; boundary=b\n\n--b--\n", "mail.eml")


@pytest.mark.parametrize(
    "text",
    ["From: Ann\nContent-Type: text/plain\n\nHello.", "From: Ann\nTo: Bo\n\nThe boat leaves at 6.", "Subject: none"],
)
def test_notes_that_look_like_headers_stay_as_they_are(text):
    assert text_of(text, "note.txt") == text


def test_a_file_with_the_ending_of_an_email_may_be_a_note():
    assert text_of("Hello. Nothing more: bye.\n", "note.eml") == "Hello. Nothing more: bye.\n"


@given(st.binary(max_size=200))
def test_any_message_is_read_or_refused(body):
    with suppress(InputError):
        assert read(b"From: a@example.com\n" + body, "mail.eml")

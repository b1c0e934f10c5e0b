import logging
import sys

import pytest

from llmkit.errors import InputError
from llmkit.files import read
from llmkit.files.pdf import to_lines
from tests.support.pdf_files import encrypted, pdf

ONE, TWO = ["The lift is repaired", "on Thursday, says Ann."], ["The café closes at nine."]


def test_each_page_with_text_is_a_document():
    found = read(pdf(ONE, [], TWO), "report.pdf")
    assert [document.page_content for document in found] == [" ".join(ONE), TWO[0]]
    assert [document.metadata for document in found] == [
        {"source": "report.pdf", "title": "", "total_pages": 3, "page": page, "page_label": label}
        for page, label in ((0, "7"), (2, "9"))
    ]


def test_a_pdf_is_recognized_by_its_first_bytes():
    assert read(b"\n" + pdf(TWO), "standard input")[0].page_content == TWO[0]


def test_an_encrypted_pdf_is_read_only_without_a_password():
    assert read(encrypted(pdf(TWO), ""), "open.pdf")[0].page_content == TWO[0]
    with pytest.raises(InputError, match=r"secret\.pdf is a PDF with a password: .*qpdf --decrypt"):
        read(encrypted(pdf(TWO), "secret"), "secret.pdf")


def test_pages_of_images_are_reported(caplog):
    with pytest.raises(InputError, match=r"scan\.pdf is a PDF without text: its pages are images.*ocrmypdf"):
        read(pdf(None, None), "scan.pdf")
    with caplog.at_level(logging.WARNING, "llmkit"):
        assert len(read(pdf(ONE, None, TWO, []), "mixed.pdf")) == 2
    assert caplog.messages == ["mixed.pdf: 1 of 4 pages are images without text and are not read: 2"]


@pytest.mark.parametrize("data", [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", pdf(ONE)[:300]])
def test_a_damaged_pdf_raises_a_clear_error(data):
    with pytest.raises(InputError, match=r"report\.pdf is a (damaged PDF, or was cut|PDF without text)"):
        read(data, "report.pdf")


def test_without_pypdf_the_error_has_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(InputError) as caught:
        read(pdf(ONE), "report.pdf")
    assert str(caught.value) == 'report.pdf is a PDF, which pypdf reads: python -m pip install "llmkit[pdf]"'


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("The committee met on Monday morning and visited\nLondon, where it stayed.", "visited London"),
        ("We need more infor-\nmation about the ferry and its timetable.", "more information about"),
        ("An eﬃcient lift", "efficient"),
        ("Apples and other fruit of the season 3.00\nPears and other fruit of the season 4.00", "3.00\nPears"),
        ("Summary\nThe committee met on Monday and then visited London.", "Summary\nThe"),
        ("Bring these things to the meeting on Monday,\n• maps\n• the tent", "Monday,\n• maps\n• the tent"),
    ],
)
def test_lines_of_a_page(text, lines):
    assert lines in to_lines(text)

"""Make small PDFs, whose pages are lines of text or an image."""

from __future__ import annotations

from collections.abc import Sequence


def pdf(*pages: Sequence[str] | None) -> bytes:
    """Return a PDF with these pages: `None` is a page with only an image, and an empty sequence an empty page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R /PageLabels << /Nums [0 << /S /D /St 7 >>] >> >>", b""]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    image = b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
    objects.append(_stream(b"\0", image))
    page_references = []
    for lines in pages:
        content = (
            b"/I Do"
            if lines is None
            else b"BT /F 12 Tf 14 TL 72 720 Td " + b" ".join(map(_text_operator, lines)) + b" ET"
        )
        objects.append(_stream(content))
        resources = b"/XObject << /I 4 0 R >>" if lines is None else b"/Font << /F 3 0 R >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R /Resources << "
        objects.append(page.encode() + resources + b" >> >>")
        page_references.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(page_references)}] /Count {len(page_references)} >>".encode()
    return _document(objects)


def encrypted(data: bytes, password: str) -> bytes:
    """Encrypt a PDF with AES, so that it opens with this password."""
    import io

    from pypdf import PdfReader, PdfWriter

    writer, out = PdfWriter(PdfReader(io.BytesIO(data))), io.BytesIO()
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    writer.write(out)
    return out.getvalue()


def _text_operator(line: str) -> bytes:
    escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return b"(" + escaped.encode("cp1252") + b") Tj T*"


def _stream(content: bytes, dictionary: bytes = b"<<") -> bytes:
    return dictionary + f" /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _document(objects: Sequence[bytes]) -> bytes:
    out, offsets = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return out + f"{trailer}startxref\n{len(out)}\n%%EOF\n".encode()

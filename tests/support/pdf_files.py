"""Small PDFs, written by hand: a page is the lines of its text, or an image where it has none."""

from __future__ import annotations

from collections.abc import Sequence


def pdf(*pages: Sequence[str] | None) -> bytes:
    """Write a PDF with these pages; `None` is a page with an image only, and no lines are an empty page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R /PageLabels << /Nums [0 << /S /D /St 7 >>] >> >>", b""]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    image = b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
    objects.append(_stream(b"\0", image))
    kids = []
    for lines in pages:
        content = (
            b"/I Do" if lines is None else b"BT /F 12 Tf 14 TL 72 720 Td " + b" ".join(map(_shown, lines)) + b" ET"
        )
        objects.append(_stream(content))
        used = b"/XObject << /I 4 0 R >>" if lines is None else b"/Font << /F 3 0 R >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R /Resources << "
        objects.append(page.encode() + used + b" >> >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    return _file(objects)


def encrypted(data: bytes, password: str) -> bytes:
    """Encrypt a PDF with AES, so that it opens with this password."""
    import io

    from pypdf import PdfReader, PdfWriter

    writer, out = PdfWriter(PdfReader(io.BytesIO(data))), io.BytesIO()
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    writer.write(out)
    return out.getvalue()


def _shown(line: str) -> bytes:
    escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return b"(" + escaped.encode("cp1252") + b") Tj T*"


def _stream(content: bytes, dictionary: bytes = b"<<") -> bytes:
    return dictionary + f" /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _file(objects: Sequence[bytes]) -> bytes:
    out, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return out + f"{trailer}startxref\n{len(out)}\n%%EOF\n".encode()

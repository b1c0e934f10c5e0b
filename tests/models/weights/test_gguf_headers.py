"""Headers of GGUF files that name more values than the file has are refused before a reader makes lists of them."""

import struct

import pytest

from llmkit.errors import ModelUnusable
from llmkit.models.weights.gguf_parts import needs_rewrite
from tests.support.limits import limited


def string(text):
    return struct.pack("<Q", len(text)) + text


def listed(kind, count):
    return string(b"a") + struct.pack("<IIQ", 9, kind, count)


HEADERS = {
    "a list of 2^60 numbers": (1, listed(0, 2**60)),
    "a list of as many strings as bytes": (1, listed(8, 12) + b"\0" * 12),
    "lists in lists": (1, listed(9, 1) + struct.pack("<IQ", 9, 1) * 5000),
    "2^63 entries": (2**63 - 1, listed(0, 1) + b"\0"),
    "a type that is none": (1, string(b"a") + struct.pack("<I", 99)),
    "a string of 2^62": (1, string(b"a") + struct.pack("<IQ", 8, 2**62)),
    "nothing": (1, b""),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_more_than_the_file_has_is_refused(tmp_path, name):
    entries, content = HEADERS[name]
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, entries) + content)
    with pytest.raises(ModelUnusable, match="is damaged, or no GGUF file"), limited(megabytes=512):
        needs_rewrite([file])

"""The address of a server is read from the URL that people have, and shown without passwords."""

import pytest

from llmkit.errors import InputError
from llmkit.models.serving.address import ServerAddress


@pytest.mark.parametrize(
    ("url", "api", "root"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("https://example.org/llm/v1/", "https://example.org/llm/v1", "https://example.org/llm"),
        ("https://example.org/api", "https://example.org/api", "https://example.org/api"),
        (" http://[::1]:80/v1 ", "http://[::1]:80/v1", "http://[::1]:80"),
    ],
)
def test_the_api_and_the_root_are_found(url: str, api: str, root: str) -> None:
    address = ServerAddress.parse(url)
    assert (address.api, address.root) == (api, root)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://example.org",
        "http://",
        "http://a:b:c",
        "http://a/v1?x=1",
        "http://a:0x",
        "file:///v1",
    ],
)
def test_what_is_no_address_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match="base_url is"):
        ServerAddress.parse(url)


def test_an_address_without_a_scheme_is_an_error_that_says_what_is_missing() -> None:
    for url in ("localhost:8000/v1", "127.0.0.1:8000", "example.org"):
        with pytest.raises(InputError, match=r"write http:// or https:// before it"):
            ServerAddress.parse(url)


def test_a_password_is_not_shown() -> None:
    address = ServerAddress.parse("http://me:secret@example.org/v1")
    assert str(address) == "http://example.org/v1"
    with pytest.raises(InputError) as raised:
        ServerAddress.parse("ftp://me:secret@example.org/v1")
    assert "secret" not in str(raised.value)

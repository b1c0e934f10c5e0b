"""Everyday classes give a schema whose completions are their values."""

import pathlib
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any, Literal

import pytest
from pydantic import Base64Bytes, IPvAnyAddress, SecretStr, create_model

from tests.support.models import chat

FIELDS: dict[str, Any] = {
    "set": set[str],
    "frozenset": frozenset[int],
    "path": pathlib.Path,
    "secret": SecretStr,
    "bytes": bytes,
    "base64": Base64Bytes,
    "literal keys": dict[Literal["a", "b"], int],
    "decimal": Decimal,
    "any address": IPvAnyAddress,
    "address": IPv4Address,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_a_class_with_such_a_field_gets_its_object(name: str) -> None:
    made = create_model("Made", field=(FIELDS[name], ...))
    for seed in range(2):
        llm = chat("llama", temperature=1.5, seed=seed, context_window=4096)
        assert isinstance(llm.with_structured_output(made).invoke("Hi", max_new_tokens=150), made)

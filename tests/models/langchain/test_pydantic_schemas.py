"""Whatever is drawn under the schema of a class is a value of the class."""

import datetime as dt
import enum
import ipaddress
import json
import random
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

import pydantic
import pytest
from langchain_core.tools import tool
from pydantic import BaseModel, ConfigDict, Field, create_model

from llmkit.models.langchain.class_schemas import class_schema
from llmkit.models.langchain.structured_output import METHODS
from tests.support.models import chat
from tests.support.schemas import drawn_text, engine_of


class Color(enum.Enum):
    RED, GREEN = "red", "green"


class Number(enum.IntEnum):
    ONE, TWO = 1, 2


Small = Annotated[int, Field(ge=1, le=9)]
FIELDS: dict[str, Any] = {
    "integers as keys": dict[int, str],
    "duration": dt.timedelta,
    "HTTP address": pydantic.HttpUrl,
    "digits": Annotated[Decimal, Field(max_digits=6, decimal_places=2)],
    "days in the past": pydantic.PastDate,
    "numbers as keys": dict[float, int],
    "decimals as keys": dict[Decimal, int],
    "booleans as keys": dict[bool, int],
    "small integers as keys": dict[Small, str],
    "positive integers as keys": dict[pydantic.PositiveInt, str],
    "negative integers as keys": dict[pydantic.NegativeInt, str],
    "dates as keys": dict[dt.date, int],
    "times as keys": dict[dt.datetime, int],
    "durations as keys": dict[dt.timedelta, int],
    "UUIDs as keys": dict[uuid.UUID, int],
    "enum as keys": dict[Color, int],
    "enum of integers as keys": dict[Number, int],
    "a pattern of keys": dict[Annotated[str, Field(pattern="^[a-z]+$")], int],
    "addresses as keys": dict[ipaddress.IPv4Address, int],
    "no or some keys": dict[int, int] | None,
    "inner keys": dict[str, dict[int, list[int]]],
    "bounded duration": Annotated[dt.timedelta, Field(ge=dt.timedelta(0), le=dt.timedelta(hours=1))],
    "bounded date": Annotated[dt.date, Field(ge=dt.date(2020, 2, 28), lt=dt.date(2031, 1, 1))],
    "future": pydantic.FutureDate,
    "no time zone": pydantic.NaiveDatetime,
    "time zone": pydantic.AwareDatetime,
    "time": dt.time,
    "file address": pydantic.FileUrl,
    "FTP address": pydantic.FtpUrl,
    "web socket": pydantic.WebsocketUrl,
    "database": pydantic.PostgresDsn,
    "any address": pydantic.AnyUrl,
    "decimal": Decimal,
    "decimal places": Annotated[Decimal, Field(decimal_places=2)],
    "decimal digits": pydantic.condecimal(max_digits=4),
    "bounded decimal": Annotated[Decimal, Field(gt=0, le=10, decimal_places=1)],
    "fraction": Fraction,
    "complex": complex,
    "UUID 4": pydantic.UUID4,
    "interface": ipaddress.IPv4Interface,
    "network": ipaddress.IPv4Network,
    "network 6": ipaddress.IPv6Network,
    "any network": pydantic.IPvAnyNetwork,
    "base64 for addresses": pydantic.Base64UrlBytes,
    "tuple": tuple[int, str, Literal["a", None]],
}


@pytest.mark.parametrize("name", FIELDS)
def test_drawn_values_are_values_of_the_class(name: str) -> None:
    made = create_model("Made", field=(FIELDS[name], ...))
    schema, finished = class_schema(made), 0
    for seed in range(3):
        text = drawn_text(engine_of("llama").constraints, schema, random.Random(seed), 160)
        if text is not None:
            made.model_validate_json(text)
            finished += 1
    assert finished


class Strict(BaseModel):
    """Strict."""

    model_config = ConfigDict(strict=True)
    day: dt.date
    color: Color
    pair: tuple[bool, ...] = Field(max_length=2)
    names: set[Literal["a", "b"]]


@pytest.mark.parametrize("method", METHODS)
def test_a_strict_class_is_read_from_json(method: str) -> None:
    for seed in range(2):
        llm = chat("llama", temperature=1.5, seed=seed, context_window=4096)
        answer = llm.with_structured_output(Strict, method=method).invoke("Hi", max_new_tokens=200)
        assert isinstance(answer, Strict)
        assert isinstance(answer.day, dt.date)


def counts(numbers: dict[int, float], day: dt.date) -> str:
    """Count."""
    return f"{numbers} {day}"


def test_the_arguments_of_a_tool_are_those_of_its_function() -> None:
    for given in (counts, tool(counts)):
        llm = chat("llama", temperature=1.5, seed=1, context_window=4096)
        [call] = llm.bind_tools([given], tool_choice="any").invoke("Hi", max_new_tokens=200).tool_calls
        assert all(int(key) or key == "0" for key in call["args"]["numbers"])
        assert tool(counts).invoke(call["args"])


class Inner(BaseModel):
    """An inner class."""

    title: str
    when: dt.date


class Outer(BaseModel):
    """An outer class."""

    inner: list[Inner]


def test_a_schema_has_no_references_and_keeps_fields_named_title() -> None:
    schema = class_schema(Outer)
    assert schema["title"] == "Outer"
    assert "$" not in json.dumps(schema)
    inner = schema["properties"]["inner"]["items"]
    assert inner["properties"] == {"title": {"type": "string"}, "when": {"type": "string", "format": "date"}}
    assert inner["description"] == "An inner class."
    assert inner["required"] == ["title", "when"]

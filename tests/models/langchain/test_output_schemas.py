"""What with_structured_output takes at the top: types, JSON schemas with or without a wrapper, tools."""

import datetime as dt
import enum
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import pytest
import typing_extensions
from pydantic import BaseModel, Field, HttpUrl, RootModel, TypeAdapter
from pydantic.dataclasses import dataclass as pydantic_dataclass

from llmkit.errors import ConstraintError
from llmkit.models.langchain.output_schemas import to_json_schema
from tests.support.models import chat


class Color(enum.Enum):
    RED, GREEN = "red", "green"


class Level(enum.IntEnum):
    LOW, HIGH = 1, 2


class Point(BaseModel):
    """A point."""

    x: int


class Name(BaseModel):
    """A name."""

    name: str = Field(max_length=5)


class Numbers(RootModel[list[int]]):
    """Numbers."""


Inner = TypeVar("Inner")


class Box(BaseModel, Generic[Inner]):
    """A box."""

    inner: Inner


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit."""

    when: dt.date
    points: list[Point]
    note: str | None = None


@pydantic_dataclass
class Price:
    """A price."""

    value: Decimal


class Pair(NamedTuple):
    """A pair."""

    first: int
    second: Literal["a", "b"]


UserId = NewType("UserId", int)
Alias = typing_extensions.TypeAliasType("Alias", list[Point])
TYPES: dict[str, Any] = {
    "enum": Color,
    "enum of integers": Level,
    "date": dt.date,
    "duration": dt.timedelta,
    "UUID": uuid.UUID,
    "address": HttpUrl,
    "decimal": Decimal,
    "new type": UserId,
    "alias": Alias,
    "dataclass": Visit,
    "dataclass of pydantic": Price,
    "named tuple": Pair,
    "root": Numbers,
    "generic": Box[Point],
    "union": Point | Name,
    "optional": Point | None,
    "list": list[Point],
    "annotated list": Annotated[list[Point], Field(min_length=1, max_length=2)],
    "dict": dict[int, Point],
    "sequence": Sequence[int],
    "mapping": Mapping[str, int],
    "tuple": tuple[int, Point],
    "set": set[Literal["a", "b"]],
    "literal": Literal["a", 1, None],
}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_at_the_top_gives_its_values(name: str) -> None:
    for seed in range(2):
        llm = chat("llama", temperature=1.2, seed=seed, context_window=4096)
        value = llm.with_structured_output(TYPES[name]).invoke("Hi", max_new_tokens=150)
        assert TypeAdapter(TYPES[name]).validate_python(value, strict=True) == value


class Person(TypedDict):
    """A person."""

    name: str
    nick: NotRequired[str]


class Partial(typing_extensions.TypedDict, total=False):
    """A person."""

    name: typing_extensions.Required[Annotated[str, ..., "The name."]]
    nick: typing_extensions.ReadOnly[str]


class Group(TypedDict):
    """A group."""

    people: list[Person]
    ages: dict[str, int]


@pytest.mark.parametrize(
    ("made", "required", "names"),
    [
        (Person, ["name"], ["name", "nick"]),
        (Partial, ["name"], ["name", "nick"]),
        (Group, ["people", "ages"], ["people", "ages"]),
    ],
)
def test_a_typed_dict_tells_which_keys_are_required(made: Any, required: list[str], names: list[str]) -> None:
    schema = to_json_schema(made)
    assert schema["title"] == made.__name__
    assert sorted(schema["required"]) == sorted(required)
    assert list(schema["properties"]) == names
    value = chat("llama", temperature=1.5, seed=1, context_window=4096).with_structured_output(made).invoke("Hi")
    assert set(required) <= set(value) <= set(names)


@dataclass
class Basket:
    items: list[int] = field(default_factory=list)


def test_a_default_of_a_factory_gives_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert isinstance(chat("llama").with_structured_output(Basket).invoke("Hi", max_new_tokens=60), Basket)
    assert not [warning for warning in recwarn if "JSON" in str(warning.message)]


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
DICTIONARIES: dict[str, dict[str, Any]] = {
    "JSON schema": SCHEMA,
    "without a type": {"properties": SCHEMA["properties"], "required": ["x"]},
    "with a name": {"name": "point", **SCHEMA},
    "with $schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMA},
    "name and schema": {"name": "point", "strict": True, "schema": SCHEMA},
    "response format": {"type": "json_schema", "json_schema": {"name": "point", "schema": SCHEMA}},
    "response format without a name": {"type": "json_schema", "json_schema": SCHEMA},
    "response format of the Responses API": {"type": "json_schema", "name": "point", "schema": SCHEMA},
    "text option": {"format": {"type": "json_schema", "name": "point", "schema": SCHEMA}},
    "JSON object": {"type": "json_object", "schema": SCHEMA},
    "value": {"type": "json", "value": SCHEMA},
    "Gemini": {"response_mime_type": "application/json", "response_schema": SCHEMA},
    "types in a list": {**SCHEMA, "type": ["object"]},
    "function": {"type": "function", "function": {"name": "point", "parameters": SCHEMA}},
    "function of Anthropic": {"name": "point", "input_schema": SCHEMA},
    "function of MCP": {"name": "point", "inputSchema": SCHEMA},
}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("name", DICTIONARIES)
def test_a_dictionary_gives_what_its_schema_says(name: str, method: Any) -> None:
    llm = chat("llama", temperature=1.2, seed=1, context_window=4096)
    value = llm.with_structured_output(DICTIONARIES[name], method=method).invoke("Hi", max_new_tokens=60)
    assert isinstance(value, dict)
    assert isinstance(value["x"], int)


@pytest.mark.parametrize("name", [name for name in DICTIONARIES if "function" not in name])
def test_a_response_format_is_taken_in_the_same_forms(name: str) -> None:
    llm = chat("llama", temperature=1.2, seed=1, context_window=4096)
    answer = llm.bind(response_format=DICTIONARIES[name]).invoke("Hi", max_new_tokens=60)
    assert isinstance(json.loads(answer.text)["x"], int)


def test_a_response_format_may_be_a_class() -> None:
    llm = chat("llama", temperature=1.2, seed=1)
    assert isinstance(Point.model_validate_json(llm.invoke("Hi", response_format=Point, max_new_tokens=60).text), Point)


def test_a_response_format_without_a_schema_is_no_schema() -> None:
    with pytest.raises(ConstraintError, match="is a response format without a schema"):
        chat("llama").with_structured_output({"type": "json_object"})


def test_a_schema_without_a_type_gives_what_its_keywords_are_about() -> None:
    llm = chat("llama", temperature=1.2, seed=1)
    for schema, kind in (({"pattern": "^[ab]$"}, str), ({"items": {"type": "integer"}, "maxItems": 2}, list)):
        assert isinstance(llm.with_structured_output(schema).invoke("Hi", max_new_tokens=60), kind)


@pytest.mark.parametrize("schema", [None, "Point", Point(x=1), {}, [Point, Name], True])
def test_what_is_no_schema_raises_an_error_with_the_reason(schema: Any) -> None:
    with pytest.raises(ConstraintError, match="is neither a pydantic class, a type that pydantic knows, nor"):
        chat("llama").with_structured_output(schema)


UNKNOWN_FORMS: list[dict[str, Any]] = [{"type": "xx"}, {"type": "json_scheme"}, {"type": "grammar", "grammar": "x"}]


@pytest.mark.parametrize("form", UNKNOWN_FORMS, ids=str)
def test_an_unknown_response_format_tells_which_there_are(form: dict[str, Any]) -> None:
    with pytest.raises(ConstraintError, match=r"response_format is .*, but must be .*json_schema.*regex.*choice"):
        chat("llama").invoke("Hi", response_format=form)

"""Response formats: what a completion is constrained to, in the forms of several providers.

Those of OpenAI's two APIs, Anthropic, Gemini, Cohere, Ollama, Text Generation Inference and vLLM; classes as OpenAI's
client takes them; and here also regular expressions and choices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmkit.errors import ConstraintError
from llmkit.models.constraints.grammar import JSON_STYLE, Constraint, ConstraintFactory
from llmkit.models.constraints.json_schemas import compilable
from llmkit.models.constraints.schema_keywords import RESTRICTING
from llmkit.models.langchain.output_schemas import find_schema, to_json_schema

_TYPES = ("json_schema", "json_object", "regex", "choice", "text")
_JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_FORMS = (
    '{"type": "json_schema", "json_schema": {"schema": …}}, {"type": "json_object"}, {"type": "regex", "pattern": …}, '
    '{"type": "choice", "options": […]} and {"type": "text"}'
)


def read_response_format(given: Any) -> dict[str, Any] | None:
    """Return a response format in the first of the forms above; a class or a JSON schema becomes one.

    Raises:
        ConstraintError: it is none.
    """
    if given is None:
        return None
    if isinstance(given, type):
        return {"type": "json_schema", "json_schema": {"schema": to_json_schema(given)}}
    if not isinstance(given, Mapping):
        raise ConstraintError(f"response_format is {given!r}, but must be a dictionary with a type, or a class")
    schema = find_schema(given)
    if schema is not None:
        is_object = given.get("type") == "json_object"  # whose schema is not put into the prompt
        return {"type": "json_object", "schema": schema} if is_object else _json_schema(schema)
    if isinstance(given.get("type"), str) and given["type"] in _TYPES:
        return dict(given)
    try:
        schema = to_json_schema(given)
    except ConstraintError as error:
        raise _unknown(given) from error
    if RESTRICTING & set(schema) == {"type"} and str(schema["type"]).lower() not in _JSON_TYPES:
        raise _unknown(given)
    return _json_schema(schema)


def response_schema(response_format: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON schema of a response format as `read_response_format` gives it, or raise `ConstraintError`."""
    inner = response_format.get("json_schema", response_format)
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    if not isinstance(schema, Mapping):
        raise ConstraintError(f"response_format is {dict(response_format)!r}, but its schema must be a dictionary")
    return schema


def compile_response_format(response_format: Mapping[str, Any], constraints: ConstraintFactory) -> Constraint | None:
    """Return the constraint of a response format; `None` for free text."""
    match response_format:
        case {"type": "json_schema"}:
            return constraints.json_schema(response_schema(response_format))
        case {"type": "json_object"}:
            has_schema = response_format.get("schema")
            return constraints.json_schema(response_schema(response_format) if has_schema else {"type": "object"})
        case {"type": "regex", "pattern": str(pattern)}:
            return constraints.regex(pattern)
        case {"type": "choice", "options": [*options]} if all(isinstance(option, str) for option in options):
            return constraints.choice(options)
        case {"type": "text"}:
            return None
    raise _unknown(response_format)


def lark_rule(response_format: Mapping[str, Any]) -> str | None:
    """Return a response format as a rule in Lark, to stand beside tool calls; `None` for free text."""
    match response_format:
        case {"type": "text"}:
            return None
        case {"type": "json_schema"} | {"type": "json_object", "schema": _}:
            schema = response_schema(response_format)
        case {"type": "json_object"}:
            schema = {"type": "object"}
        case {"type": "choice", "options": [*options]} if options and all(isinstance(one, str) for one in options):
            return " | ".join(json.dumps(option, ensure_ascii=False) for option in options)
        case {"type": "regex", "pattern": str(pattern)}:
            return "/" + pattern.replace("/", "\\/") + "/"
        case _:
            raise _unknown(response_format)
    return "%json " + json.dumps({**compilable(schema), "x-guidance": JSON_STYLE})


def _json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"schema": schema}}


def _unknown(response_format: Mapping[str, Any]) -> ConstraintError:
    return ConstraintError(f"response_format is {dict(response_format)!r}, but must be one of {_FORMS}")

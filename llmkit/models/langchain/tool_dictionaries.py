"""Tools as the dictionaries of other providers, brought to one form: a name, a description and a JSON schema.

OpenAI, Anthropic (`input_schema`), Bedrock (`toolSpec`), Gemini (`function_declarations`), Cohere
(`parameter_definitions`) and MCP (`inputSchema`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmkit.errors import ConstraintError

_GROUPS = ("function_declarations", "functionDeclarations")
_SCHEMAS = ("parameters", "input_schema", "inputSchema", "parameters_json_schema", "parametersJsonSchema")
_PYTHON_TYPES = {
    **{"str": "string", "int": "integer", "float": "number", "bool": "boolean"},
    **{"list": "array", "List": "array", "dict": "object", "Dict": "object"},
}


def has_parameters(tool: Mapping[str, Any]) -> bool:
    """Return whether a dictionary is a tool by the key of its schema, and no schema itself."""
    keys = (*_SCHEMAS, "toolSpec", "parameter_definitions")
    return any(isinstance(tool.get(key), Mapping) for key in keys)


def single_tools(tools: Iterable[Any]) -> list[Any]:
    """Return tools with those of Gemini's groups one by one."""
    single = []
    for tool in tools:
        groups = [tool[key] for key in _GROUPS if key in tool] if isinstance(tool, Mapping) else []
        single += [part for group in groups for part in group] if groups else [tool]
    return single


def plain_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a dictionary with a name in the form that LangChain converts; others unchanged.

    Raises:
        ConstraintError: it is a tool that only its provider knows, or runs.
    """
    given = next((tool[key] for key in ("toolSpec", "custom") if isinstance(tool.get(key), Mapping)), tool)
    if isinstance(tool.get("function"), Mapping) or "name" not in given:
        return tool
    schema = next((given[key] for key in _SCHEMAS if given.get(key) is not None), None)
    if isinstance(schema, Mapping) and isinstance(schema.get("json"), Mapping):
        schema = schema["json"]
    if isinstance(given.get("parameter_definitions"), Mapping):
        schema = _from_definitions(given["parameter_definitions"])
    if schema is None and tool.get("type", "function") != "function":
        raise ConstraintError(
            f"the tool {given['name']!r} has type {tool['type']!r}, which only its provider knows: give its parameters"
        )
    kept = {key: given[key] for key in ("name", "description", "strict") if given.get(key) is not None}
    return {**kept, "parameters": schema or {}}


def _from_definitions(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of Cohere's definitions, which have the types of Python."""
    properties, required = {}, []
    for name, definition in definitions.items():
        python_type = str(definition.get("type", "str")).partition("[")[0]
        rest = {key: item for key, item in definition.items() if key not in ("type", "required")}
        properties[name] = {"type": _PYTHON_TYPES.get(python_type, python_type), **rest}
        required += [name] if definition.get("required") else []
    return {"type": "object", "properties": properties, "required": required}

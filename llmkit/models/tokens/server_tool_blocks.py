"""Blocks of tools that a provider runs itself: searches, fetched pages, code and its output.

They are in the answers of OpenAI's Responses API, Anthropic (https://docs.claude.com/en/docs/agents-and-tools/tool-use),
Gemini, Bedrock, Mistral and MCP, and in LangChain's standard content as `server_tool_call` and `server_tool_result`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmkit.models.tokens.document_blocks import RefusedBlock, read_document

SERVER_TOOL_BLOCKS = frozenset(
    {
        *("server_tool_call", "server_tool_call_chunk", "server_tool_result"),
        *("server_tool_use", "mcp_tool_use", "mcp_tool_result", "web_search_tool_result", "web_search_result"),
        *("web_fetch_tool_result", "web_fetch_result", "code_execution_tool_result", "bash_code_execution_tool_result"),
        *("text_editor_code_execution_tool_result", "tool_search_tool_result", "compaction"),
        *("web_search_call", "file_search_call", "code_interpreter_call", "code_interpreter_output"),
        *("code_interpreter_result", "computer_call", "computer_call_output", "image_generation_call", "mcp_call"),
        *("mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "local_shell_call", "shell_call"),
        *("local_shell_call_output", "shell_call_output", "apply_patch_call", "apply_patch_call_output"),
        *("custom_tool_call", "custom_tool_call_output", "function_call_output", "item_reference"),
        *("executable_code", "executableCode", "code_execution_result", "codeExecutionResult"),
        *("citationsContent", "citations_content", "reference", "tool_reference", "tool.execution"),
    }
)
"""Their types."""

_ARGUMENTS = ("input", "args", "arguments", "action", "operation")
_TEXTS = {
    *("name", "title", "url", "uri", "source", "filename", "query", "queries", "code", "snippet", "cited_text"),
    *("text", "content", "output", "outputs", "stdout", "stderr", "logs", "results", "summary", "revised_prompt"),
    *("error", "error_code", "error_message", "message", "tools", "description", "tool_name", "tool_references"),
    *("executable_code", "executableCode", "code_execution_result", "codeExecutionResult", "citationsContent"),
    *("citations_content", "refusal", "transcript"),
}
"""Keys with text for people; others are ids, states, and what only the provider can read."""
_MEDIA = {"image", "image_url", "input_image", "output_image", "computer_screenshot", "audio", "video"}


def collect_text(block: Mapping[str, Any]) -> str:
    """Return the texts of a block in their order, and the arguments of a call as JSON; empty if it has none."""
    return "\n".join(_texts(block))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.strip()] if value.strip() else []
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    if not isinstance(value, Mapping) or value.get("type") in _MEDIA:
        return []
    if value.get("type") == "document":
        try:
            return [read_document(value, lambda content: "\n".join(_texts(content)))]
        except RefusedBlock:
            return _texts(value.get("title"))
    found: list[str] = []
    for key, item in value.items():
        if key in _ARGUMENTS and isinstance(item, Mapping):
            found += [json.dumps(item, ensure_ascii=False, default=str)] if item else []
        elif key in _TEXTS or key in _ARGUMENTS:
            found += _texts(item)
    return list(dict.fromkeys(found))

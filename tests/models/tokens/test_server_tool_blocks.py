"""Histories of other providers: what their tools found is read as text; what has none is left out with a note."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from llmkit.errors import InputError
from llmkit.models.tokens.content_blocks import left_out_blocks, read_text
from llmkit.models.tokens.server_tool_blocks import SERVER_TOOL_BLOCKS
from tests.support.models import chat

READ: dict[str, tuple[dict[str, Any], str]] = {
    "Anthropic, a call": (
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "dogs"}},
        'web_search\n{"query": "dogs"}',
    ),
    "Anthropic, a search": (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {
                    "type": "web_search_result",
                    "title": "Dogs",
                    "url": "https://a.org",
                    "encrypted_content": "EqgfCioIARgB",
                    "page_age": "April 30, 2025",
                }
            ],
        },
        "Dogs\nhttps://a.org",
    ),
    "Anthropic, an error": (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "1",
            "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
        },
        "max_uses_exceeded",
    ),
    "Anthropic, a page": (
        {
            "type": "web_fetch_tool_result",
            "content": {
                "type": "web_fetch_result",
                "url": "https://a.org",
                "content": {"type": "document", "source": {"type": "text", "data": "x"}, "title": "Dogs"},
            },
        },
        "https://a.org\nDogs\n\nx",
    ),
    "Anthropic, code": (
        {
            "type": "bash_code_execution_tool_result",
            "content": {
                "type": "bash_code_execution_result",
                "stdout": "3\n",
                "stderr": "",
                "return_code": 0,
                "content": [{"type": "bash_code_execution_output", "file_id": "file_1"}],
            },
        },
        "3",
    ),
    "Anthropic, MCP": (
        {"type": "mcp_tool_result", "tool_use_id": "1", "is_error": False, "content": [{"type": "text", "text": "Hi"}]},
        "Hi",
    ),
    "Gemini, code": ({"type": "executable_code", "executable_code": "print(1)", "language": "PYTHON"}, "print(1)"),
    "Gemini, code by key": ({"executableCode": {"code": "print(1)", "language": "PYTHON"}}, "print(1)"),
    "Gemini, output": ({"type": "code_execution_result", "code_execution_result": "1\n", "outcome": 1}, "1"),
    "Gemini, output by key": ({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}, "1"),
    "OpenAI, a search": (
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "dogs"}},
        '{"type": "search", "query": "dogs"}',
    ),
    "OpenAI, files": (
        {
            "type": "file_search_call",
            "queries": ["dogs"],
            "results": [{"filename": "a.txt", "score": 1, "text": "Woof"}],
        },
        "dogs\na.txt\nWoof",
    ),
    "OpenAI, code": (
        {
            "type": "code_interpreter_call",
            "id": "ci_1",
            "code": "print(1)",
            "container_id": "c",
            "outputs": [{"type": "logs", "logs": "1"}, {"type": "image", "url": "https://a.org/a.png"}],
        },
        "print(1)\n1",
    ),
    "OpenAI, MCP": (
        {"type": "mcp_call", "id": "1", "name": "roll", "arguments": '{"n": 1}', "output": "4", "server_label": "dice"},
        'roll\n{"n": 1}\n4',
    ),
    "OpenAI, an image": ({"type": "image_generation_call", "result": "AAAA", "revised_prompt": "A dog"}, "A dog"),
    "OpenAI, a shell": (
        {"type": "local_shell_call", "call_id": "1", "action": {"type": "exec", "command": ["ls"]}},
        '{"type": "exec", "command": ["ls"]}',
    ),
    "LangChain, a call": (
        {"type": "server_tool_call", "id": "1", "name": "web_search", "args": {"query": "dogs"}},
        'web_search\n{"query": "dogs"}',
    ),
    "LangChain, a result": (
        {"type": "server_tool_result", "tool_call_id": "1", "status": "success", "output": [{"text": "Woof"}]},
        "Woof",
    ),
    "Bedrock, citations": ({"citationsContent": {"content": [{"text": "Woof"}], "citations": [{}]}}, "Woof"),
    "unknown, with text": ({"type": "brand_new_result", "id": "1", "content": [{"text": "Woof"}]}, "Woof"),
    "wrapped": ({"type": "non_standard", "value": {"type": "compaction", "content": "Woof"}}, "Woof"),
}
LEFT_OUT: dict[str, dict[str, Any]] = {
    "reasoning": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"},
    "redacted_thinking": {"type": "redacted_thinking", "data": "EmwK"},
    "web_search_call": {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    "reference": {"type": "reference", "reference_ids": [1, 2]},
    "item_reference": {"type": "item_reference", "id": "msg_1"},
    "brand_new": {"type": "brand_new", "id": "1"},
    "image_url": {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    "image": {"type": "non_standard", "value": {"type": "image", "base64": "AAAA", "mime_type": "image/png"}},
    "file": {"type": "file", "file": {"file_id": "7"}},
}


@pytest.mark.parametrize("name", READ)
def test_the_text_of_a_tool_of_another_provider_is_read(name: str) -> None:
    block, text = READ[name]
    messages = [HumanMessage("Dogs?"), AIMessage([block, {"type": "text", "text": "The end"}]), HumanMessage("Hi")]
    assert read_text(messages[1]) == f"{text}\n\nThe end"
    assert left_out_blocks(messages) == []
    llm = chat("llama")
    assert "The end" in llm.engine.encoder.render(messages)
    assert llm.prompt_changes(messages) == ()


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_block_of_an_answer_without_text_is_left_out_with_a_note(name: str) -> None:
    messages = [
        HumanMessage("Dogs?"),
        AIMessage([LEFT_OUT[name], {"type": "text", "text": "Woof"}]),
        HumanMessage("Hi"),
    ]
    assert read_text(messages[1]) == "Woof"
    for model in ("llama", "mistral"):
        changes = chat(model).prompt_changes(messages)
        assert changes[0] == f"blocks of type {name!r} in answers are left out"
        assert chat(model).invoke(messages, max_new_tokens=2).text is not None


def test_each_type_is_noted_once_and_calls_are_not() -> None:
    call = {"name": "f", "args": {}, "id": "1"}
    blocks: list[Any] = [
        LEFT_OUT["reference"],
        LEFT_OUT["reference"],
        {"type": "tool_use", "id": "1", "name": "f"},
        "a",
    ]
    messages = [AIMessage(blocks, tool_calls=[call]), AIMessage([LEFT_OUT["reasoning"]])]
    assert [note.split("'")[1] for note in left_out_blocks(messages)] == ["reference", "reasoning"]
    assert left_out_blocks([HumanMessage([{"cachePoint": {"type": "default"}}, "Hi"]), AIMessage("a")]) == []


def test_a_result_without_text_is_refused_where_a_person_or_a_tool_gives_it() -> None:
    for block in (LEFT_OUT["web_search_call"], LEFT_OUT["brand_new"], LEFT_OUT["image_url"]):
        for message in (HumanMessage([block]), ToolMessage([block], tool_call_id="1")):
            with pytest.raises(InputError, match="reads text only"):
                read_text(message)
    assert read_text(HumanMessage([READ["OpenAI, code"][0]])) == "print(1)\n1"


def test_types_are_read_by_their_keys_in_any_order() -> None:
    assert {block["type"] for block, _ in READ.values() if "type" in block} - {"brand_new_result", "non_standard"} <= (
        SERVER_TOOL_BLOCKS
    )


@pytest.mark.parametrize("block", [READ["Gemini, code"][0], LEFT_OUT["image_url"], LEFT_OUT["file"]], ids=str)
def test_a_model_converts_no_such_block_into_an_error(block: dict[str, Any]) -> None:
    answer = AIMessage([block, {"type": "text", "text": "Woof"}])
    llm = chat("llama")
    assert llm.invoke([HumanMessage("a"), answer, HumanMessage("b")], max_new_tokens=2).usage_metadata
    assert list(llm.stream([HumanMessage("a"), answer, HumanMessage("b")], max_new_tokens=2))

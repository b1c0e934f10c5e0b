"""Every content block is read or refused: none is skipped."""

import base64
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.content import create_file_block, create_plaintext_block

from llmkit.errors import InputError
from llmkit.models.tokens.content_blocks import read_text
from llmkit.models.tokens.turns import message_to_dict
from tests.support.models import chat, completion, joined

ENCODED = base64.b64encode(b"The dog \xe2\x80\x94 sleeps").decode()
PLAIN = {"mime_type": "text/plain"}
TEXT = {"type": "text", "text": "The dog"}
READ: dict[str, tuple[Any, str]] = {
    "text": (TEXT, "The dog"),
    "string": ("The dog", "The dog"),
    "text without a type": ({"text": "The dog"}, "The dog"),
    "input_text": ({"type": "input_text", "text": "The dog"}, "The dog"),
    "output_text": ({"type": "output_text", "text": "The dog", "annotations": []}, "The dog"),
    "refusal": ({"type": "refusal", "refusal": "I will not."}, "I will not."),
    "text-plain": (create_plaintext_block(text="The dog"), "The dog"),
    "text-plain with a title": (
        create_plaintext_block(text="The dog", title="Pets", context="A story"),
        "Pets\n\nA story\n\nThe dog",
    ),
    "text-plain in base64": ({"type": "text-plain", "base64": ENCODED}, "The dog — sleeps"),
    "file, LangChain 0.3": ({"type": "file", "source_type": "text", "text": "The dog"}, "The dog"),
    "file in base64, LangChain 0.3": (
        {"type": "file", "source_type": "base64", "mime_type": "text/csv", "data": ENCODED},
        "The dog — sleeps",
    ),
    "file, LangChain 1": (create_file_block(base64=ENCODED, mime_type="text/markdown"), "The dog — sleeps"),
    "file, OpenAI": ({"type": "file", "file": {"file_data": f"data:text/plain;base64,{ENCODED}"}}, "The dog — sleeps"),
    "document, Anthropic": (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "The dog"}},
        "The dog",
    ),
    "document of blocks, Anthropic": (
        {"type": "document", "title": "Pets", "source": {"type": "content", "content": [TEXT, TEXT]}},
        "Pets\n\nThe dog\n\nThe dog",
    ),
    "search result": (
        {"type": "search_result", "source": "https://a.org", "title": "Pets", "content": [TEXT]},
        "Pets\nhttps://a.org\nThe dog",
    ),
    "tool result, Anthropic": ({"type": "tool_result", "tool_use_id": "1", "content": [TEXT]}, "The dog"),
    "tool result, Bedrock": ({"toolResult": {"toolUseId": "1", "content": [{"json": {"a": 1}}]}}, '{"a": 1}'),
    "json": ({"type": "json", "json": {"köln": [1, None]}}, '{"köln": [1, null]}'),
    "json without a type": ({"json": None}, "null"),
    "resource, MCP": ({"type": "resource", "resource": {"uri": "file:///a", "text": "The dog"}}, "The dog"),
    "resource in base64, MCP": (
        {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "blob": ENCODED}},
        "The dog — sleeps",
    ),
    "file by its ending, OpenAI": (
        {"type": "input_file", "filename": "notes.txt", "file_data": ENCODED},
        "The dog — sleeps",
    ),
    "file of another text type": (
        create_file_block(base64=ENCODED, mime_type="application/ld+json"),
        "The dog — sleeps",
    ),
    "document in bytes, Bedrock": (
        {"document": {"format": "txt", "name": "notes", "source": {"bytes": b"The dog"}}},
        "The dog",
    ),
    "document with text, Bedrock": ({"document": {"format": "txt", "source": {"text": "The dog"}}}, "The dog"),
    "guarded text, Bedrock": ({"guardContent": {"text": {"text": "The dog"}}}, "The dog"),
    "document, Cohere": ({"type": "document", "document": {"id": "1", "data": {"snippet": "é"}}}, '{"snippet": "é"}'),
    "document with a string, Cohere": ({"type": "document", "document": {"data": "The dog"}}, "The dog"),
    "inline data, Gemini": ({"inlineData": {"mimeType": "text/plain", "data": ENCODED}}, "The dog — sleeps"),
    "media, Gemini": ({"type": "media", "mime_type": "text/csv", "data": ENCODED}, "The dog — sleeps"),
    "function response, Gemini": ({"functionResponse": {"name": "w", "response": {"sky": 1}}}, '{"sky": 1}'),
    "non_standard": ({"type": "non_standard", "value": TEXT}, "The dog"),
    "cache point": ({"cachePoint": {"type": "default"}}, ""),
}
MESSAGES: list[Any] = [HumanMessage, SystemMessage, AIMessage, lambda blocks: ToolMessage(blocks, tool_call_id="1")]


@pytest.mark.parametrize("name", READ)
def test_blocks_that_hold_text_are_read_in_every_message(name: str) -> None:
    block, text = READ[name]
    for make in MESSAGES:
        assert read_text(make([block])) == text
        assert message_to_dict(make(["See: ", block]))["content"].split() == f"See: {text}".split()


def test_text_blocks_are_joined_and_documents_are_paragraphs() -> None:
    document: Any = create_plaintext_block(text="The dog")
    blocks: list[Any] = [
        {"type": "text", "text": "Sum"},
        {"type": "text", "text": "marize: "},
        document,
        TEXT,
        document,
    ]
    assert read_text(HumanMessage(blocks)) == "Summarize:\n\nThe dog\n\nThe dog\n\nThe dog"


REFUSED: dict[str, Any] = {
    "image_url": {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    "image": {"type": "image", "url": "https://a.org/a.png"},
    "input_audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    "video": {"type": "video", "file_id": "7"},
    "url": {"type": "text-plain", "url": "https://a.org/a.txt"},
    "file_id": {"type": "file", "file": {"file_id": "7"}},
    "application/pdf": create_file_block(base64="AAAA", mime_type="application/pdf"),
    "not UTF-8": create_file_block(base64="/w==", mime_type="text/plain"),
    "document": {"type": "document", "source": {"type": "url", "url": "https://a.org/a.pdf"}},
    "image/png": {"type": "media", "mime_type": "image/png", "data": "AAAA"},
    "image/svg": {"inline_data": {"mime_type": "image/svg+xml", "data": "AAAA"}},
    "fileData": {"fileData": {"fileUri": "gs://a"}},
    "s3Location": {"document": {"format": "txt", "name": "a", "source": {"s3Location": {"uri": "s3://a"}}}},
    "'guardContent'": {"guardContent": {"image": {}}},
    "unknown, with image": {"image": {"format": "png", "source": {}}},
    "web_search_call": {"type": "web_search_call", "id": "1", "status": "completed"},
    "unknown_block": {"type": "unknown_block", "text": "The dog"},
    "'text' is None": {"type": "text", "text": None},
    "no JSON": {"type": "json", "json": {1, 2}},
    "resource_link": {"type": "resource_link", "uri": "file:///a"},
    "reasoning": {"type": "reasoning", "reasoning": "hm"},
    "'image'": {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": {}}]},
}


@pytest.mark.parametrize("name", REFUSED)
def test_blocks_without_text_raise_an_error_that_names_them(name: str) -> None:
    for make in (HumanMessage, SystemMessage, lambda blocks: ToolMessage(blocks, tool_call_id="1")):
        message: BaseMessage = make([TEXT, REFUSED[name]])
        with pytest.raises(InputError, match=f"reads text only, but a {message.type} message has .*{name}"):
            read_text(message)


def test_reasoning_and_calls_of_an_answer_are_not_repeated_as_text() -> None:
    call = {"name": "f", "args": {}, "id": "1"}
    blocks: list[Any] = [
        {"type": "thinking", "thinking": "hm"},
        TEXT,
        {"type": "tool_use", "id": "1", "name": "f", "input": {}},
    ]
    assert message_to_dict(AIMessage(blocks, tool_calls=[call]))["content"] == "The dog"
    with pytest.raises(InputError, match="'tool_use' that is not in its tool_calls"):
        read_text(AIMessage(blocks))


def test_an_invalid_tool_call_is_kept() -> None:
    broken: Any = {"name": "f", "args": '{"city": "Par', "id": "1", "error": "cut", "type": "invalid_tool_call"}
    [call] = message_to_dict(AIMessage("", invalid_tool_calls=[broken]))["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"city": "Par'}
    assert '{"city": "Par' in chat("llama").engine.encoder.render(
        [HumanMessage("Hi"), AIMessage("", invalid_tool_calls=[broken])]
    )


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_nothing_of_a_tool_result_is_skipped(name: str) -> None:
    encoder = chat(name).engine.encoder
    call = {"name": "w", "args": {}, "id": "123456789"}

    def conversation(block: Any) -> list[BaseMessage]:
        result = ToolMessage([{"type": "text", "text": "see:"}, block], tool_call_id="123456789")
        return [HumanMessage("a"), AIMessage("", tool_calls=[call]), result]

    assert "see:\n\nSUNNY\n" in encoder.render(conversation({"type": "text-plain", "text": "SUNNY"}))
    assert 'see:\n\n{"sky": "SUNNY"}\n' in encoder.render(conversation({"type": "json", "json": {"sky": "SUNNY"}}))
    with pytest.raises(InputError, match="image_url"):
        encoder.render(conversation(REFUSED["image_url"]))


@pytest.mark.parametrize("options", [{}, {"tools": ["f"]}, {"response_format": "schema"}], ids=str)
def test_nothing_of_a_system_message_is_skipped(options: dict[str, Any]) -> None:
    llm = chat("llama")
    schema = {"type": "object", "properties": {}}
    given: dict[str, Any] = {
        "tools": [{"type": "function", "function": {"name": "f", "description": "", "parameters": schema}}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    chosen = {name: given[name] for name in options}
    rules: list[Any] = [{**TEXT, "text": "Rules:"}, create_plaintext_block(text="BE KIND")]
    messages = [SystemMessage(rules), HumanMessage("Hi")]
    prompt = llm.prepare_call(messages, None, {**chosen, "max_new_tokens": 9, "tool_choice": "none"}).request.prompt
    assert "system\nRules:\n\nBE KIND" in llm.engine.loaded.tokenizer.decode(list(prompt))
    with pytest.raises(InputError, match="image_url"):
        llm.invoke([SystemMessage([TEXT, REFUSED["image_url"]]), HumanMessage("Hi")], **chosen)


def test_a_completion_model_skips_no_block() -> None:
    llm = completion("gpt2")
    document: Any = create_plaintext_block(text="BARKS")
    messages = [SystemMessage("Be kind."), HumanMessage([TEXT, document])]
    assert llm._convert(messages) == "System: Be kind.\nHuman: The dog\n\nBARKS"
    with pytest.raises(InputError, match="image_url"):
        llm.invoke([SystemMessage("Be kind."), HumanMessage([REFUSED["image_url"]])])


V0_FILES: list[Any] = [
    {"type": "file", "source_type": "text", "text": "The shop is open", "mime_type": "text/plain"},
    {"type": "file", "source_type": "text", "url": "The shop is open", "id": "a"},
    {"type": "file", "source_type": "base64", "data": base64.b64encode(b"The shop is open").decode(), **PLAIN},
    {"type": "file", "file": {"file_data": f"data:text/plain;base64,{base64.b64encode(b'The shop is open').decode()}"}},
]


@pytest.mark.parametrize("block", V0_FILES, ids=str)
async def test_files_of_langchain_0_3_are_read_by_every_method(block: dict[str, Any]) -> None:
    """LangChain's conversion of these blocks fails with a KeyError or a TypeError."""
    llm = chat("llama", max_new_tokens=3)
    messages: list[BaseMessage] = [HumanMessage(["See: ", block])]
    plain: list[BaseMessage] = [HumanMessage("See:\n\nThe shop is open")]
    expected = llm.invoke(plain)
    for answer in (
        llm.invoke(messages),
        await llm.ainvoke(messages),
        joined(list(llm.stream(messages))),
        llm.batch([messages, plain])[0],
        llm.generate([messages]).generations[0][0].message,
        (await llm.agenerate([messages])).generations[0][0].message,
    ):
        assert answer.content == expected.content
        assert answer.usage_metadata == expected.usage_metadata
    assert messages[0].content == ["See: ", block], "the caller's message is not changed"


@pytest.mark.parametrize("media", ["image", "audio"])
@pytest.mark.parametrize(
    "source",
    [
        {"source_type": "base64", "data": "AAAA"},
        {"source_type": "base64", "data": "AAAA", "id": "a"},
        {"source_type": "base64"},
        {"source_type": "url", "url": "https://a.org/a"},
        {"source_type": "url"},
        {"source_type": "id", "id": "7"},
        {"source_type": "id"},
        {"base64": "AAAA"},
    ],
    ids=str,
)
def test_other_media_of_langchain_0_3_raise_input_error(media: str, source: dict[str, Any]) -> None:
    llm = chat("llama", max_new_tokens=3)
    messages: list[BaseMessage] = [HumanMessage(["See: ", {"type": media, **source}])]
    calls = (lambda: llm.invoke(messages), lambda: list(llm.stream(messages)), lambda: llm.generate([messages]))
    for call in calls:
        with pytest.raises(InputError, match=f"reads text only, but a human message has a block of type '{media}'"):
            call()
    good, bad = llm.batch(["Hi", messages], return_exceptions=True)
    assert isinstance(good, AIMessage)
    assert isinstance(bad, InputError)


@pytest.mark.parametrize("url", ["https://a.org/a.txt", None, "s3://a/b"])
def test_a_file_at_an_address_is_refused(url: str | None) -> None:
    block = {"type": "file", "source_type": "text", **({"url": url} if url else {})}
    with pytest.raises(InputError, match="a block of type 'file'"):
        chat("llama").invoke([HumanMessage([block])])

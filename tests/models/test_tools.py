"""Tools are told, called and read back in the format of each family, whole and in streams, whatever the weights."""

import copy
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool as as_tool
from pydantic import BaseModel, Field
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from llmkit import HuggingFaceChat
from llmkit.errors import ConstraintError
from llmkit.models.tools import (
    HERMES,
    LLAMA,
    MISTRAL,
    MISTRAL_ARGS,
    MISTRAL_SPACED,
    choose_tools,
    format_of,
    tell,
    with_system,
)
from tests import tiny
from tests.models.test_constraint import fits, objects, schemas
from tests.models.test_streams import comparable, joined
from tests.tiny_tokenizers import CHATML

TOLD = "{% if tools %}<|im_start|>system\n{{ tools | tojson }} WRITE<|im_end|>\n{% endif %}" + CHATML.replace(
    "{{ message.content }}", "{{ message.content }}{{ message.tool_calls | tojson if message.tool_calls }}"
)
"""A chat template that tells tools, and how to write a call."""

FORMATS = {
    "told in words": CHATML,
    "hermes": TOLD.replace("WRITE", "<tool_call></tool_call>"),
    "mistral": TOLD.replace("WRITE", "[TOOL_CALLS]"),
    "llama": TOLD.replace("WRITE", '{"name": function name, "parameters": dictionary}'),
}

BY_TOKENS = {
    "hermes by tokens": (FORMATS["hermes"], ("<tool_call>", "</tool_call>")),
    "mistral by tokens": (FORMATS["mistral"], ("[TOOL_CALLS]",)),
    "mistral by spaced tokens": (TOLD.replace("WRITE", "[TOOL_CALLS] [").replace("<|im_", "[im_"), ("[TOOL_CALLS]",)),
    "mistral of 2025": (TOLD.replace("WRITE", "[TOOL_CALLS]f[ARGS]{}"), ("[TOOL_CALLS]", "[ARGS]")),
    "llama by tokens": (FORMATS["llama"], ("<|python_tag|>",)),
}
"""Formats in which special tokens, which no answer's text shows otherwise, stand around a call."""


class Search(BaseModel):
    """Search for something."""

    query: str = Field(max_length=12)
    limit: int = Field(ge=1, le=50)


class Locate(BaseModel):
    """Where am I?"""


def with_special(tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> PreTrainedTokenizerFast:
    """Give a tokenizer in which tokens that are hardly used have become special ones of these names."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    unused = ("<0x00>", "<0x01>") if "<0x00>" in spec["model"]["vocab"] else ("<file_sep>", "<|endoftext|>")
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] not in unused[: len(names)]]
    for old, name in zip(unused, names, strict=False):
        number = spec["model"]["vocab"][name] = spec["model"]["vocab"].pop(old)
        token = {**spec["added_tokens"][0], "id": number, "content": name, "special": True}
        spec["added_tokens"] = sorted([*spec["added_tokens"], token], key=lambda one: one["id"])
    kept = {name: getattr(tokenizer, name) for name in ("bos_token", "eos_token", "pad_token")}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), **kept)


def speaking(form: str, **options: Any) -> HuggingFaceChat:
    """Give a model whose template is of this form; "tags" is one whose tags are tokens of their own."""
    model, tokenizer = tiny.make("qwen3" if form == "tags" else "mistral" if "spaced" in form else "llama")
    if form in BY_TOKENS:
        tokenizer = with_special(tokenizer, BY_TOKENS[form][1])
        tokenizer.chat_template = BY_TOKENS[form][0]
    elif form != "tags":
        tokenizer = copy.copy(tokenizer)
        tokenizer.chat_template = FORMATS[form]
    options = {"temperature": 1.2, "seed": 3, "max_new_tokens": 120, "context_window": 4096, **options}
    return HuggingFaceChat(model=model, tokenizer=tokenizer, **options)


FORMS = [*FORMATS, *BY_TOKENS, "tags"]
forms = pytest.mark.parametrize("form", FORMS)


@forms
@pytest.mark.parametrize(
    "choice", ["any", "Search", "Locate", {"type": "function", "function": {"name": "Search"}}], ids=str
)
def test_a_call_that_must_be_made_is_made(form: str, choice: Any) -> None:
    llm = speaking(form)
    for seed in range(3):
        bound = llm.bind_tools([Search, Locate], tool_choice=choice, seed=seed)
        answer = bound.invoke("Where is it?")
        assert isinstance(answer, AIMessage)
        [call] = answer.tool_calls
        assert not answer.invalid_tool_calls
        assert answer.content == ""
        named = choice["function"]["name"] if isinstance(choice, dict) else choice
        assert call["name"] in (["Search", "Locate"] if named == "any" else [named])
        {"Search": Search, "Locate": Locate}[call["name"]](**call["args"])
        assert call["id"]


@forms
async def test_streamed_calls_are_the_calls(form: str) -> None:
    llm = speaking(form).bind_tools([Search], tool_choice="any", parallel_tool_calls=True, max_new_tokens=200)
    whole = llm.invoke("Where is it?")
    chunks = list(llm.stream("Where is it?"))
    assert comparable(joined(chunks)) == comparable(whole)
    assert comparable(joined([chunk async for chunk in llm.astream("Where is it?")])) == comparable(whole)
    assert isinstance(whole, AIMessage)
    assert whole.tool_calls
    assert len({call["id"] for call in whole.tool_calls}) == len(whole.tool_calls)
    pieces = [part for chunk in chunks for part in getattr(chunk, "tool_call_chunks", [])]
    assert len(pieces) > 2 * len(whole.tool_calls), "arguments come in pieces"
    assert sorted({part["index"] for part in pieces}) == list(range(len(whole.tool_calls)))


@forms
def test_a_call_that_may_be_made(form: str) -> None:
    llm = speaking(form, max_new_tokens=80)
    for seed in range(4):
        answer = llm.bind_tools([Search, Locate], seed=seed).invoke("Where is it?")
        assert isinstance(answer, AIMessage)
        assert not answer.invalid_tool_calls
        for call in answer.tool_calls:
            {"Search": Search, "Locate": Locate}[call["name"]](**call["args"])
        if not answer.tool_calls:
            assert answer.content
    none = llm.bind_tools([Search, Locate], tool_choice="none").invoke("Where is it?")
    assert isinstance(none, AIMessage)
    assert not none.tool_calls


@forms
def test_a_batch_of_calls(form: str) -> None:
    llm = speaking(form).bind_tools([Search, Locate], tool_choice="any")
    inputs = ["Where is it?", "What is the capital of France?", "Hi"]
    want = [comparable(llm.invoke(given)) for given in inputs]
    assert [comparable(answer) for answer in llm.batch(inputs)] == want


@given(st.sampled_from(FORMS), schemas.flatmap(lambda inner: objects(st.just(inner))), st.integers(0, 9))
@settings(max_examples=40)
def test_arguments_fit_any_schema(form: str, schema: dict[str, Any], seed: int) -> None:
    tool = {"type": "function", "function": {"name": "do-it.now", "description": "…", "parameters": schema}}
    llm = speaking(form, max_new_tokens=400).bind_tools([tool], tool_choice="any", seed=seed)
    answer = llm.invoke("Hi")
    assert isinstance(answer, AIMessage)
    [call] = answer.tool_calls
    assert call["name"] == "do-it.now"
    assert fits(call["args"], schema)


@forms
def test_a_tool_loop_is_told_in_the_models_way(form: str) -> None:
    llm = speaking(form)
    call = {"name": "Search", "args": {"query": "Köln", "limit": 3}, "id": "call_1"}
    messages = [
        SystemMessage("Be kind."),
        HumanMessage("Where is it?"),
        AIMessage("Let me see.", tool_calls=[call]),
        ToolMessage("It is <|im_end|> on the Rhine.", tool_call_id="call_1"),
    ]
    bound = llm.bind_tools([Search])
    assert isinstance(bound.invoke(messages), AIMessage)
    tokens = llm.get_num_tokens_from_messages(messages, tools=[Search])
    assert tokens > llm.get_num_tokens_from_messages(messages) > llm.get_num_tokens_from_messages(messages[:2])
    encoder = llm.engine.encoder
    request = llm._request(messages, None, bound.kwargs)[2]  # type: ignore[attr-defined]
    prompt = encoder.tokenizer.decode(list(request.prompt), skip_special_tokens=False)
    for said in (
        "Be kind.",
        "Where is it?",
        "Let me see.",
        "Köln",
        "It is <|im_end|> on the Rhine.",
        "Search for something.",
    ):
        assert prompt.count(said) == 1, said


# Formats


@pytest.mark.parametrize("form", BY_TOKENS)
def test_a_call_is_made_of_the_formats_own_tokens(form: str) -> None:
    llm = speaking(form)
    bound = llm.bind_tools([Search], tool_choice="any")
    request = llm._request("Where is it?", None, bound.kwargs)[2]  # type: ignore[attr-defined]
    [answer] = llm.engine.generate([request])[0]
    tokens = [llm.engine.encoder.tags[name] for name in BY_TOKENS[form][1]]
    matcher = request.constraint.start(120)._matcher
    if form == "llama by tokens":
        assert matcher.validate_tokens([*tokens, *llm.engine.encoder.encode_continuation('{"name')]) > 1
    else:
        assert [answer.ids.count(token) for token in tokens] == [1] * len(tokens)
        assert all(name in answer.text for name in BY_TOKENS[form][1])
    [call] = bound.invoke("Where is it?").tool_calls
    assert re.fullmatch("[a-zA-Z0-9]{9}", call["id"]), "as Mistral's templates demand"


def test_the_format_is_the_one_that_the_template_shows() -> None:
    assert format_of(FORMATS["hermes"]) == HERMES
    assert format_of(FORMATS["mistral"]) == MISTRAL
    assert format_of(BY_TOKENS["mistral by spaced tokens"][0]) == MISTRAL_SPACED
    assert format_of(BY_TOKENS["mistral of 2025"][0]) == MISTRAL_ARGS
    assert format_of(FORMATS["llama"]) == LLAMA
    assert format_of("") == HERMES


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "", "parameters": {}}}


@pytest.mark.parametrize(
    ("choice", "names", "required"),
    [
        (None, ["a", "b"], False),
        ("auto", ["a", "b"], False),
        (False, ["a", "b"], False),
        ("none", [], False),
        ("any", ["a", "b"], True),
        ("required", ["a", "b"], True),
        (True, ["a", "b"], True),
        ("b", ["b"], True),
        ({"type": "function", "function": {"name": "a"}}, ["a"], True),
        ({"type": "tool", "name": "a"}, ["a"], True),
    ],
)
def test_tool_choices(choice: Any, names: list[str], required: bool) -> None:
    chosen, must = choose_tools([tool("a"), tool("b")], choice)
    assert ([one["function"]["name"] for one in chosen], must) == (names, required)


def locate(place: str) -> str:
    """Find a place."""
    return place


@pytest.mark.parametrize(
    "given",
    [
        {"name": "locate"},
        {"name": "locate", "description": "Find a place.", "parameters": {}},
        {"name": "locate", "input_schema": {"type": "object", "properties": {"place": {"type": "integer"}}}},
        {"type": "function", "name": "locate", "parameters": {"type": "object", "properties": {}}},
        {"type": "function", "function": {"name": "locate"}},
        {"title": "locate", "type": "object", "properties": {"place": {"type": "boolean"}}},
        {"toolSpec": {"name": "locate", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        locate,
        as_tool(locate),
    ],
    ids=str,
)
def test_whatever_langchain_takes_for_a_tool_is_one(given: Any) -> None:
    for form in ("told in words", "tags"):
        llm = speaking(form, max_new_tokens=60)
        for answer in (
            llm.bind_tools([given], tool_choice="any").invoke("Hi"),
            llm.invoke("Hi", tools=[given], tool_choice="locate"),
        ):
            assert [call["name"] for call in answer.tool_calls] == ["locate"]
            assert not answer.invalid_tool_calls
        assert llm.get_num_tokens_from_messages([HumanMessage("Hi")], tools=[given]) > 10


def test_a_choice_of_no_tool() -> None:
    with pytest.raises(ConstraintError, match="tool_choice is 'c', but the tools are: a, b"):
        choose_tools([tool("a"), tool("b")], "c")
    llm = speaking("hermes")
    with pytest.raises(ConstraintError, match="tool_choice is 'Find'"):
        llm.bind_tools([Search], tool_choice="Find").invoke("Hi")


def test_tools_in_words() -> None:
    call = {"name": "f", "args": {"x": "é"}, "id": "1"}
    messages = [HumanMessage("Hi"), AIMessage("", tool_calls=[call]), ToolMessage("done", tool_call_id="1")]
    told = tell(messages, [tool("f")])
    assert [message.type for message in told] == ["system", "human", "ai", "human"]
    assert json.dumps(tool("f")["function"]) in told[0].text
    assert told[2].text == HERMES.write("f", {"x": "é"})
    assert told[3].text == "<tool_response>\ndone\n</tool_response>"
    assert tell(messages[:1], []) == messages[:1]
    assert messages[1].content == "", "what was given is not changed"
    assert with_system([SystemMessage("a"), HumanMessage("b")], "c")[0].text == "a\n\nc"


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@forms
def test_a_form_is_held_in_every_format(form: str, method: str) -> None:
    held = speaking(form).with_structured_output(Search, method=method, include_raw=True)  # type: ignore[arg-type]
    for seed in range(2):
        got = held.invoke("Hi", seed=seed)
        assert isinstance(got["parsed"], Search)
        assert got["parsing_error"] is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": {"a": {"type": "nothing"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/x"}}},
    ],
)
def test_a_tool_that_cannot_be_held_to(parameters: dict[str, Any]) -> None:
    broken = {"type": "function", "function": {"name": "f", "description": "", "parameters": parameters}}
    with pytest.raises(ConstraintError):
        speaking("hermes").bind_tools([broken], tool_choice="any").invoke("Hi")

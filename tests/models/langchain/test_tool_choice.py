"""tool_choice in the forms of every provider."""

from typing import Any

import pytest

from llmkit.errors import ConstraintError, SettingsError
from llmkit.models.langchain.call_options import CallOptions
from llmkit.models.langchain.tool_choice import choose_tools
from tests.support.models import chat
from tests.support.tool_formats import Search, chat_with_format


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "", "parameters": {}}}


ALL = ["a", "b", "any"]
CHOICES: list[tuple[Any, list[str] | None, bool]] = [
    (None, ALL, False),
    ("auto", ALL, False),
    (False, ALL, False),
    ("none", [], False),
    ("any", ALL, True),
    ("required", ALL, True),
    ("REQUIRED", ALL, True),
    (True, ALL, True),
    ("b", ["b"], True),
    # OpenAI
    ({"type": "function", "function": {"name": "a"}}, ["a"], True),
    ({"type": "function", "function": {"name": "any"}}, ["any"], True),
    ({"type": "function", "name": "a"}, ["a"], True),
    ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}]}, ["a"], False),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "b"}}, tool("a")],
            },
        },
        ["a", "b"],
        True,
    ),
    # Anthropic
    ({"type": "auto"}, ALL, False),
    ({"type": "any"}, ALL, True),
    ({"type": "any", "disable_parallel_tool_use": True}, ALL, True),
    ({"type": "none"}, [], False),
    ({"type": "tool", "name": "a"}, ["a"], True),
    ({"type": "tool", "name": "none"}, None, True),
    # Bedrock
    ({"auto": {}}, ALL, False),
    ({"any": {}}, ALL, True),
    ({"tool": {"name": "b"}}, ["b"], True),
    # Gemini
    ({"function_calling_config": {"mode": "ANY", "allowed_function_names": ["b"]}}, ["b"], True),
    ({"functionCallingConfig": {"mode": "AUTO"}}, ALL, False),
    ({"function_calling_config": {"mode": "NONE"}}, [], False),
    (["b"], ["b"], True),
    (["b", "a"], ["a", "b"], True),
]


@pytest.mark.parametrize(("choice", "names", "required"), CHOICES, ids=str)
def test_tool_choice_selects_tools(choice: Any, names: list[str] | None, required: bool) -> None:
    tools = [tool("a"), tool("b"), tool("any")]
    if names is None:
        with pytest.raises(ConstraintError, match="but the tools are: a, b, any"):
            choose_tools(tools, choice)
        return
    chosen, is_required = choose_tools(tools, choice)
    assert ([one["function"]["name"] for one in chosen], is_required) == (names, required)


@pytest.mark.parametrize(
    "choice",
    [
        "c",
        "",
        3,
        {},
        {"type": "nothing"},
        {"name": "c"},
        {"mode": "maybe"},
        {"allowed_tools": {"tools": ["c"]}},
        pytest.param([tool], id="a list of tools"),
    ],
    ids=str,
)
def test_an_unknown_tool_choice_names_the_tools(choice: Any) -> None:
    with pytest.raises(ConstraintError, match=r"tool_choice is .*, but the tools are: a, b \(or give 'auto'"):
        choose_tools([tool("a"), tool("b")], choice)


def test_a_required_call_needs_a_tool() -> None:
    for choice in ("any", "required", True, {"type": "any"}):
        with pytest.raises(ConstraintError, match="but there are no tools"):
            choose_tools([], choice)
    with pytest.raises(ConstraintError, match="tool_choice is 'Find'"):
        chat_with_format("hermes").bind_tools([Search], tool_choice="Find").invoke("Hi")


@pytest.mark.parametrize(
    ("options", "parallel"),
    [
        ({}, False),
        ({"parallel_tool_calls": None}, False),
        ({"parallel_tool_calls": True}, True),
        ({"tool_choice": {"type": "any", "disable_parallel_tool_use": True}}, False),
        ({"tool_choice": {"type": "any", "disable_parallel_tool_use": False}}, True),
        ({"tool_choice": {"type": "any", "disable_parallel_tool_use": False}, "parallel_tool_calls": False}, False),
    ],
    ids=str,
)
def test_parallel_calls_are_allowed_in_the_words_of_openai_and_anthropic(
    options: dict[str, Any], parallel: bool
) -> None:
    assert (
        CallOptions.parse(chat("llama").settings, None, {"tools": [tool("a")], **options}).parallel_tool_calls
        is parallel
    )


def test_parallel_tool_calls_must_be_a_truth_value() -> None:
    with pytest.raises(SettingsError, match="parallel_tool_calls is 'false', but must be True or False"):
        chat("llama").bind_tools([Search], parallel_tool_calls="false").invoke("Hi")


OTHER_OPTIONS: list[dict[str, Any]] = [
    {"strict": True},
    {"strict": False},
    {"strict": None},
    {"stream_usage": True},
    {"stream_options": {"include_usage": True}},
    {"user": "ann"},
    {"metadata": {"task": "a"}},
    {"service_tier": "flex"},
    {"store": False},
    {"safety_identifier": "a"},
    {"prompt_cache_key": "a"},
    {"max_retries": 2},
]


@pytest.mark.parametrize("options", OTHER_OPTIONS, ids=str)
def test_options_of_models_behind_a_network_change_nothing(options: dict[str, Any]) -> None:
    llm = chat_with_format("hermes", temperature=0, max_new_tokens=60)
    bound = llm.bind_tools([Search], tool_choice="any")
    other = llm.bind_tools([Search], tool_choice="any", **options)
    expected = [(call["name"], call["args"]) for call in bound.invoke("Hi").tool_calls]
    assert [(call["name"], call["args"]) for call in other.invoke("Hi").tool_calls] == expected
    assert [(call["name"], call["args"]) for call in other.batch(["Hi", "Hi"])[1].tool_calls] == expected
    chunks: Any = list(other.stream("Hi"))
    assert [(call["name"], call["args"]) for call in sum(chunks[1:], chunks[0]).tool_calls] == expected


def test_stop_sequences_are_stop() -> None:
    llm = chat("llama")
    text = str(llm.invoke("Hi").content)
    assert llm.invoke("Hi", stop_sequences=[text[3:5]]).content == llm.invoke("Hi", stop=[text[3:5]]).content
    with pytest.raises(SettingsError, match="two names of one setting"):
        llm.invoke("Hi", stop=["a"], stop_sequences=["b"])


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("strickt", "strict"),
        ("tool_choices", "tool_choice"),
        ("parallel_calls", "parallel_tool_calls"),
        ("thinking", "the settings are max_new_tokens"),
    ],
)
def test_an_unknown_option_names_what_is_known(name: str, known: str) -> None:
    with pytest.raises(SettingsError, match=f"unknown .*{name}.*{known}"):
        chat("llama").bind_tools([Search], **{name: True}).invoke("Hi")


FUNCTION = {"name": "Search", "description": "", "parameters": {"type": "object", "properties": {}}}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"tool_config": {"function_calling_config": {"mode": "ANY"}}}, {"tool_choice": "any"}),
        ({"tool_config": {"toolChoice": {"tool": {"name": "Search"}}}}, {"tool_choice": "Search"}),
        ({"disable_parallel_tool_use": True}, {"parallel_tool_calls": False}),
        ({"disable_parallel_tool_use": False}, {"parallel_tool_calls": True}),
        ({"request_timeout": 5}, {"timeout": 5}),
        ({"betas": ["x"], "extra_headers": {}, "cache_control": {"type": "ephemeral"}}, {}),
    ],
)
def test_words_of_other_integrations_mean_the_same(given: dict[str, Any], meant: dict[str, Any]) -> None:
    settings = chat("llama").settings
    tools = [{"type": "function", "function": FUNCTION}]
    one, other = (CallOptions.parse(settings, None, {"tools": tools, **options}) for options in (given, meant))
    assert one.allowed_tools == other.allowed_tools
    assert (one.parallel_tool_calls, one.timeout) == (other.parallel_tool_calls, other.timeout)


def test_two_names_of_one_option_are_an_error() -> None:
    settings = chat("llama").settings
    with pytest.raises(SettingsError, match="tool_choice and tool_config are given"):
        CallOptions.parse(settings, None, {"tool_choice": "any", "tool_config": {"toolChoice": {"any": {}}}})

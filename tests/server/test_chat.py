"""`/v1/chat/completions`, asked by OpenAI's own client: what it answers is what the model answers in this process."""

import json

import openai
import pytest

from tests.support.api_server import NAME

MESSAGES = [{"role": "user", "content": "Where is the fox?"}]
TEXT = "Where is the fox?"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 4}, "far": {"type": "boolean"}},
    "required": ["city", "far"],
    "additionalProperties": False,
}
ARGUMENTS = {"type": "object", "properties": {"far": {"type": "boolean"}}, "required": ["far"]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": ARGUMENTS}}


def ask(client, **options):
    return client.chat.completions.create(**{"model": NAME, "messages": MESSAGES, "temperature": 0, **options})


@pytest.mark.parametrize("stream", [False, True])
def test_text_usage_and_finish_reason_are_those_of_the_model(client, server, stream):
    expected = server.llm.invoke(TEXT, temperature=0)
    if stream:
        *parts, last = ask(client, stream=True, stream_options={"include_usage": True})
        text = "".join(part.choices[0].delta.content or "" for part in parts)
        assert [part.choices[0].delta.role for part in parts] == ["assistant", *[None] * (len(parts) - 1)]
        reason, usage = parts[-1].choices[0].finish_reason, last.usage
    else:
        answer = ask(client)
        text, reason, usage = answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage
    assert text == expected.text
    assert reason == expected.response_metadata["finish_reason"] == "length"
    assert usage.prompt_tokens == expected.usage_metadata["input_tokens"]
    assert usage.completion_tokens == expected.usage_metadata["output_tokens"] == 12


@pytest.mark.parametrize("stream", [False, True])
def test_several_sampled_answers_are_those_of_the_seed(client, server, stream):
    expected = server.llm.generate([[server.llm._convert(TEXT)[0]]], n=3, temperature=1.0, seed=5).generations[0]
    answer = ask(client, n=3, temperature=1.0, seed=5, stream=stream)
    texts = [""] * 3
    if stream:
        for part in answer:
            texts[part.choices[0].index] += part.choices[0].delta.content or ""
    else:
        texts = [choice.message.content for choice in answer.choices]
    assert texts == [one.message.text for one in expected]
    assert len(set(texts)) == 3


def test_a_stop_string_ends_the_answer_and_is_left_out(client, server):
    whole = server.llm.invoke(TEXT, temperature=0).text
    stop = whole[3:5]
    choice = ask(client, stop=[stop]).choices[0]
    assert choice.message.content == whole[: whole.index(stop)]
    assert choice.finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_are_those_of_the_model(client, server, stream):
    expected = server.llm.invoke(TEXT, temperature=0, top_logprobs=3, logprobs=True)
    given = expected.response_metadata["logprobs"]["content"]
    answer = ask(client, logprobs=True, top_logprobs=3, stream=stream)
    parts = [part.choices[0].logprobs for part in answer] if stream else [answer.choices[0].logprobs]
    found = [entry for part in parts if part for entry in part.content]
    assert [entry.logprob for entry in found] == [entry["logprob"] for entry in given]
    assert [[top.logprob for top in one.top_logprobs] for one in found] == [
        [top["logprob"] for top in one["top_logprobs"]] for one in given
    ]
    written = b"".join(bytes(entry.bytes) for entry in found)
    assert written.decode(errors="replace") == expected.text


def test_a_schema_is_followed(client):
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    found = json.loads(ask(client, response_format=form, max_tokens=120).choices[0].message.content)
    assert found.keys() == {"city", "far"}
    assert isinstance(found["far"], bool)
    assert isinstance(json.loads(ask(client, response_format={"type": "json_object"}).choices[0].message.content), dict)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_arguments_of_its_schema(client, stream):
    answer = ask(client, tools=[TOOL], tool_choice="required", max_tokens=70, stream=stream)
    if stream:
        parts = list(answer)
        calls = [call for part in parts for call in part.choices[0].delta.tool_calls or ()]
        assert calls[0].id
        name, arguments = calls[0].function.name, "".join(call.function.arguments for call in calls)
        reason = parts[-1].choices[0].finish_reason
    else:
        [call], reason = answer.choices[0].message.tool_calls, answer.choices[0].finish_reason
        name, arguments = call.function.name, call.function.arguments
    assert (name, reason) == ("look", "tool_calls")
    assert isinstance(json.loads(arguments)["far"], bool)


def test_parts_of_a_call_do_not_change_once_they_were_given(server):
    from llmkit.server.chat import ChatAnswer, ChatRequest

    request = ChatRequest(messages=MESSAGES, tools=[TOOL], tool_choice="required", max_tokens=70, temperature=0.0)
    service = server.app.state.services.find()
    parts = list(ChatAnswer.prepare(service, request).deltas())
    calls = [call for part in parts for call in part["delta"].get("tool_calls", ())]
    assert isinstance(json.loads("".join(call["function"]["arguments"] for call in calls))["far"], bool)


def test_a_conversation_with_a_tools_result_is_read(client, server):
    call = {"id": "a1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Rome"}'}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        *MESSAGES,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a1", "content": "It is in Rome."},
    ]
    found = ask(client, messages=messages)
    counted = server.post("/tokenize", {"messages": messages}).json()["count"]
    assert found.usage.prompt_tokens == counted > 100


def test_an_answer_that_was_begun_is_continued(client, server):
    begun = [*MESSAGES, {"role": "assistant", "content": "It is"}]
    found = ask(client, messages=begun, extra_body={"continue_final_message": True, "add_generation_prompt": False})
    assert found.choices[0].message.content == server.llm.invoke([("user", TEXT), ("ai", "It is")], temperature=0).text
    with pytest.raises(openai.BadRequestError, match="is continued here"):
        ask(client, messages=begun, extra_body={"continue_final_message": False})


def test_parameters_without_effect_are_passed_over(client):
    options = {"user": "a", "store": False, "metadata": {"a": "b"}, "logit_bias": {}, "service_tier": "auto"}
    assert ask(client, **options).choices[0].message.content == ask(client).choices[0].message.content


@pytest.mark.parametrize(
    ("options", "param", "message"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias", "not supported"),
        ({"reasoning_effort": "low"}, "reasoning_effort", "not supported"),
        ({"temperature": -1}, "temperature", "at least 0"),
        ({"temperature": "hot"}, "temperature", "must be a number"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs"),
        ({"n": 1000, "temperature": 1}, "n", "at most 64"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "alien", "content": "x"}]}, "messages", "role 'alien'"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages", "cannot be read"),
        ({"messages": [{"role": "user"}]}, "messages", "'user' has no content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages", "'tool' has no tool_call_id"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "differ"),
        ({"response_format": {"type": "xml"}}, None, "response_format is"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "no"}}}, None, "the tools are"),
    ],
)
def test_what_is_wrong_is_named(client, options, param, message):
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        ask(client, **options)
    assert caught.value.param == param


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(client, server):
    long = [{"role": "user", "content": "fox " * 600}]
    needed = server.llm.get_num_tokens_from_messages([("user", "fox " * 600)])
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, messages=long)
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.body["available_tokens"] == 512
    assert caught.value.body["needed_tokens"] > 512
    assert needed > 512


def test_another_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model="gpt-6")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-6")
    assert next(iter(client.models.list())).id == NAME == client.models.retrieve(NAME).id

"""`/v1/completions`, `/tokenize` and `/detokenize`: log-probabilities of given text are those that `score` has."""

import numpy as np
import openai
import pytest

from tests.support.api_server import NAME

PROMPT = "The fox runs over the lazy dog"


def complete(client, prompt, **options):
    return client.completions.create(**{"model": NAME, "prompt": prompt, "temperature": 0, "max_tokens": 6, **options})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("echo", [False, True])
def test_the_text_is_that_of_the_model(client, server, stream, echo):
    expected = server.llm.as_completion().invoke(PROMPT, temperature=0, max_new_tokens=6)
    answer = complete(client, PROMPT, echo=echo, stream=stream)
    text = "".join(part.choices[0].text for part in answer) if stream else answer.choices[0].text
    assert text == PROMPT * echo + expected


def test_echo_tells_the_log_probability_of_each_token_of_the_prompt(client, server):
    tokens = server.llm.engine.encoder.encode_text(PROMPT)
    found = complete(client, PROMPT, echo=True, logprobs=2, max_tokens=0)
    listed = found.choices[0].logprobs
    before = [tokens[:end] for end in range(1, len(tokens))]
    expected = server.llm.engine.scorer.score(before, [[[token]] for token in tokens[1:]])
    assert listed.token_logprobs[0] is None
    np.testing.assert_allclose(listed.token_logprobs[1:], np.concatenate(expected), atol=1e-5)
    assert all(
        max(top.values()) >= value
        for top, value in zip(listed.top_logprobs[1:], listed.token_logprobs[1:], strict=True)
    )
    assert "".join(listed.tokens) == PROMPT == found.choices[0].text
    assert [
        PROMPT[start:].startswith(token) for token, start in zip(listed.tokens, listed.text_offset, strict=True)
    ] == [True] * len(tokens)
    assert found.usage.completion_tokens == 0


@pytest.mark.parametrize("stream", [False, True])
def test_prompt_and_completion_have_one_list_of_log_probabilities(client, server, stream):
    answer = complete(client, [PROMPT, "A dog"], echo=True, logprobs=1, stream=stream)
    parts = list(answer) if stream else [answer]
    for index, prompt in enumerate([PROMPT, "A dog"]):
        choices = [choice for part in parts for choice in part.choices if choice.index == index]
        tokens = [token for choice in choices for token in choice.logprobs.tokens]
        assert len(tokens) == len(server.llm.engine.encoder.encode_text(prompt)) + 6
        assert "".join(choice.text for choice in choices).startswith(prompt)


def test_tokens_that_are_asked_for_by_id_have_the_values_of_score(client, server):
    prompt, asked = server.llm.engine.encoder.encode_text(PROMPT), [4, 9, 200]
    extra = {"logprob_token_ids": asked, "return_tokens_as_token_ids": True}
    listed = complete(client, prompt, logprobs=1, max_tokens=1, extra_body=extra).choices[0].logprobs
    [expected] = server.llm.engine.scorer.score([prompt], [[[token] for token in asked]])
    np.testing.assert_allclose([listed.top_logprobs[0][f"token_id:{token}"] for token in asked], expected, atol=1e-5)
    assert listed.top_logprobs[0][listed.tokens[0]] == max(listed.top_logprobs[0].values())


def test_many_prompts_are_answered_in_their_order(client, server):
    prompts = [PROMPT, "One", "Two dogs", "Three big foxes"]
    found = complete(client, prompts, n=2, temperature=1.0, seed=3)
    assert [choice.index for choice in found.choices] == list(range(8))
    alone = [
        choice.text for prompt in prompts for choice in complete(client, prompt, n=2, temperature=1.0, seed=3).choices
    ]
    assert [choice.text for choice in found.choices] == alone


def test_names_of_special_tokens_are_text_unless_it_is_asked_otherwise(client, server):
    text = "<|im_start|>user"
    plain, parsed = (
        complete(client, text, max_tokens=1, extra_body={"parse_special": special}).usage.prompt_tokens
        for special in (False, True)
    )
    assert plain == len(server.llm.engine.encoder.encode_text(text)) > parsed
    assert server.post("/tokenize", {"prompt": text}).json()["count"] == parsed


def test_tokens_of_a_text_and_back(server):
    found = server.post("/tokenize", {"prompt": PROMPT, "return_token_strs": True}).json()
    assert found["tokens"] == server.llm.get_token_ids(PROMPT)
    assert (found["count"], found["max_model_len"]) == (len(found["tokens"]), 512)
    assert "".join(found["token_strs"]) == PROMPT
    assert server.post("/detokenize", {"tokens": found["tokens"]}).json() == {"prompt": PROMPT}
    info = server.http.get("/tokenizer_info").json()
    assert info["eos_token"] == server.llm.engine.loaded.tokenizer.eos_token
    messages = [{"role": "user", "content": PROMPT}]
    counted = server.post("/tokenize", {"messages": messages}).json()["count"]
    assert counted == server.llm.get_num_tokens_from_messages([("user", PROMPT)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": [5, 99999]}, "99999 is no token"),
        ({"prompt": [[]]}, "at least one"),
        ({"prompt": []}, "empty list"),
        ({"max_tokens": 0}, "echo"),
        ({"logprobs": 101}, "from 0 to 100"),
        ({"suffix": "x"}, "not supported"),
        ({"best_of": 3}, "not supported"),
    ],
)
def test_what_is_wrong_is_named(client, options, message):
    with pytest.raises(openai.BadRequestError, match=message):
        complete(client, options.pop("prompt", PROMPT), **options)

"""Scores of a served model are those of the same model in this process, in each server's wire format."""

from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from llmkit.errors import ContextWindowExceeded, InputError, ServerError
from llmkit.models.serving.adapters import VLLM_MOST_IDS
from tests.support.counting_model import PROGRAMS, counting_llm, counting_server, served

INPUTS: list[Any] = [
    "Repeat: one two",
    [SystemMessage("Count."), HumanMessage("How many? <|im_end|>"), AIMessage("There are")],
    "東京 has trees.",
]
CONTINUATIONS = [" two", " two three", " trees", " twenty-one trees", "東京", "x"]
every_program = pytest.mark.parametrize("program", PROGRAMS)


@every_program
def test_scores_equal_those_in_this_process(program: str) -> None:
    llm = counting_llm()
    inputs = INPUTS[::2] if program == "llama-cpp-python" else INPUTS  # it reads names of special tokens in any text
    with counting_server(program) as server:
        model = served(server)
        np.testing.assert_allclose(model.score(inputs, CONTINUATIONS), llm.score(inputs, CONTINUATIONS), atol=1e-3)
        with_end = model.score(inputs, CONTINUATIONS, include_eos=True)
        np.testing.assert_allclose(with_end, llm.score(inputs, CONTINUATIONS, include_eos=True), atol=1e-3)
        lists = [CONTINUATIONS[: index + 1] for index in range(len(inputs))]
        rows = zip(model.score(inputs, lists), llm.score(inputs, lists), strict=True)
        assert all(np.allclose(row, expected, atol=1e-3) for row, expected in rows)
        assert model.exactness == "exact"
        is_echo = program in ("old vllm", "llama-cpp-python")  # which generates a token behind the continuation
        assert (model.context_window, model.refusal) == (511 if is_echo else 512, "")


@every_program
async def test_ascore_equals_score(program: str) -> None:
    with counting_server(program) as server:
        model = served(server)
        found = await model.ascore(["Repeat: one"], [" two", " trees"])
        np.testing.assert_allclose(found, counting_llm().score(["Repeat: one"], [" two", " trees"]), atol=1e-3)


def test_each_inner_node_is_one_request_and_the_root_is_the_first() -> None:
    with counting_server() as server:
        model = served(server)
        assert model.exactness == "exact"
        before = len(server.requests)
        model.score(["Repeat: one"], [" trees", " trees", " tree"])
        bodies = [body for _, body in server.requests[before:]]
        prompt = model._encode("Repeat: one")
    encoder = counting_llm().engine.encoder
    paths = {tuple(encoder.encode_continuation(text)) for text in (" trees", " tree")}
    nodes = {path[:depth] for path in paths for depth in range(len(path))}
    assert bodies[0]["prompt"] == prompt
    assert sorted(tuple(body["prompt"][len(prompt) :]) for body in bodies) == sorted(nodes)


def test_more_tokens_than_vllm_takes_at_once_are_several_requests() -> None:
    llm = counting_llm()
    encoder = llm.engine.encoder
    texts = [encoder.tokenizer.decode([token]) for token in range(5, llm.engine.loaded.vocab_size)]
    single = [text for text in texts if len(encoder.encode_continuation(text)) == 1]
    assert len(single) > VLLM_MOST_IDS
    with counting_server() as server:
        np.testing.assert_allclose(served(server).score(["A"], single), llm.score(["A"], single), atol=1e-3)


def test_a_position_that_llama_cpp_leaves_out_is_asked_for_again() -> None:
    """It leaves out the position if the token that it chose ends in the middle of a character."""

    def leave_out(path: str, body: dict[str, Any], handler: Any) -> bool:
        if path == "/completion" and "logit_bias" not in body:
            handler.send(200, {"completion_probabilities": []})
            return True
        return False

    with counting_server("llama.cpp") as server:
        model = served(server)
        assert model.exactness == "exact"
        server.before.append(leave_out)
        found = model.score(INPUTS[:1], CONTINUATIONS)
    np.testing.assert_allclose(found, counting_llm().score(INPUTS[:1], CONTINUATIONS), atol=1e-3)


def test_a_server_that_lists_few_tokens_gives_bounds() -> None:
    with counting_server("llama.cpp") as server:
        server.most_probs = 5
        model = served(server)
        expected = counting_llm().score(["Repeat: one"], CONTINUATIONS)
        found = model.score(["Repeat: one"], CONTINUATIONS)
        assert model.exactness == "bounded"
    assert np.all(found >= expected - 1e-3)
    assert np.any(found > expected + 0.1)


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_sent() -> None:
    with counting_server() as server:
        model = served(server)
        assert model.context_window == 512
        before = len(server.requests)
        with pytest.raises(ContextWindowExceeded, match="a prompt and its longest continuation need"):
            model.score(["word " * 600], [" two"])
        with pytest.raises(ContextWindowExceeded):
            model.invoke("word " * 600)
        assert len(server.requests) == before
    with counting_server() as server:
        assert served(server, context_window=100).context_window == 100


@pytest.mark.parametrize(("inputs", "continuations"), [([], ["a"]), (["a"], []), (["a"], [""]), ("ab", ["x"])])
def test_invalid_arguments_raise_input_error(inputs: Any, continuations: Any) -> None:
    with counting_server() as server, pytest.raises(InputError):
        served(server).score(inputs, continuations)


def test_an_answer_that_lacks_a_token_later_is_an_error_not_a_score() -> None:
    with counting_server() as server:
        model = served(server)
        assert model.exactness == "exact"

        def without(path: str, answer: Any) -> Any:
            for choice in answer.get("choices", []):
                choice["logprobs"]["top_logprobs"] = [dict(list(choice["logprobs"]["top_logprobs"][0].items())[:1])]
            return answer

        server.changed = without
        with pytest.raises(ServerError, match="leaves out"):
            model.score(["Repeat: one"], CONTINUATIONS)

"""A server whose values cannot be true is found out and refused with its reason, never scored."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llmkit.errors import LlmkitError, ModelNotFound, ServerError, ServerUnusable
from tests.support.counting_model import counting_server, served
from tests.support.model_server import KEY
from tests.support.tokenizers import gpt2_tokenizer, qwen_tokenizer


def _top(change: Callable[[dict[str, float]], dict[str, float]]) -> Callable[[str, Any], Any]:
    """Return what changes the values in answers of vLLM's form."""

    def changed(path: str, answer: Any) -> Any:
        logprobs = answer["choices"][0]["logprobs"] if path == "/v1/completions" else {}
        if "top_logprobs" in logprobs:
            logprobs["top_logprobs"] = [change(logprobs["top_logprobs"][0])]
        return answer

    return changed


def _normalized(values: dict[str, float]) -> dict[str, float]:
    """Return values whose probabilities are 1 together, over the tokens that are listed beside the chosen one."""
    chosen, *others = values.items()
    total = np.logaddexp.reduce([value for _, value in others or [chosen]])
    return {**{name: value - float(total) for name, value in others}, chosen[0]: 0.0} if others else values


LIES: dict[str, tuple[Callable[[str, Any], Any], str]] = {
    "a constant": (_top(lambda values: dict.fromkeys(values, -3.0)), "not the likeliest"),
    "probabilities": (_top(lambda values: {name: 2.0**value for name, value in values.items()}), "at most 0"),
    "minus infinity": (_top(lambda values: {**dict.fromkeys(values, float("-inf")), min(values): 0.0}), "not finite"),
    "other order": (_top(lambda values: {name: -15 - value for name, value in values.items()}), "likeliest"),
    "natural top only": (_top(lambda values: dict(list(values.items())[:1])), "leaves out"),
    "text instead of ids": (
        _top(lambda values: {name[3:]: 0.0 for name in values}),
        "by their ids",
    ),
    "normalized": (_top(_normalized), "depends on|more than 1|not the likeliest"),
    "no numbers": (_top(lambda values: dict.fromkeys(values, "high")), "no log-probability"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("lie", LIES)
def test_values_that_cannot_be_true_are_refused(lie: str) -> None:
    change, reason = LIES[lie]
    with counting_server() as server:
        server.before.append(_without_echo)
        server.changed = change
        model = served(server)
        assert model.exactness == "none"
        with pytest.raises(ServerUnusable, match=reason):
            model.score(["Repeat: one"], [" two"])


def _without_echo(path: str, body: dict[str, Any], handler: Any) -> bool:
    """Answer as a server that ignores `echo`."""
    if body.get("echo"):
        handler.send(200, {"choices": [{"text": "", "logprobs": None}]})
        return True
    return False


def test_an_older_vllm_is_read_by_echo() -> None:
    with counting_server("old vllm") as server:
        model = served(server)
        assert (model.exactness, type(model.connection.adapter).__name__) == ("exact", "EchoAdapter")


def test_a_server_without_log_likelihoods_is_refused_with_a_reason_for_each_way() -> None:
    with counting_server("transformers") as server:
        model = served(server, context_window=512)
        assert model.exactness == "none"
        assert "vLLM's logprob_token_ids: it has no" in model.refusal
        assert "SGLang's token_ids_logprob: status 404" in model.refusal
        with pytest.raises(ServerUnusable, match="tells no log-likelihoods"):
            model.score(["Repeat: one"], [" two"])
        assert "echo" in model.refusal


@pytest.mark.parametrize("program", ["vllm", "sglang", "llama.cpp", "llama-cpp-python"])
@pytest.mark.parametrize("tokenizer", [qwen_tokenizer, gpt2_tokenizer])
def test_another_models_tokenizer_is_refused(program: str, tokenizer: Callable[[], Any]) -> None:
    with counting_server(program) as server:
        model = served(server, tokenizer=tokenizer())
        with pytest.raises(ServerUnusable, match="does not match the model"):
            model.get_num_tokens("one")


def test_a_prompt_without_bos_is_refused_by_llama_cpp_python() -> None:
    """Its server lists values one place off for such prompts."""
    reason = "does not begin with the token that begins texts"
    with counting_server("llama-cpp-python") as server:
        model = served(server)
        completion = model.as_completion()  # whose prompts are plain text, which this tokenizer begins with no BOS
        assert model.exactness == "exact"
        assert (completion.exactness, reason in completion.refusal) == ("none", True)
        with pytest.raises(ServerUnusable, match=reason):
            completion.require_scores()
        model.connection.tokens.bos = 7
        with pytest.raises(ServerUnusable, match=reason):
            model.score(["Repeat: one"], [" two"])


def _answer(status: int, content: Any, content_type: str = "application/json") -> Callable[[str, Any, Any], bool]:
    def answer(path: str, body: Any, handler: Any) -> bool:
        handler.send(status, content, content_type)
        return True

    return answer


HTML = b"<!doctype html><p>Welcome"
BAD_SERVERS: dict[str, tuple[Callable[[str, Any, Any], bool], type[LlmkitError], str]] = {
    "html": (
        _answer(200, HTML, "text/html"),
        ServerUnusable,
        "text/html, not JSON.*ends in /v1",
    ),
    "404": (_answer(404, b"<h1>Not found</h1>", "text/html"), ServerUnusable, "no route /models"),
    "other json": (_answer(200, {"ok": True}), ServerUnusable, "no list of models"),
    "a list": (_answer(200, [1]), ServerUnusable, "no list of models"),
    "redirect": (_answer(307, b""), ServerUnusable, "redirects"),
    "broken": (_answer(500, {"error": {"message": "out of memory"}}), ServerError, "status 500: out of memory"),
    "damaged": (_answer(200, b'{"data": ['), ServerError, "cut or damaged"),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_an_address_that_is_no_model_server_is_a_clear_error(name: str) -> None:
    answer, error, message = BAD_SERVERS[name]
    with counting_server() as server:
        server.before.append(answer)
        with pytest.raises(error, match=message):
            served(server).score(["Repeat: one"], [" two"])
        server.before.clear()
        assert served(server).exactness == "exact"


def test_a_model_that_the_server_lacks_is_named_with_those_it_has() -> None:
    with counting_server() as server:
        server.name = "another-model"
        with pytest.raises(ModelNotFound, match="has no model 'counting': it has another-model"):
            served(server).score(["Repeat: one"], [" two"])
        with pytest.raises(ModelNotFound, match="has no model 'counting'"):
            served(server).invoke("Repeat: one")


def test_a_missing_tokenizer_is_an_error_that_says_what_to_pass() -> None:
    with counting_server() as server, pytest.raises(ModelNotFound, match="pass tokenizer="):
        served(server, tokenizer=None).get_num_tokens("one")


def test_a_wrong_key_is_refused_and_shown_nowhere() -> None:
    with counting_server() as server:
        server.key = KEY
        wrong, right = (served(server, api_key=key) for key in ("sk-wrong", KEY))
        for call in (lambda: wrong.score(["a"], [" two"]), lambda: wrong.invoke("a")):
            with pytest.raises(ServerUnusable, match="refuses the key") as raised:
                call()
            assert "sk-wrong" not in str(raised.value)
        assert right.exactness == "exact"
        assert KEY not in f"{right!r} {right} {right.connection!r}"

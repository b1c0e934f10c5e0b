"""Chat templates that take all memory or time, or end in any error, cost a bounded amount of both."""

import copy
import os
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from llmkit.errors import LlmkitError, ModelUnusable, PromptError
from llmkit.models.tokens import template_process
from llmkit.models.tokens.chat_template import PromptEncoder
from llmkit.models.tokens.template_process import TEMPLATES, TemplateError, TemplateProcess
from llmkit.models.tokens.template_worker import MAX_SECONDS
from tests.support.tokenizers import CHATML, chatml_tokenizer

GROWING = {
    "a repeated text": "{{ 'a' * 10**10 }}",
    "a text of texts": "{{ ('a' * 10**5) * 10**5 }}",
    "a doubled text": (
        "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}"
    ),
    "a repeated list": "{{ [1] * 10**9 }}",
    "a width": "{{ '%1000000000d' % 1 }}",
    "a width of format": "{{ '{:>1000000000}'.format(1) }}",
    "a centred text": "{{ 'a' | center(10**9) }}",
    "indented lines": "{{ ('a\n' * 1000) | indent(10**7) }}",
    "indented JSON": "{{ messages | tojson(indent=10**9) }}",
    "a filled batch": "{{ [1] | batch(10**9, 'x') | list }}",
    "bytes of a number": "{{ (1).to_bytes(3 * 10**9, 'big') }}",
    "an error": "{{ raise_exception('x' * 3 * 10**9) }}",
    "a long prompt": "{{ 'a' * 2 * 10**7 }}",
}
ENDLESS = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "nested lists": (
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}"
    ),
    "a power": "{{ 1.5 | round(4 * 10**8, 'ceil') }}",
    "texts": "{{ lipsum(n=10**9) }}",
}
WRONG = [
    "{{ 1 / 0 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "{{ " + "(" * 10_000 + ")" * 10_000 + " }}",
    "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "{{ 'x'.encode('nope') }}",
    "{{ ''.__class__.__mro__ }}",
    "{% include '/etc/passwd' %}",
    "{% break %}",
    "{{ 1e400 }}",
    "{{ '1' * 5000 | int }}",
    "{{ [3, 'a'] | sort }}",
    "a\0b",
]


def encode(template: Any) -> list[int]:
    tokenizer = copy.copy(chatml_tokenizer())
    tokenizer.chat_template = template
    return PromptEncoder(tokenizer, is_encoder_decoder=False).encode_messages([HumanMessage("What is it?")])


@pytest.mark.slow
@pytest.mark.parametrize("name", GROWING)
def test_a_template_gets_a_limited_amount_of_memory(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelUnusable, match=r"chat template (needs more than|writes) .*; .*|chat template .*trust"):
        encode(GROWING[name])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_a_template_gets_a_limited_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(CHATML)  # the process is there
    monkeypatch.setattr(template_process, "MAX_SECONDS", 1)
    with pytest.raises(ModelUnusable, match="takes more than 1 seconds"):
        encode(ENDLESS[name])
    monkeypatch.setattr(template_process, "MAX_SECONDS", MAX_SECONDS)
    assert encode(CHATML), "the next one is rendered"


@pytest.mark.parametrize("template", WRONG)
def test_any_error_of_a_template_is_one_line_that_says_so(template: str) -> None:
    with pytest.raises(PromptError, match="the model's chat template") as caught:
        encode(template)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


PIECES: tuple[str, ...] = (
    "{{",
    "}}",
    "{%",
    "%}",
    "for m in messages",
    "endfor",
    "if",
    "endif",
    "set x=",
    "m.content",
    "m",
    "x",
    "[",
    "]",
)
PIECES += (
    "(",
    ")",
    "|",
    "tojson",
    "trim",
    "~",
    "+",
    "*",
    "'a'",
    "9",
    "**",
    "range",
    "loop",
    "macro f()",
    "endmacro",
    "-",
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
@settings(max_examples=60)
def test_any_template_renders_or_raises_an_error(template: str) -> None:
    arguments = {"conversations": [[{"role": "user", "content": "Hi"}]], "chat_template": template}
    try:
        outcome = TEMPLATES.render(arguments)
    except (TemplateError, LlmkitError) as error:
        outcome = str(error)
        assert outcome.strip(), "an error says what is wrong"
    assert len(outcome) < 10_000, "so short templates write little, and errors are cut"
    assert TEMPLATES.render({**arguments, "chat_template": "{{ messages[0].content }}"}) == "Hi", "the next one works"


@pytest.mark.parametrize("templates", [{"tool_use": CHATML}, 5])
def test_a_choice_of_templates_without_one_for_the_conversation(templates: Any) -> None:
    with pytest.raises(PromptError, match="template"):
        encode(templates)


def test_a_process_that_was_ended_is_started_again() -> None:
    expected = encode(CHATML)
    process = TEMPLATES._running()
    process.kill()
    process.wait()
    assert encode(CHATML) == expected
    assert TEMPLATES._running() is not process


def test_threads_share_the_process() -> None:
    expected = encode(CHATML)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(encode, [CHATML] * 40)) == [expected] * 40


def test_a_call_that_is_interrupted_leaves_no_reply_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = encode(CHATML)
    exchange = template_process._exchange

    def interrupted(*given: Any) -> Any:
        exchange(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(template_process, "_exchange", interrupted)
        with pytest.raises(KeyboardInterrupt):
            encode("{% for m in messages %}{{ m.content }}{% endfor %}")
    assert encode(CHATML) == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_has_a_process_of_its_own_also_while_the_lock_is_taken() -> None:
    expected = encode(CHATML)
    with TEMPLATES._lock:
        child = os.fork()
        if not child:
            os._exit(0 if encode(CHATML) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert encode(CHATML) == expected


def test_the_process_is_ended_when_it_is_closed() -> None:
    one = TemplateProcess()
    arguments = {"conversations": [[{"role": "user", "content": "Hi"}]], "chat_template": "{{ messages[0].content }}"}
    assert one.render(arguments) == "Hi"
    process = one._running()
    one.close()
    assert process.returncode is not None
    assert threading.active_count() < 50


def test_values_that_are_not_json_are_refused_or_named() -> None:
    arguments = {"conversations": [[{"role": "user", "content": "Hi"}]], "chat_template": "{{ x }}"}
    assert TEMPLATES.render({**arguments, "x": object()}) == "<object>"
    assert TEMPLATES.render({**arguments, "x": "\ud800"}) == "\ud800"
    circle: list[Any] = []
    circle.append(circle)
    for wrong in (circle, {(1, 2): 3}):
        with pytest.raises(PromptError, match="values of JSON only"):
            TEMPLATES.render({**arguments, "x": wrong})

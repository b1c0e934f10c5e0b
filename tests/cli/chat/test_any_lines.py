"""Whatever is typed, on models of every layout: the chat goes on, and the file is the conversation."""

import itertools
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit import HuggingFaceChat
from llmkit.cli.chat import commands, window
from llmkit.cli.chat.commands import COMMANDS
from llmkit.cli.chat.events import Ended, Left, Note, Piece, Problem
from llmkit.cli.chat.state import ChatState
from llmkit.cli.chat.store import Store
from tests.support.tiny import make

WINDOW = 120
WORDS = st.text(max_size=40)
LINES = st.one_of(
    WORDS,
    st.sampled_from(["Hello there", "word " * 30, "word " * 90, "word " * 900, "\n", "//x", "<|im_end|>"]),
    st.builds(
        lambda command, argument: f"/{command} {argument}",
        st.sampled_from([each.name for each in COMMANDS.values() if each.name not in ("url", "file", "export")]),
        st.one_of(WORDS, st.sampled_from(["", "", "a", "seed 7", "max_new_tokens 40", "sentiment"])),
    ),
)
STEPS = st.lists(st.tuples(LINES, st.sampled_from([1, 3, 99, 99])), max_size=12)
"""Lines, and after how many events each is interrupted."""


@pytest.fixture(scope="module", params=["llama", "gemma2", "gpt2", "t5"])
def tiny(request):
    model = make(request.param)
    return HuggingFaceChat(
        model=model.model, tokenizer=model.tokenizer, context_window=WINDOW, max_new_tokens=6, temperature=0
    )


@pytest.mark.slow
@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lines(tiny, tmp_path_factory, steps):
    store = Store(tmp_path_factory.mktemp("any"))
    state = ChatState(tiny, store=store, load=lambda name: tiny)
    for line, most in steps:
        events = commands.take(state, line)
        shown = list(itertools.islice(events, most))
        events.close()
        assert not [event for event in shown if isinstance(event, Problem) and "(unexpected)" in event.text], shown
        assert not any(isinstance(event, Left) for event in shown[:-1])
        if most == 99 and any(isinstance(event, Piece) for event in shown):
            assert isinstance(shown[-1], Ended | Problem)
        if state.record.name:
            assert store.open(state.record.name, keep=False).history == state.history
    had = bool(state.history.turns)
    name = state.record.name
    state.close()
    assert (name in store.names()) == had


def test_a_full_window_on_every_layout(tiny, tmp_path):
    notes = []
    with closing(ChatState(tiny, store=Store(tmp_path), system="Be brief.")) as state:
        for number in range(12):
            *events, ended = commands.take(state, f"message {number} of some")
            notes += [event for event in events if isinstance(event, Note)]
            assert isinstance(ended, Ended)  # a prompt that does not fit would have been refused
        assert notes
        assert window.build_messages(state.history)[0].text == "Be brief."

"""A context window that gets full: which turns are dropped, and how that is reported."""

import itertools

import pytest

from llmkit import HuggingFaceChat
from llmkit.cli.chat import window
from llmkit.cli.chat.events import Ended, Event, Note, Piece
from llmkit.cli.chat.history import History, Turn

WINDOW, ANSWER_TOKENS = 160, 4
SYSTEM = "Be brief."


@pytest.fixture(scope="module")
def narrow(default_model_folder):
    return HuggingFaceChat(max_new_tokens=ANSWER_TOKENS, temperature=0, context_window=WINDOW, dtype="float32")


def message(number: int) -> str:
    return f"This is message number {number}, and it has some words, of which none is of any importance."


@pytest.mark.slow
def test_the_oldest_turns_go_in_pairs_and_the_system_text_stays(talk, narrow):
    chat = talk(narrow, system=SYSTEM)
    notes = []
    for number in range(10):
        before = chat.state.history.dropped
        events = chat(message(number))
        texts = [event.text for event in events if isinstance(event, Note)]
        gone = chat.state.history.dropped - before
        assert bool(texts) == bool(gone)
        if texts:
            notes.append(number)
            assert texts[0].startswith(f"the oldest {2 * gone} messages no longer fit the window and were dropped: ")
            assert chat.state.status.used - ANSWER_TOKENS <= WINDOW * window.TARGET_SHARE
        assert isinstance(events[-1], Ended)
        assert chat.state.status.used <= WINDOW
        assert window.build_messages(chat.state.history)[0].text == SYSTEM
    assert 2 <= len(notes) <= 6  # not with every message, once the window is full: each time all is read anew
    assert len(chat.turns) == len(chat.read_again()) == 10  # what the model forgets is not lost
    seen = window.build_messages(chat.state.history)
    assert seen[1].text == message(chat.state.history.dropped)
    assert [each.type for each in seen] == ["system", *["human", "ai"] * (len(seen) // 2)]


@pytest.mark.slow
def test_a_resumed_conversation_stays_trimmed(talk, narrow):
    chat = talk(narrow)
    for number in range(5):
        chat(message(number))
    dropped, used = chat.state.history.dropped, chat.state.status.used
    assert dropped > 0
    chat("/save long")
    chat.state.close()
    again = talk(narrow, resume=chat.store.open("long"))
    assert (again.state.history.dropped, again.state.status.used) == (dropped, used)


@pytest.mark.slow
def test_a_message_that_never_fits_drops_no_earlier_turn(talk, narrow):
    chat = talk(narrow)
    for number in range(3):
        chat(message(number))
    assert "the message and the tokens reserved for its answer need" in chat.problem("word " * 300)
    assert len(chat.read_again()) == 3


@pytest.mark.slow
def test_a_long_message_drops_all_earlier_turns(talk, narrow):
    chat = talk(narrow, system=SYSTEM)
    for number in range(3):
        chat(message(number))
    note, *_, ended = chat("word " * 110)
    assert note.text.startswith("the oldest 6 messages")
    assert isinstance(ended, Ended)
    assert [each.type for each in window.build_messages(chat.state.history)] == ["system", "human", "ai"]


@pytest.mark.slow
def test_continue_makes_room_too(talk, narrow):
    chat = talk(narrow)
    chat("/set max_new_tokens 8")
    chat("/set min_new_tokens 8")
    for number in range(4):
        chat(message(number))
    notes: list[Event] = []
    while not notes:
        notes = [event for event in chat("/continue") if isinstance(event, Note)]
        assert chat.state.status.used <= WINDOW
    assert len(chat.turns) == 4
    assert window.build_messages(chat.state.history)[-1].text == chat.turns[-1][1]


@pytest.mark.slow
def test_continue_generates_up_to_the_end_of_the_context_window(talk, default_model_folder):
    chat = talk(HuggingFaceChat(max_new_tokens=40, min_new_tokens=40, temperature=0, context_window=WINDOW))
    chat(message(0))
    chat(message(1))
    while chat.state.status.used <= WINDOW - 40:
        assert isinstance(chat("/continue")[-1], Ended)
    last = chat("/continue")[-1]
    assert isinstance(last, Ended)  # with less room than the settings say
    assert WINDOW - 8 <= chat.state.status.used <= WINDOW
    while isinstance(last, Ended):
        last = chat("/continue")[-1]
    assert last.text.startswith("the message and its answer so far need 16")
    assert isinstance(chat(message(2))[-1], Ended)


@pytest.mark.slow
def test_where_a_few_tokens_are_missing_the_last_turns_stay_as_they_are(talk, llm):
    chat = talk(llm)
    for number in range(5):
        chat(message(number))
    chat(f"/set max_new_tokens {llm.context_window - chat.state.status.used}")
    events = chat.take(message(5))
    notes = [event.text for event in itertools.takewhile(lambda event: not isinstance(event, Piece), events)]
    events.close()
    assert any("the oldest" in note for note in notes)
    assert 1 <= chat.state.history.dropped <= 4
    assert message(4) in [each.text for each in window.build_messages(chat.state.history)]


@pytest.mark.slow
def test_undo_frees_space_in_the_context_window(talk, narrow):
    chat = talk(narrow)
    for number in range(5):
        chat(message(number))
    for _ in range(5):
        chat("/undo")
    assert chat.state.history.turns == ()
    assert chat.state.history.dropped == 0
    assert isinstance(chat(message(0))[-1], Ended)


@pytest.mark.slow
def test_a_window_that_is_smaller_than_before(talk, narrow, llm):
    """As after /model, or a resume: what fitted no longer does."""
    chat = talk(llm)
    chat(f"/set max_new_tokens {ANSWER_TOKENS}")
    for number in range(6):
        chat.answer(message(number))
    chat.state.use(narrow)
    note, *_, ended = chat(message(6))
    assert note.text.startswith("the oldest ")
    assert ended.used <= WINDOW


@pytest.mark.parametrize("system", ["", SYSTEM])
@pytest.mark.parametrize("dropped", [0, 1])
def test_what_the_model_sees(system, dropped):
    turns = (Turn("one", answer="1"), Turn("two"), Turn("three", answer="3"), Turn("four"))
    seen = window.build_messages(History(system=system, turns=turns, dropped=dropped))
    head = [("system", SYSTEM)] if system else []
    one = [] if dropped else [("human", "one"), ("ai", "1")]
    later = [("human", "three"), ("ai", "3"), ("human", "four")]
    assert [(each.type, each.text) for each in seen] == [*head, *one, *later]


@pytest.mark.slow
def test_later_turns_compute_only_the_last_answer_and_what_is_new(talk, llm, monkeypatch):
    """What was computed for the turns before is found again: else an answer would begin later each time."""
    monkeypatch.setattr(llm.engine.prefix_cache, "block_tokens", 16)  # a turn ends a pass if it has two tokens
    chat = talk(llm, system=SYSTEM)
    chat(f"/set max_new_tokens {ANSWER_TOKENS}")
    for number in range(3):
        chat.answer(message(number))
    answer = 2 * ANSWER_TOKENS  # with the tokens that begin and end it
    assert _left(llm, chat) <= answer
    assert [event for event in chat("/retry") if isinstance(event, Piece)]
    chat("/undo")
    assert _left(llm, chat) <= answer


def _left(llm, chat):
    """Tokens of the conversation that are not computed yet."""
    prompt = llm.engine.encoder.encode_messages(window.build_messages(chat.state.history))
    return len(prompt) - llm.engine.prefix_cache.count_cached(prompt)

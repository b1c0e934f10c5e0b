"""The system prompt, the model and the last turn."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from llmkit import HuggingFaceChat
from llmkit.cli.chat.events import Note, Output, Piece, Problem

FRANCE = "What is the capital of France?"
STORY = "Write a story about a fox."


@pytest.mark.slow
def test_continue_makes_one_answer(talk, llm):
    chat = talk()
    first = chat.answer(STORY)
    assert chat.turns == [(STORY, first, "length")]
    more = chat.answer("/continue")
    assert chat.turns == chat.read_again() == [(STORY, first + more, "length")]
    whole = llm.invoke(STORY, max_new_tokens=20).text
    assert first + more == whole  # as if it had never been cut
    events = chat.take("/continue")
    third = next(events).text
    events.close()
    assert chat.turns == [(STORY, first + more + third, "cancelled")]
    assert chat.answer("/continue")


@pytest.mark.slow
def test_continue_where_there_is_nothing_to_go_on_with(talk):
    chat = talk()
    assert chat.problem("/continue") == "there is no message yet"
    chat.answer(FRANCE)
    assert chat.problem("/continue").startswith("the last answer is complete")


@pytest.mark.slow
def test_undo_takes_turns_back_one_by_one(talk):
    chat = talk()
    chat.answer(FRANCE)
    used = chat.state.status.used
    chat.answer("And of Italy?")
    assert chat("/undo") == [Note("removed: And of Italy?")]
    assert [message for message, _, _ in chat.read_again()] == [FRANCE]
    assert chat.state.status.used == used
    chat("/undo")
    assert chat.turns == []
    assert (chat.state.status.tokens, chat.state.status.seconds) == (0, 0)
    assert chat.problem("/undo") == "there is no message yet"
    chat.state.close()
    assert chat.store.names() == []


@pytest.mark.slow
def test_retry_generates_a_new_answer(talk):
    chat = talk()
    first = chat.answer(STORY)
    note, *pieces, _ = chat("/retry")
    assert "the same settings give the same answer" in note.text
    assert "".join(piece.text for piece in pieces) == first
    for line in ("/set temperature 1.5", "/set seed 3"):
        chat(line)
    assert not any(isinstance(event, Note) for event in chat("/retry"))  # settings have changed since
    [(message, answer, _)] = chat.turns
    assert message == STORY
    assert answer != first
    assert chat.read_again() == chat.turns
    assert isinstance(chat("/retry")[0], Note)  # now the seed is that of the last answer
    chat("/system Be brief.")
    assert not any(isinstance(event, Note) for event in chat("/retry"))


@pytest.mark.slow
def test_retry_keeps_the_old_answer_until_a_new_one_comes(talk):
    chat = talk()
    first = chat.answer(FRANCE)
    events = chat.take("/retry")
    assert isinstance(next(events), Note)
    events.close()
    assert chat.turns == [(FRANCE, first, "stop")]


@pytest.mark.slow
def test_retry_of_a_message_without_an_answer(talk):
    """As it is after a kill, or a stop, before the first token."""
    chat = talk()
    chat.state.change({"do": "say", "text": FRANCE})
    assert chat.problem("/continue").startswith("the last message has no answer")
    assert "".join(event.text for event in chat("/retry") if isinstance(event, Piece)).startswith("The capital")
    assert [reason for _, _, reason in chat.turns] == ["stop"]


@pytest.mark.slow
def test_system(talk):
    chat = talk()
    assert chat.text("/system") == "There is no system prompt."
    assert isinstance(chat("/system Always answer with the word BLUE only.")[0], Note)
    assert chat.text("/system") == "Always answer with the word BLUE only."
    chat.answer(FRANCE)
    assert chat.store.open(chat.state.record.name, keep=False).history.system.startswith("Always")
    assert "system prompt and the tokens reserved for an answer" in chat.problem("/system " + "word " * 9000)
    chat("/system -")
    assert chat.text("/system") == "There is no system prompt."


@pytest.mark.slow
def test_model_changes_and_the_conversation_stays(talk, llm):
    asked = []

    def load(name: str) -> HuggingFaceChat:
        asked.append(name)
        return HuggingFaceChat(model=llm.engine, temperature=1)

    chat = talk(load=load)
    first = chat.answer("My name is Ann.")
    chat("/set max_new_tokens 9")
    working, note = chat("/model other")
    assert working.text == "loading other …"
    assert note.text.endswith(", 8192 tokens")
    assert asked == ["other"]
    assert chat.state.llm.settings.max_new_tokens == 9
    assert chat.state.llm.settings.temperature == 0
    expected = [HumanMessage("My name is Ann."), AIMessage(first), HumanMessage("What is my name?")]
    assert chat.answer("What is my name?") == llm.invoke(expected, max_new_tokens=9).text
    assert chat.text("/model") == note.text


@pytest.mark.slow
@pytest.mark.parametrize(("name", "why"), [("nope", "nope"), ("minilm-l6", "makes sentence embeddings")])
def test_a_model_that_cannot_be_loaded_leaves_the_old_one(talk, name, why):
    chat = talk()
    *_, problem = chat(f"/model {name}")
    assert isinstance(problem, Problem)
    assert why in problem.text
    assert chat.state.model == "smollm2-135m"
    assert chat.answer(FRANCE)


def test_tokens_add_up(talk):
    chat = talk(system="Be brief.")
    chat.answer(FRANCE)
    [table] = chat("/tokens")
    assert isinstance(table, Output)
    rows = [line.split(None, 2) for line in table.text.splitlines()[1:-1]]
    assert [label for _, _, label in rows] == [
        "system: Be brief.",
        "you: What is the capital of…",
        "model: The capital of Franc…",
        "chat markup",
        "reserved for the answer",
        "free",
    ]
    counts = [int(count) for count, _, _ in rows]
    assert sum(counts) == 8192
    assert sum(counts[:4]) == chat.state.status.used
    assert abs(sum(float(share.rstrip("%")) for _, share, _ in rows) - 100) < 0.5

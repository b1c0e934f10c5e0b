"""Whole transcripts on the real default model: messages, and the commands about the last turn."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from llmkit import HuggingFaceChat
from llmkit.cli.chat.commands import COMMANDS, Call, read
from llmkit.cli.chat.events import Edit, Left, Note, Output, Piece, Problem
from llmkit.errors import InputError
from tests.cli.chat.conftest import anew

FRANCE = "What is the capital of France?"
STORY = "Write a story about a fox."


def test_a_message_and_its_answer(talk, llm):
    chat = talk(system="Answer in one sentence.")
    before = chat.session.status()
    *pieces, ended = chat(FRANCE)
    said = "".join(piece.text for piece in pieces)
    assert "Paris" in said
    assert len(pieces) > 3
    assert (before.finish_reason, before.window, before.model) == ("", 8192, "smollm2-135m")
    assert ended == chat.session.status()
    assert ended.finish_reason == "stop"
    assert 0 < ended.first < ended.seconds
    told = [SystemMessage("Answer in one sentence."), HumanMessage(FRANCE), AIMessage(said)]
    assert ended.used == llm.get_num_tokens_from_messages(told) > before.used > 0
    assert chat.said == chat.read_again() == [(FRANCE, said, "stop")]


def test_the_conversation_is_remembered(talk, llm):
    chat = talk()
    first = chat.answer("My name is Ann.")
    second = chat.answer("What is my name?")
    told = [HumanMessage("My name is Ann."), AIMessage(first), HumanMessage("What is my name?")]
    assert second == llm.invoke(told).text
    assert [answer for _, answer, _ in chat.said] == [first, second]


def test_several_lines_are_one_message(talk):
    chat = talk()
    chat.answer("Hello,\n\nmy name is Ann.\n")
    assert [said for said, _, _ in chat.said] == ["Hello,\n\nmy name is Ann."]


@pytest.mark.parametrize("line", ["", "  ", "\n"])
def test_an_empty_line_is_nothing(talk, line):
    chat = talk()
    assert chat(line) == []
    assert chat.store.names() == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("//help me", "/help me"),
        ("//", "/"),
        ("/usr/bin holds programs", "/usr/bin holds programs"),
        ("/2 is a half", "/2 is a half"),
        ("/", "/"),
        ("1/2", "1/2"),
        ("/etc/help", "/etc/help"),
    ],
)
def test_what_is_a_message(line, message):
    assert read(line) == message


@pytest.mark.parametrize(
    ("line", "name", "argument"),
    [
        ("/help", "help", ""),
        ("/?", "help", ""),
        ("/quit", "bye", ""),
        ("/SET seed 7", "set", "seed 7"),
        ("  /system Be brief.\nBe kind. ", "system", "Be brief.\nBe kind."),
        ("/system\nBe brief.", "system", "Be brief."),
    ],
)
def test_what_is_a_command(line, name, argument):
    call = read(line)
    assert isinstance(call, Call)
    assert (call.command.name, call.argument) == (name, argument)


def test_an_unknown_command_names_the_nearest(talk):
    chat = talk()
    assert chat.problem("/retyr").startswith("there is no command /retyr: did you mean /retry?")
    assert chat.problem("/xyzzy now").startswith("there is no command /xyzzy: /help shows all")


def test_help_tells_of_every_command(talk):
    chat = talk()
    told = chat.text("/help")
    assert all(f"/{each.name}" in told and each.help in told for each in COMMANDS)
    assert chat.text("/help set").startswith("/set NAME [VALUE]\n")
    assert "did you mean /save" in chat.problem("/help sve")


def test_edit_and_leave(talk):
    chat = talk()
    assert chat("/edit") == [Edit("")]
    assert chat("/edit Dear Ann,\n") == [Edit("Dear Ann,")]
    assert chat("/bye") == chat("/exit") == [Left()]


def test_an_answer_that_is_broken_off_stays(talk):
    chat = talk()
    events = chat.session.take(STORY)
    said = "".join(next(events).text for _ in range(3))
    events.close()
    assert chat.said == chat.read_again() == [(STORY, said, "cancelled")]
    assert chat.session.status().finish_reason == "cancelled"
    assert chat.session.status().used > 30


def test_an_interrupt_breaks_an_answer_off(talk):
    chat = talk()
    events = chat.session.take(STORY)
    said = next(events).text
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt())
    assert chat.said == chat.read_again() == [(STORY, said, "cancelled")]


def test_continue_makes_one_answer(talk, llm):
    chat = talk()
    first = chat.answer(STORY)
    assert chat.said == [(STORY, first, "length")]
    more = chat.answer("/continue")
    assert chat.said == chat.read_again() == [(STORY, first + more, "length")]
    whole = llm.invoke(STORY, max_new_tokens=20).text
    assert first + more == whole  # as if it had never been cut
    events = chat.session.take("/continue")
    third = next(events).text
    events.close()
    assert chat.said == [(STORY, first + more + third, "cancelled")]
    assert chat.answer("/continue")


def test_continue_where_there_is_nothing_to_go_on_with(talk):
    chat = talk()
    assert chat.problem("/continue") == "nothing was said yet"
    chat.answer(FRANCE)
    assert chat.problem("/continue").startswith("the last answer is complete")


def test_undo_takes_turns_back_one_by_one(talk):
    chat = talk()
    chat.answer(FRANCE)
    used = chat.session.status().used
    chat.answer("And of Italy?")
    assert chat("/undo") == [Note("taken back: And of Italy?")]
    assert [said for said, _, _ in chat.read_again()] == [FRANCE]
    assert chat.session.status().used == used
    chat("/undo")
    assert chat.said == []
    assert chat.problem("/undo") == "nothing was said yet"
    chat.session.close()
    assert chat.store.names() == []


def test_retry_answers_anew(talk):
    chat = talk()
    first = chat.answer(STORY)
    note, *pieces, _ = chat("/retry")
    assert "the same settings give the same answer" in note.text
    assert "".join(piece.text for piece in pieces) == first
    for line in ("/set temperature 1.5", "/set seed 3"):
        chat(line)
    chat("/retry")
    [(said, answer, _)] = chat.said
    assert said == STORY
    assert answer != first
    assert chat.read_again() == chat.said


def test_retry_keeps_the_old_answer_until_a_new_one_comes(talk):
    chat = talk()
    first = chat.answer(FRANCE)
    events = chat.session.take("/retry")
    assert isinstance(next(events), Note)
    events.close()
    assert chat.said == [(FRANCE, first, "stop")]


def test_retry_of_a_message_without_an_answer(talk):
    """As it is after a kill, or a stop, before the first token."""
    chat = talk()
    chat.session.change({"do": "say", "text": FRANCE, "prompt": ""})
    assert chat.problem("/continue").startswith("the last message has no answer")
    assert "".join(event.text for event in chat("/retry") if isinstance(event, Piece)).startswith("The capital")
    assert [reason for _, _, reason in chat.said] == ["stop"]


def test_a_message_too_long_is_refused_and_changes_nothing(talk):
    chat = talk()
    assert chat.problem("word " * 9000).startswith("the message and the room for its answer need 9")
    chat.answer(FRANCE)
    chat.problem("word " * 9000)
    assert len(chat.read_again()) == 1


def test_half_a_character_is_refused(talk):
    chat = talk()
    assert "half a surrogate pair" in chat.problem("a \ud800 b")
    assert "half a surrogate pair" in chat.problem("/system \ud800")
    assert chat.answer(FRANCE)


def test_system(talk):
    chat = talk()
    assert chat.text("/system") == "There is no system text."
    assert isinstance(chat("/system Always answer with the word BLUE only.")[0], Note)
    assert chat.text("/system") == "Always answer with the word BLUE only."
    chat.answer(FRANCE)
    assert chat.store.open(chat.session.record.name, keep=False).history.system.startswith("Always")
    assert "system text and the room for an answer" in chat.problem("/system " + "word " * 9000)
    chat("/system -")
    assert chat.text("/system") == "There is no system text."


def test_model_changes_and_the_conversation_stays(talk, llm):
    asked = []

    def load(name: str) -> HuggingFaceChat:
        asked.append(name)
        return HuggingFaceChat(model=llm.engine, temperature=1)

    chat = talk(load=load)
    first = chat.answer("My name is Ann.")
    chat("/set max_new_tokens 9")
    working, done, note = chat("/model other")
    assert (working.text, done.text) == ("loading other …", "")
    assert note.text.endswith(", 8192 tokens")
    assert asked == ["other"]
    assert chat.session.llm.settings.max_new_tokens == 9
    assert chat.session.llm.settings.temperature == 0
    told = [HumanMessage("My name is Ann."), AIMessage(first), HumanMessage("What is my name?")]
    assert chat.answer("What is my name?") == llm.invoke(told, max_new_tokens=9).text
    assert chat.text("/model") == note.text


@pytest.mark.parametrize(("name", "why"), [("nope", "nope"), ("minilm-l6", "gives sentence embeddings")])
def test_a_model_that_cannot_be_loaded_leaves_the_old_one(talk, name, why):
    chat = talk()
    *_, problem = chat(f"/model {name}")
    assert isinstance(problem, Problem)
    assert why in problem.text
    assert chat.session.model == "smollm2-135m"
    assert chat.answer(FRANCE)


def test_a_prompt_text_is_filled_by_each_message(talk, llm):
    from llmkit.prompts import TaskPrompt

    chat = talk()
    assert "until /prompt" in chat.text("/prompt summarize-dialogue")
    dialogue = "Ann: Lunch at noon?\nBob: Yes, at the station."
    anew(llm)
    answer = chat.answer(dialogue)
    fitted = TaskPrompt.load("summarize-dialogue").fit(dialogue, model=llm, max_new_tokens=10)
    anew(llm)
    assert answer == "In this conversation," + llm.invoke(fitted.messages).text
    assert chat.said == chat.read_again() == [(dialogue, answer, "length")]
    more = chat.answer("/continue")
    assert more
    assert [each for _, each, _ in chat.said] == [answer + more]
    chat("/prompt")
    assert "Paris" in chat.answer(FRANCE)
    assert chat.problem("/prompt nope").startswith("no prompt is called 'nope'")
    assert "fields that this command cannot fill" in chat.problem("/prompt answer-with-quotes")


def test_what_arguments_are_completed_to(talk):
    chat = talk()
    assert chat.session.choices("command")[:2] == ["help", "set"]
    assert {"temperature", "trim"} <= set(chat.session.choices("setting"))
    assert chat.session.choices("model") == ["smollm2-135m"]
    assert "summarize-dialogue" in chat.session.choices("prompt")
    assert "answer-with-quotes" not in chat.session.choices("prompt")  # it has fields that nothing fills
    assert chat.session.choices("conversation") == []
    chat.answer(FRANCE)
    assert chat.session.choices("conversation") == [chat.session.record.name]
    assert {each.completes for each in COMMANDS} - {None} == {
        "command",
        "setting",
        "model",
        "prompt",
        "conversation",
        "file",
    }


def test_the_callers_model_stays_as_it_is(talk, llm):
    chat = talk()
    chat("/set temperature 0.7")
    assert llm.settings.temperature == 0


def test_show_and_set(talk):
    chat = talk()
    assert chat.text("/set seed 7") == "seed is 7"
    assert chat.text("/set top_p 0.5") == "top_p is 0.5"
    assert chat.text('/set stop ["END", "\\n"]') == 'stop is "END", "\\n"'
    rows = dict(line.split(None, 1) for line in chat.text("/show").splitlines())
    assert (rows["seed"], rows["top_p"], rows["stop"], rows["trim"]) == ("7", "0.5", '"END", "\\n"', "oldest")
    assert chat.text("/set stop END") == 'stop is "END"'
    assert chat.text("/set stop") == "stop is none"
    assert chat.text("/set seed") == "seed is left to the model"
    assert chat.text("/set temperature") == "temperature is 0"  # what the session began with
    assert chat.text("/set trim summarize") == "trim is summarize"
    assert chat.text("/set trim") == "trim is oldest"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/set", "/set needs a name"),
        ("/set temprature 1", "there is no setting 'temprature': did you mean temperature?"),
        ("/set temperature hot", "temperature is 'hot', but must be a number"),
        ("/set temperature nan", "temperature is nan, but must be a number"),
        ("/set temperature -1", "temperature is -1, but must be at least 0"),
        ("/set seed 1.5", "seed is 1.5, but must be a whole number"),
        ("/set max_new_tokens 0", "max_new_tokens is 0, but must be at least 1"),
        ("/set n 2", "n is 2, but a message of a chat has one answer"),
        ("/set trim newest", "trim is 'newest', but must be oldest or summarize"),
        ('/set stop ["a"', 'stop is ["a", which is not JSON'),
        ('/set stop [""]', "stop holds ''"),
    ],
)
def test_settings_that_cannot_be(talk, line, why):
    assert talk().problem(line).startswith(why)


def test_a_stop_string_and_beams_reach_the_model(talk):
    chat = talk()
    chat("/set stop France")
    assert chat.answer(FRANCE) == "The capital of "
    chat("/set stop")
    chat("/set num_beams 2")
    pieces = [event for event in chat(FRANCE) if isinstance(event, Piece)]
    assert len(pieces) == 1
    assert pieces[0].text


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
        "room for the answer",
        "free",
    ]
    counts = [int(count) for count, _, _ in rows]
    assert sum(counts) == 8192
    assert sum(counts[:4]) == chat.session.status().used
    assert abs(sum(float(share.rstrip("%")) for _, share, _ in rows) - 100) < 0.5


def test_read_raises_for_who_asks_itself():
    with pytest.raises(InputError, match="did you mean /help"):
        read("/hepl")

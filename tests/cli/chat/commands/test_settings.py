"""Settings of a conversation: set, shown, kept."""

import pytest

from llmkit.cli.chat.events import Note, Piece

FRANCE = "What is the capital of France?"


def test_show_and_set(talk):
    chat = talk()
    assert chat.text("/set seed 7") == (
        "seed is 7; seed has no effect: the likeliest token is always taken, unless temperature is above 0"
    )
    assert chat.text("/set top_p 0.5").startswith("top_p is 0.5; seed and top_p have no effect: ")
    assert chat.text('/set stop ["END", "\\n"]') == 'stop is "END", "\\n"'
    rows = chat.show()
    assert (rows["seed"], rows["top_p"], rows["stop"]) == ("7", "0.5", '"END", "\\n"')
    assert chat.text("/set stop END") == 'stop is "END"'
    assert chat.text("/set stop") == "stop is none"
    assert chat.text("/set seed") == "seed is none"
    assert chat.text("/set temperature") == "temperature is 0"  # what the session began with


def test_show_has_the_origin_of_each_value(talk, llm):
    configured = llm.model_copy()
    configured.settings = llm.settings.override(seed=3)
    chat = talk(configured, given={"max_new_tokens": 9})
    rows = dict(line.split(None, 1) for line in chat.text("/show").splitlines())
    assert rows["max_new_tokens"] == "9  (this conversation)"
    assert rows["seed"] == "3  (configuration)"
    assert rows["top_p"] == "none  (no effect while the likeliest token is always taken)"
    assert rows["repetition_penalty"] == "1  (default)"
    chat("/set temperature 0.5")
    assert chat.show()["top_k"] == "50"


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
        ("/set max_new_tokens 8190", "the system prompt and the tokens reserved for an answer need 8"),
        ("/set max_new_tokens 999999", "the system prompt and the tokens reserved for an answer need 1000"),
        ("/set n 2", "n is 2, but a message of a chat has one answer"),
        ('/set stop ["a"', 'stop is ["a", whose brackets or quotation marks are not closed: a list is written'),
        ('/set stop [""]', "stop is '', but must be text"),
    ],
)
def test_settings_that_cannot_be(talk, line, why):
    assert talk().problem(line).startswith(why)


def test_a_session_that_no_message_fits_says_so(talk):
    chat = talk(given={"max_new_tokens": 9000})
    [note] = chat.state.opening()
    assert note.text.startswith("the system prompt and the tokens reserved for an answer need 9")


def test_a_stop_string_and_beams_reach_the_model(talk):
    chat = talk()
    chat("/set stop France")
    assert chat.answer(FRANCE) == "The capital of "
    chat("/set stop")
    chat("/set num_beams 2")
    pieces = [event for event in chat(FRANCE) if isinstance(event, Piece)]
    assert len(pieces) == 1
    assert pieces[0].text


def test_the_model_of_the_caller_is_not_changed(talk, llm):
    chat = talk()
    chat("/set temperature 0.7")
    assert llm.settings.temperature == 0


def test_settings_are_saved_with_the_conversation(talk, llm):
    chat = talk(given={"seed": 5})
    for line in ("/set temperature 0.7", "/set top_k 3", "/set stop END", "/set top_k"):
        chat(line)
    chat.state.change({"do": "say", "text": "Hi"})
    chat("/save trip")
    before = settings_of(chat)
    chat("/clear")
    assert settings_of(chat) == before  # a new conversation goes on under what held so far
    chat("/set seed 6")
    chat("/load trip")
    assert settings_of(chat) == before
    chat.state.close()
    again = talk(given={"temperature": 0.1}, resume=chat.store.open("trip"))
    rows = settings_of(again)
    assert (rows["temperature"], rows["seed"], rows["stop"]) == ("0.1", "5", '"END"')
    assert rows["top_k"] == "50"
    again("/set temperature")
    assert again.state.history.settings.keys() == {"seed", "stop"}


def test_settings_in_a_file_that_cannot_be_are_passed_over(talk, llm):
    chat = talk()
    for change in ({"do": "set", "name": "temperature", "value": "hot"}, {"do": "say", "text": "Hi"}):
        chat.state.change(change)
    chat("/save trip")
    chat.state.close()
    again = talk(resume=chat.store.open("trip"))
    notes = [event.text for event in again.state.opening() if isinstance(event, Note)]
    assert "the conversation's own settings are ignored: temperature is 'hot', but must be a number" in notes
    assert again.state.llm.settings == llm.settings


def settings_of(chat):
    return {name: value for name, value in chat.show().items() if name != "saved"}

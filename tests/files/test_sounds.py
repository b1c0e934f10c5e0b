"""Descriptions of sounds in subtitles are left out, speech in brackets is not."""

import pytest

from llmkit.files.sounds import remove_sounds, split_songs


@pytest.mark.parametrize(
    ("text", "speech"),
    [
        ("[DOOR SLAMS]", ""),
        ("[door\nslams] Who?", "Who?"),
        ("I never [coughs] said that.", "I never said that."),
        ("Well, [sighs], yes [laughs].", "Well, yes."),
        ("(laughs) I know. (sighs)", "I know."),
        ("(DOOR SLAMS)", ""),
        ("(audience applauding)", ""),
        ("(in French) Bonjour.", "Bonjour."),
        ("[музыка] (смеётся) Да.", "Да."),
        ("（笑い声）はい。【拍手】", "はい。"),
        ("[Applause] Thank you.", "Thank you."),
    ],
)
def test_sounds_are_left_out(text: str, speech: str) -> None:
    assert " ".join(remove_sounds(text).split()) == speech


@pytest.mark.parametrize(
    "text",
    [
        "I gave him [inaudible] crowns.",
        "We said [ __ ] twice.",
        "We took [the ferry] to Karn.",
        "It costs ten crowns (twelve on Sundays).",
        "(twelve on Sundays) for all.",
        "(Don't let him near you.)",
        "(I know)",
        "We (the crew) left at nine.",
        "The agency (NASA) said so.",
        "Take a) or b).",
    ],
)
def test_speech_in_brackets_stays(text: str) -> None:
    assert remove_sounds(text) == text


@pytest.mark.parametrize(
    ("text", "speech"),
    [
        ("[Ann] Where is it?", "Ann: Where is it?"),
        ("- [Ann Lee, whispering] Here.", "- Ann Lee: Here."),
        ("[MAN]: Come in.", "MAN: Come in."),
        ("(WOMAN 2): No.", "WOMAN 2: No."),
        ("[Sighs] No.", "No."),
        ("[Ann]", ""),
    ],
)
def test_speakers_in_brackets_become_names_before_a_colon(text: str, speech: str) -> None:
    assert " ".join(remove_sounds(text).split()) == speech


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello.", [("Hello.", False)]),
        ("♪ la la ♪", [("la la", True)]),
        ("♪ la la", [("la la", True)]),
        ("la la ♪", [("la la", True)]),
        ("♪ la ♪ la ♪", [("la", True), ("la", True)]),
        ("Listen: ♪ la la ♪ Good.", [("Listen:", False), ("la la", True), ("Good.", False)]),
        ("♪ upbeat music playing ♪", []),
        ("♪ Thank you for the music ♪", [("Thank you for the music", True)]),
        ("♪♪ 42 years", [("42 years", True)]),
        ("42", [("42", False)]),
        ("#1 is Ann", [("#1 is Ann", False)]),
    ],
)
def test_songs(text: str, parts: list[tuple[str, bool]]) -> None:
    assert list(split_songs(text)) == parts

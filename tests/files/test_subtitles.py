import pytest

from llmkit.errors import InputError
from llmkit.files import read


def talk(text: str, name: str = "call.vtt") -> str:
    (document,) = read(text.encode(), name)
    assert document.metadata == {"source": name}
    return document.page_content


MEETING = """WEBVTT - Meeting

STYLE
::cue { color: red }

REGION
id:fred

NOTE a comment
that goes on

1
00:01.000 --> 00:04.000 align:start
<v Ann>Yes, I promise to bring the

7ab-3/2
00:04.000 --> 01:00:06.000
<v Ann>maps &amp; the <i>tent</i>.</v>

00:06.000 --> 00:08.000
<v.loud Ben Lee>42</v>
<v Ann>No.</v>

00:08.000 --> 00:09.000
<v Ben Lee>No.

00:10.000 --> 00:12.000
The door opens.
"""


@pytest.mark.parametrize("name", ["call.vtt", "standard input"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_webvtt_with_speakers_is_read_as_turns(name, line_end):
    assert talk(MEETING.replace("\n", line_end), name) == (
        "Ann: Yes, I promise to bring the maps & the tent.\nBen Lee: 42\nAnn: No.\nBen Lee: No.\nThe door opens."
    )


SUBRIP = """1
00:00:01,000 --> 00:00:03,000
<i>- Where is Ann?</i>
- She left

2
00:00:03,100 --> 00:00:05,000 X1:3
{\\an8}for <font color="red">Oslo</font>.
3
00:00:06,000 --> 00:00:07,000
ANN: I am

4
00:00:07,000 --> 00:00:08,000
back at 5 < 6.

BEN: Good.
"""


@pytest.mark.parametrize("name", ["film.srt", "standard input"])
def test_subrip(name):
    assert talk(f"\ufeff{SUBRIP}", name) == "Where is Ann?\nShe left for Oslo.\nANN: I am back at 5 < 6.\nBEN: Good."


def test_rolling_captions_are_read_once():
    """As YouTube writes what it recognizes: each line is shown twice, and its words have times."""
    assert (
        talk(
            """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
 
hello<00:00:00.480><c> and</c><00:00:00.640><c> welcome</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello and welcome
 

00:00:02.399 --> 00:00:04.789 align:start position:0%
hello and welcome
to<00:00:02.560><c> the</c><c> show</c>

00:00:04.789 --> 00:00:04.799 align:start position:0%
to the show
 

00:00:04.799 --> 00:00:07.000 align:start position:0%
to the show
it&#39;s late
"""
        )
        == "hello and welcome to the show it's late"
    )


def cues(*texts: str, gap: float = 0.0) -> str:
    starts = [place * (1 + gap) for place in range(len(texts))]
    return "WEBVTT\n\n" + "\n\n".join(
        f"00:00:{start:06.3f} --> 00:00:{start + 1:06.3f}\n{text}" for start, text in zip(starts, texts, strict=True)
    )


def test_a_growing_caption_is_read_once():
    assert talk(cues("We meet", "We meet at", "We meet at nine.")) == "We meet at nine."


def test_repeated_speech_is_kept():
    assert talk(cues("No.", "No.", gap=1)) == "No. No."
    assert talk(cues("<v Ann>No.", "<v Ben>No.")) == "Ann: No.\nBen: No."


def test_a_speaker_name_before_each_cue_is_read_once_per_turn():
    assert talk(cues("Ann Lee: I think that we", "Ann Lee: should wait.", "Ben: Why?", "Ann Lee: Rain.")) == (
        "Ann Lee: I think that we should wait.\nBen: Why?\nAnn Lee: Rain."
    )


def test_names_where_the_speaker_changes():
    assert talk(cues("ANN: We bring", "the maps", "and the tent.", "BEN: Good.", "Then we go.")) == (
        "ANN: We bring the maps and the tent.\nBEN: Good. Then we go."
    )


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([">> Who comes? >> Ann does.", ">>> BEN: Good."], "Who comes?\nAnn does.\nBEN: Good."),
        (["- Who comes? - Ann does.", "‐ Ben too."], "Who comes?\nAnn does.\nBen too."),
        (["- [laughs]\n- Yes."], "Yes."),
        (["It is 5 >> 3.", "a well-known - and old - inn"], "It is 5 >> 3. a well-known - and old - inn"),
    ],
)
def test_marks_of_speakers_in_a_line(texts, expected):
    assert talk(cues(*texts, gap=1)) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["[DOOR SLAMS]", "(laughs) Who is", "there?"], "Who is there?"),
        (["<v Ann>[sighs] Yes.", "<v Ben>(CHUCKLES)", "<v Ann>No."], "Ann: Yes. No."),
        (["ANN: (laughs)", "BEN: Why?"], "BEN: Why?"),
        (["- [Narrator] In 1874 it burned.", "It was rebuilt."], "Narrator: In 1874 it burned. It was rebuilt."),
    ],
)
def test_sounds_are_not_read(texts, expected):
    assert talk(cues(*texts, gap=1)) == expected


def test_songs_are_lines_between_notes():
    song = ["Sing!", "♪ music ♪", "♪ Happy birthday", "to you ♪", "# dear Ann #", "Thank you. ♪♪"]
    assert talk(cues(*song, gap=1)) == "Sing!\n♪ Happy birthday ♪\n♪ to you ♪\n♪ dear Ann ♪\nThank you."
    assert talk(cues("<v Ann>♪ la la ♪", "ANN: ♪ la ♪")) == "Ann: ♪ la la ♪\nANN: ♪ la ♪"


@pytest.mark.parametrize("text", ["[Music]", "♪♪", "(applause)", " "])
def test_subtitles_without_speech_raise_an_error(text):
    with pytest.raises(InputError, match=r"call\.vtt has no speech"):
        talk(cues(text))


def test_markers_of_a_new_speaker_start_a_line():
    assert talk(cues("&gt;&gt; Who comes?", "&gt;&gt; Ann does,", "I hope.")) == "Who comes?\nAnn does, I hope."


def test_scripts_without_spaces_are_joined_without_a_space():
    assert talk(cues("会议讨论了渡轮的", "时刻表，", "和票价。")) == "会议讨论了渡轮的时刻表，和票价。"


def test_a_file_without_cues_is_text():
    assert talk("Only text.", "film.srt") == "Only text."
    assert talk("At 9:00 --> 10:00 we meet.", "notes.txt") == "At 9:00 --> 10:00 we meet."


@pytest.mark.slow
@pytest.mark.parametrize(("name", "markup"), [("a.vtt", "<v "), ("a.srt", "{\\"), ("a.srt", "["), ("a.srt", "(")])
def test_markup_that_does_not_end_takes_no_time(name, markup):
    start = "WEBVTT\n\n00:01.000" if name == "a.vtt" else "1\n00:00:01,000"
    assert talk(f"{start} --> 00:00:02,000\n{markup * 100_000}", name)

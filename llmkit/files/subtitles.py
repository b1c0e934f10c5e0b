"""Subtitles as a conversation: WebVTT (W3C, https://www.w3.org/TR/webvtt1/) and SubRip (.srt).

Numbers, times, markup, comments and descriptions of sounds are left out. Cues of one speaker are joined, so that a
sentence that two cues share is whole. Each turn is one line: `Ann: I bring the maps.` A song is a line between notes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import regex

from llmkit.errors import InputError
from llmkit.files.sounds import NOTE, remove_sounds, split_songs
from llmkit.text.words import unspaced

CONTIGUOUS = 0.25  # seconds between two cues of which the second may repeat the first
LABELLED_SHARE = 0.5  # of the pieces, from which on the name before a colon is repeated only because a cue begins

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,3}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_FIRST_CUE = re.compile(rf"\s*(?:\d+[ \t]*\n)?[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^<>]*)>", re.IGNORECASE)
_VOICE_BORDER = re.compile(r"(?=<v[\s.])|</v\s*>", re.IGNORECASE)
_VTT_TAG = re.compile(r"</?[^<>]*>")
_SRT_TAG = re.compile(r"</?(?:[biusc]|em|strong|font|span|ruby|rt)(?:[\s.][^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)
_DASH = "[-‐–—−－]"
_TURN = regex.compile(
    rf"^\s*{_DASH}(?:\s+(?=\S)|(?=[\p{{Lu}}\p{{Lo}}\"'“«¿¡…]))|(?:^|(?<=\s))>>+(?=\s*(?:[^\s\d]|$))\s*", regex.MULTILINE
)
_TURNS_IN_A_LINE = regex.compile(
    rf"(?<=^\s*{_DASH}.*[.!?…][\"'”»]?)\s+(?={_DASH}\s*[\p{{Lu}}\p{{Lo}}\"'“«¿¡…])", regex.MULTILINE
)
_NAME_PART = r"[\p{Lu}\p{Lo}][\p{L}\p{M}\p{N}.'’_-]*"
_LABEL = regex.compile(rf"({_NAME_PART}(?: (?:{_NAME_PART}|\p{{N}}+|\([^)]*\))){{0,3}}):\s+(?=\S)")
_FULL_WIDTH = "。，、！？；：…"


@dataclass
class _Cue:
    """A cue: when it is shown, in seconds, and its lines."""

    start: float
    end: float
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Piece:
    """A part of a cue, and its speaker.

    That is "" for nobody in particular, a note for a song, or `None` if whoever speaks goes on.
    """

    speaker: str | None
    text: str
    starts_turn: bool = False


def to_dialogue(text: str, name: str) -> str | None:
    """Return what subtitles say, a turn on each line; `None` for a text without cues.

    Raises:
        InputError: nobody speaks in them.
    """
    ending = PurePath(name).suffix.lower()
    is_vtt = ending == ".vtt" or bool(re.match(r"WEBVTT(?:[ \t\n]|$)", text))
    if not is_vtt and ending != ".srt" and not _FIRST_CUE.match(text):
        return None
    cues = list(_cues(text, is_vtt=is_vtt))
    has_voices = is_vtt and any(_VOICE.search(line) for cue in cues for line in cue.lines)
    pieces = [
        piece
        for cue in _without_repetitions(cues)
        for piece in _pieces("\n".join(cue.lines), is_vtt=is_vtt, has_voices=has_voices)
    ]
    if cues and not pieces:
        raise InputError(f"{name} has no speech: its cues are empty, or describe sounds")
    return "\n".join(_turns(pieces)) or None


def _cues(text: str, *, is_vtt: bool) -> Iterator[_Cue]:
    """Yield the cues. What is outside of them in WebVTT (header, notes, styles, names of cues) is no speech."""
    cue: _Cue | None = None
    for line in text.split("\n"):
        if timing := _TIMING.match(line):
            if cue:
                if cue.lines and cue.lines[-1].isdigit():  # the number of the cue that begins here
                    cue.lines.pop()
                yield cue
            cue = _Cue(_seconds(timing, 1), _seconds(timing, 5))
        elif cue and line.strip():
            cue.lines.append(line.strip())
        elif cue and is_vtt and not line:  # in SubRip files, text may follow an empty line
            yield cue
            cue = None
    if cue:
        yield cue


def _seconds(timing: re.Match[str], first: int) -> float:
    hours, minutes, seconds, fraction = timing.group(first, first + 1, first + 2, first + 3)
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")


def _without_repetitions(cues: Iterable[_Cue]) -> Iterator[_Cue]:
    """Leave out what a cue repeats of the one right before it, as captions do whose lines roll or grow."""
    shown: list[str] = []
    end = 0.0
    for cue in cues:
        lines = [line for line in cue.lines if _plain(line)]
        plain = list(map(_plain, lines))
        if not plain:
            continue
        if cue.start - end <= CONTIGUOUS:
            lines = _new_lines(shown, plain, lines)
        shown, end = plain, cue.end
        if lines:
            yield _Cue(cue.start, cue.end, lines)


def _new_lines(shown: Sequence[str], plain: Sequence[str], lines: list[str]) -> list[str]:
    """Return the lines that do not repeat the last ones shown, of which the very last may have grown."""
    for size in range(min(len(shown), len(plain)), 0, -1):
        *before, last = shown[-size:]
        if before != list(plain[: size - 1]):
            continue
        if plain[size - 1] == last:
            return lines[size:]
        if plain[size - 1].startswith(f"{last} "):
            voice = _VOICE.search(lines[size - 1])
            return [f"{voice[0] if voice else ''}{plain[size - 1][len(last) :].strip()}", *lines[size:]]
    return lines


def _plain(line: str) -> str:
    """Return a line without markup, but with its speaker: two people may say the same."""
    return " ".join(_VTT_TAG.sub("", _VOICE.sub(r"\1: ", line)).split())


def _pieces(text: str, *, is_vtt: bool, has_voices: bool) -> Iterator[_Piece]:
    """Yield the parts of a cue, each of one speaker."""
    for part in _VOICE_BORDER.split(text) if is_vtt else [text]:
        voice = _VOICE.match(part) if is_vtt else None
        speaker = html.unescape(voice[1]).strip() if voice else "" if has_voices else None
        plain = html.unescape((_VTT_TAG if is_vtt else _SRT_TAG).sub("", part))
        speech = _TURNS_IN_A_LINE.sub("\n", remove_sounds(plain))
        for number, turn in enumerate(_TURN.split(speech)):
            joined = ""
            for line in (" ".join(line.split()) for line in turn.split("\n")):
                if joined and _LABEL.match(line):
                    yield from _songs_apart(speaker, joined, starts_turn=number > 0)
                    joined = ""
                joined = _join(joined, line)
            if joined and not (speech != plain and _LABEL.match(f"{joined} …") and joined.endswith(":")):
                yield from _songs_apart(speaker, joined, starts_turn=number > 0)


def _songs_apart(speaker: str | None, text: str, *, starts_turn: bool) -> Iterator[_Piece]:
    """Yield what is said, and what is sung by nobody in particular, as pieces of their own."""
    parts = list(split_songs(text))
    if speaker or _LABEL.match(text):
        parts = [(f"{NOTE} {part} {NOTE}" if is_song else part, False) for part, is_song in parts]
        parts = [(" ".join(part for part, _ in parts), False)] if parts else []
    for part, is_song in parts:
        yield _Piece(NOTE if is_song else speaker, part, starts_turn=starts_turn or is_song)


def _turns(pieces: Sequence[_Piece]) -> Iterator[str]:
    """Yield what each speaker says before another one does.

    A name before a colon begins a turn. Where most pieces have one, as in transcripts of meetings, the same name again
    does not, and is left out.
    """
    labels = [None if piece.speaker else _LABEL.match(piece.text) for piece in pieces]
    labelled = sum(map(bool, labels)) >= LABELLED_SHARE * len(pieces)
    speaker, turn = "", ""
    for piece, label in zip(pieces, labels, strict=True):
        name, text, starts = piece.speaker, piece.text, piece.starts_turn
        if label and labelled:
            name, text = label[1], text[label.end() :]
        starts = starts or (bool(label) and not labelled) or (name is not None and name != speaker)
        starts = starts or (speaker == NOTE and name is None)
        if starts and turn:
            yield turn
        if starts or not turn:
            speaker = name or ""
            turn = f"{NOTE} {text} {NOTE}" if speaker == NOTE else f"{speaker}: {text}" if speaker else text
        else:
            turn = _join(turn, text)
    if turn:
        yield turn


def _join(before: str, after: str) -> str:
    """Join two pieces, by a space where the script has spaces."""
    if not before or not after:
        return before + after
    is_unspaced = unspaced(after[0]) and (unspaced(before[-1]) or before[-1] in _FULL_WIDTH)
    return before + after if is_unspaced else f"{before} {after}"

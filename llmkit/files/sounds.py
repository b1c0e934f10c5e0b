"""What subtitles describe and nobody says: `[DOOR SLAMS]`, `(laughs)`, `♪ music ♪`; and what is sung.

Subtitles for people who do not hear put sounds, tones of voice and speakers in brackets. Square brackets are for
nothing else; round ones may be speech too, so these are only left out where the words are like a description, and no
sentence goes on around them. What marks missing speech, such as `[inaudible]`, stays.

References:
    https://www.bbc.co.uk/accessibility/forproducts/guides/subtitles/
    https://partnerhelp.netflixstudios.com/hc/en-us/articles/217350977
"""

from __future__ import annotations

from collections.abc import Iterator

import regex

NOTE = "♪"

_NOTES = regex.compile(r"[♩♪♫♬🎵🎶🎼]+")
_MUSIC_AFTER = regex.compile(r"[♩♪♫♬🎵🎶🎼]{2}\s*$")
_HASHES = regex.compile(r"\s*\#+ (?=\s) ([^\#]*) (?<=\s) \#+ \s*", regex.VERBOSE)  # notes where a font has none (BBC)
_SQUARE = regex.compile(r"[\[［【] ([^\[\]［］【】]{1,120}) [\]］】] (\s*[:：])?", regex.VERBOSE)
_ROUND = regex.compile(r"[(（] ([^()（）]{1,120}) [)）] (\s*[:：])?", regex.VERBOSE)
_LETTER = regex.compile(r"\p{L}")
_MISSING = regex.compile(
    r"\b(?:inaudible|unintelligible|indistinct|unclear|incomprehensible|crosstalk|bleep|redacted|unverständlich"
    r"|incompréhensible|ininteligible|inaudibile|incomprensibile|inaudível|onverstaanbaar|неразборчиво|sic)\b|聞き取れ|听不清",
    regex.IGNORECASE,
)
_SOUND = regex.compile(
    r"""\b(?: laugh | chuckl | giggl | snicker | sigh | cough | sneez | sniff | gasp | groan | moan | sob | scream
      | shout | yell | whisper | applau | clap | cheer | music | sing(?:s|ing)\b | humm | whistl | bark | beep | buzz
      | thunder
      | gunshot | explosion | footstep | silence | pause\b | static\b | noise | door | ring(?:s|ing)\b | playing | speak
      | foreign | language
      | lach | gelächter | seufz | hust | klatsch | musik | flüster | schrei | stöhn | jubel | beifall
      | rire | rit\b | soupir | touss | musique | chuchot | cris?\b
      | risa | ríen?\b | suspir | tose | aplau | música | susurr | grit
      | ridono | sospir | tossi | risos?\b | zucht | hoest | muziek | juich
      | сме[её]т | смех | вздых | вздох | кашл | аплод | музык | крич )
    | 笑 | 拍手 | 掌声 | 音楽 | 音乐 | 歓声 | 欢呼 | 웃음 | 박수 | 음악""",
    regex.VERBOSE | regex.IGNORECASE,
)
_MUSIC = regex.compile(
    r"""(?: (?:the|a) \s+ )? (?! (?:i|you|we|my|your|love|hear|play|for|that|of|to|is) \s ) (?: [\w'’-]+ \s+ ){0,3}?
    (?: music | musik | musique | música | musica | muziek | музыка | theme | melody | song | instrumental
      | 音楽 | 音乐 )
    (?: \s+ (?: is | playing | plays | continues | continuing | stops | fades | fading | swells | in | out | over
      | the | background | quietly | softly | spielt | joue ) )*""",
    regex.VERBOSE | regex.IGNORECASE,
)
_BEGINS_CLAUSE = regex.compile(
    r"(?:the|an?|and|or|but|i|we|he|she|it|they|you|not|no|yes|which|who|if|so|that|this|my|your|his|her|our)\b",
    regex.IGNORECASE,
)
_SENTENCE_END = regex.compile(r"[.?!…。？！] [\"'”’»]? \s* $ | [\d]", regex.VERBOSE)
_NAME = regex.compile(
    r"\s* ( \p{Lu}[\p{L}\p{M}.'’-]* (?: \s (?: \p{Lu}[\p{L}\p{M}.'’-]* | \#?\d{1,2} ) ){0,2} ) (?: , \s [^,]+ )? \s*",
    regex.VERBOSE,
)
_BEGINS_TURN = regex.compile(r"(?: ^ | \n ) \s* (?: [-‐–—−－]+ | >>+ )? \s* $", regex.VERBOSE)
_ENDS_SENTENCE = regex.compile(r"[.?!…,:;。？！，\u0000\"”»–—-] \s* $", regex.VERBOSE)
_GOES_ON = regex.compile(r"\s*[\p{Ll},;]")
_MAX_WORDS = 6


def remove_sounds(text: str) -> str:
    """Return the text of a cue without descriptions of sounds; speakers in brackets become names before a colon."""
    if _SQUARE.search(text):
        text = _SQUARE.sub(lambda match: _replace(match, is_square=True), text)
    if _ROUND.search(text):
        text = _ROUND.sub(lambda match: _replace(match, is_square=False), text)
    if "\0" not in text:
        return text
    text = regex.sub(r"([^\S\n]*\0)+[^\S\n]*", "\0", text)
    text = regex.sub(r"(?<=[,;])\0[,;]|\0(?=[.,;:!?…])", "", text)
    return text.replace("\0", " ")


def _replace(match: regex.Match[str], *, is_square: bool) -> str:
    """Return what to write for something in brackets: a NUL character for a sound."""
    inside, colon = match[1], match[2]
    text, before = match.string, match.string[max(0, match.start() - 40) : match.start()]
    begins = bool(_BEGINS_TURN.search(before))
    is_last = not text[match.end() :].partition("\n")[0].strip()
    if not _LETTER.search(inside) or _MISSING.search(inside):
        return match[0]
    if begins and (speaker := _speaker(inside, colon, is_label=is_square and not is_last)):
        return f"{speaker}: "
    if is_square:
        return match[0] if _BEGINS_CLAUSE.match(inside.strip()) and not begins and not is_last else "\0"
    is_apart = (begins and not _GOES_ON.match(text, match.end())) or (is_last and bool(_ENDS_SENTENCE.search(before)))
    return "\0" if _describes(inside, is_apart=is_apart) else match[0]


def _speaker(inside: str, colon: str | None, *, is_label: bool) -> str:
    """Return the name of the speaker in brackets, as in `[Ann] Come in.`; empty for a sound, as in `[Sighs]`."""
    name = _NAME.fullmatch(inside)
    if name is None or _SOUND.search(name[1]):
        return ""
    if colon:
        return str(name[1])
    is_verb = " " not in name[1] and name[1].endswith(("s", "ing"))
    return str(name[1]) if is_label and not name[1].isupper() and not is_verb else ""


def _describes(inside: str, *, is_apart: bool) -> bool:
    """Return whether words in round brackets describe a sound or a voice; `is_apart`: no sentence goes on there."""
    words = inside.split()
    if len(words) > _MAX_WORDS or _SENTENCE_END.search(inside):
        return False
    if _SOUND.search(inside) and len(words) <= 3:
        return True
    is_speech = bool(_BEGINS_CLAUSE.match(inside.strip())) and not inside.isupper()
    return is_apart and not is_speech and (len(inside.strip()) > 1)


def split_songs(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, and whether each is sung: what is between notes. Music without words is left out."""
    if hashes := _HASHES.fullmatch(text):
        text = f"{NOTE}{hashes[1]}{NOTE}"
    parts = [part.strip() for part in _NOTES.split(text)]
    begins, ends = len(parts) > 1 and not parts[0], len(parts) > 1 and not parts[-1]
    is_whole = (begins and ends) or (ends and len(parts) == 2 and not _MUSIC_AFTER.search(text))
    for place, part in enumerate(parts):
        is_song = len(parts) > 1 and (is_whole or place % 2 == 1)
        if _LETTER.search(part) and not (is_song and _MUSIC.fullmatch(part.strip("., "))):
            yield part, is_song
        elif part and not is_song:
            yield part, False

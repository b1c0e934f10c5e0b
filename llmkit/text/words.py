"""The words of a text in any script: with their offsets for names and spans, and as plain terms for ranking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from llmkit.text.segmentation import Span

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}ーｰ\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""The scripts that are written without spaces: every character that a reader sees (grapheme) is a word there."""

_URL_SIGN = rf"[[^\s()\[\]{{}}<>\"`\|,;\p{{Pi}}\p{{Pf}}、。，；：！？「」（）【】《》]--{_UNSPACED}]"
_URL = rf"(?: \p{{L}}[\w+.-]{{1,20}}+ :// | www\. ) (?: \( {_URL_SIGN}*+ \) | {_URL_SIGN} )++"
_ADDRESS = r"""
      [\w.+%-]{1,64}+ @ (?: \w[\w-]*+ \. )++ \w[\w-]*+                                             # an e-mail address
    | (?: [\w-]{1,63}+ \. ){1,8}+ \p{Ll}{2,}+ (?: :\d++ )?+ / [\w./?=&%~+\#@:-]*+                  # a URL, no scheme
    | (?<! [/\\<] ) (?: ~ | \.\.? | [A-Za-z]: )?+ (?: [/\\] [\w.@%~+-]++ ){2,}+ [/\\]?+            # a path
    | [\w.-]{1,99} (?: [/\\] [\w.-]{1,99} ){1,20} (?<= [\w-] \. \p{Ll} [\p{Ll}\d]{0,3} ) (?! \w )  # a file in a folder
"""
"""What stays whole, whatever signs it has."""

_NUMBER = r"""
    (?<! \d ) (?:
      \d{1,4}+ (?P<sign>[-./]) \d{1,2}+ (?P=sign) \d{1,4}+ (?! \d )                                # a date
    | \d{1,2}+ : \d{2} (?: : \d{2} (?: [.,] \d++ )?+ )?+ (?! :?+ \d )                              # a time
    | (?<! [.:] ) \d++ : \d++ (?! [:.,]?+ \d )                                                     # a score, a scale
    | \d++ / \d++                                                                                  # a fraction
    | (?<! , ) \d{1,3}+ (?: , \d{2,3}+ )++ (?<= , \d{3} ) (?: \. \d++ )?+ (?! \d | ,\w )           # 1,200.50
    | (?<! [,.] ) \d++ (?: (?<= (?<!\d) \d{1,3} ) (?: [.'’] \d{3} )++ )?+ , \d++ (?! [.:/,-] \w )  # 3,5 and 1.200,50
    | \d{1,3}+ (?: [\u00a0\u2009\u202f] \d{3}+ )++ (?: [.,] \d++ )?+                               # 1 200,50
    )"""
"""Numbers with a sign that divides words elsewhere. Each number of `1,2,3` and of `17,2024-11-03` is one by itself."""

_DIVIDER = r"[\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Terminal_Punctuation}\u2190-\u21ff\u2500-\u257f–—―/\\\"<>=\|¦`…•]--[.!?‘’]"
_PLAIN = rf"""
    (?! \.\. | -- | \*\* | ~~ | (?<=~)~ | & \#?+ \w++ ; | [!?] (?! \p{{Ll}} )
      | \. (?: (?<= \p{{Ll}}{{3}} \. ) \p{{Lu}} | (?<= \p{{Ll}} \. ) \p{{Lu}} \p{{Ll}}{{2}} )  # "left.He came"
    ) [[^\s]--{_UNSPACED}--[{_DIVIDER}]]"""
_ESCAPED = r"(?<= \\ ) [nrt] (?= \p{Lu} )"
"""The letter of a line end that is written as `\\n` before a name."""
_SIMPLE = rf"[[\p{{L}}\p{{M}}]--{_UNSPACED}]++ (?= [\p{{P}}--[\p{{Ps}}'’_/\\.-]]{{0,3}}+ \.?+ (?: \s | \Z ) )"
"""Letters, a sign or two, and a space: most words of most texts, found fast."""

_CHUNK = regex.compile(
    rf"""(?V1)
      (?P<simple> {_ESCAPED} | {_SIMPLE} )
    | (?={_UNSPACED})\X
    | (?P<address> (?<! [[\w@.]--{_UNSPACED}] ) (?: {_URL} | {_ADDRESS} ) )
    | (?! [\p{{P}}\p{{C}}] (?<! - (?=\d) | (?<!\.) \. (?=\d) ) ) (?: {_NUMBER} | {_PLAIN} )++
    """,
    regex.VERBOSE,
)
_TERM = regex.compile(
    rf"(?V1) (?=[{_UNSPACED}\p{{Hangul}}])\X | [[\w\p{{N}}]--{_UNSPACED}--\p{{Hangul}}]+", regex.VERBOSE
)
_UNSPACED_CHARACTER = regex.compile(rf"(?V1)(?={_UNSPACED})\X")
_CHUNK_OF_WORDS = regex.compile(r"\S+")
_COUNTED = regex.compile(
    rf"(?V1) (?={_UNSPACED})\X | [[\p{{L}}\p{{N}}]--{_UNSPACED}] [[^\s]--{_UNSPACED}]*", regex.VERBOSE
)
_UP_TO_LAST_LETTER = regex.compile(r"(?V1)(?:.*[[^\p{P}\p{C}]||[%‰]])?", regex.DOTALL)
_IN_QUERY = regex.compile(r"[&?] [\w.%\[\]-]{1,64} = \Z", regex.VERBOSE)
_QUERY_SIGN = regex.compile(r"[&+] | %(?: 20 | 0[AaDd] )", regex.VERBOSE)
_NAMES_WITH_PLUS = regex.compile(r"\p{Lu}\p{Ll}+ (?: \+ \p{Lu}\p{Ll}+ )+", regex.VERBOSE)
_AFTER_ADDRESS = ".,:;!?'’*…-"
_INITIALS = regex.compile(r"(?:\p{L}\.){2,}")

_BORDER = rf"(?:(?<![\w--{_UNSPACED}])|(?![\w--{_UNSPACED}]))"
"""Between two characters, of which at least one belongs to no word, or to a script without spaces."""


@dataclass(frozen=True, slots=True)
class Word(Span):
    """A word, without the punctuation around it.

    Attributes:
        size: 1, or 1/2 for a character of a script without spaces.
    """

    size: float = 1.0


def words(text: str) -> list[Word]:
    """Split a text into words, with their offsets.

    A word is what is between spaces, dashes, brackets, quotation marks and other signs that divide, so `city=Berlin`
    has two, without punctuation at its ends, and `q=Ann+Lee&city=Berlin` has five. Numbers, e-mail addresses, URLs and
    paths stay whole. In scripts without spaces a word is one grapheme.
    """
    found = []
    for chunk in _CHUNK.finditer(text):
        if chunk["simple"]:
            found.append(Word(*chunk.span()))
            continue
        if chunk["address"]:
            found.append(Word(chunk.start(), chunk.start() + len(chunk["address"].rstrip(_AFTER_ADDRESS))))
            continue
        for start, limit in _split_query(text, *chunk.span()):
            end = _match_end(_UP_TO_LAST_LETTER, text, start, limit)
            if _INITIALS.fullmatch(text, start, min(end + 1, limit)):  # "U.S." keeps its last point
                end += 1
            if start < end:
                found.append(Word(start, end, 0.5 if _UNSPACED_CHARACTER.match(text, start) else 1.0))
    return found


def _split_query(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the parts of a chunk beside `=` that belong to a query string or form data; else the chunk.

    In `/search?name=Ann+Lee&city=Berlin` a value ends at `&`, and `+` and `%20` are spaces; `y=a+b` is an equation
    (https://url.spec.whatwg.org/#application/x-www-form-urlencoded).
    """
    is_value, before_value = text[start - 1 : start] == "=", text[end : end + 1] == "="
    path = text.rfind("?", start, end) if before_value and not is_value else -1
    if path > start:
        return [(start, path), (path + 1, end)]
    if not is_value:
        return [(start, end)]
    in_query = before_value and text.find("&", start, end) > 0
    in_query = in_query or bool(_IN_QUERY.search(text, max(0, start - 66), start))
    if not in_query and not _NAMES_WITH_PLUS.fullmatch(text, start, end):
        return [(start, end)]
    borders = [sign.span() for sign in _QUERY_SIGN.finditer(text, start, end)]
    starts, ends = [start, *(after for _, after in borders)], [*(before for before, _ in borders), end]
    return list(zip(starts, ends, strict=True))


def terms(text: str) -> list[str]:
    """Return the terms with which texts are compared and ranked: runs of letters, marks and digits, case-folded.

    In scripts without spaces a term is one grapheme. So it is in Korean, which writes particles together with their
    noun: 서울은 and 서울의 have 서울 in common.
    """
    return _TERM.findall(text.casefold())


def unspaced(text: str) -> list[str]:
    """Return the graphemes of scripts without spaces, and nothing else."""
    return _UNSPACED_CHARACTER.findall(text)


def count_words(text: str) -> float:
    """Return how many words a text has: by its white space, and half a word for a character of unspaced scripts."""
    return max((count for _, count in _word_counts(text)), default=0.0)


def end_of_words(text: str, max_words: float) -> int | None:
    """Return where a text must end to have at most so many words; `None` if it has no more."""
    for start, count in _word_counts(text):
        if count > max_words:
            return start
    return None


def _word_counts(text: str) -> Iterator[tuple[int, float]]:
    """Yield where words begin, and how many there are with that one; what follows never changes this.

    Between white space there is at least one word, and more only where characters of unspaced scripts are.
    """
    total = 0.0
    for chunk in _CHUNK_OF_WORDS.finditer(text):
        before, inside = total, 0.0
        total = before + 1
        yield chunk.start(), total
        for item in _COUNTED.finditer(text, *chunk.span()):
            inside += 0.5 if _UNSPACED_CHARACTER.match(text, item.start()) else 1.0
            if inside > 1:
                total = before + inside
                yield item.start(), total


def occurrences(name: str, text: str, *, any_case: bool = False) -> Iterator[Span]:
    """Yield every place where a name occurs in a text as whole words, whatever its white space."""
    parts = name.split()
    if parts:
        whole = _BORDER + r"\s+".join(map(regex.escape, parts)) + _BORDER
        flags = regex.VERSION1 | (regex.IGNORECASE if any_case else 0)
        yield from (Span(*match.span()) for match in regex.finditer(whole, text, flags))


def _match_end(pattern: regex.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    return match.end() if match else start


def with_article(noun: str) -> str:
    """Return an English noun after its indefinite article, by its first letter: "an encoder", "a LORA"."""
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"

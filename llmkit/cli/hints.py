"""What to type instead, where an argument is of another form than the command reads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmkit.cli.help_text import FittedCommand
from llmkit.errors import InputError

_URL = re.compile(r"(https?):/+(.+)", re.IGNORECASE | re.DOTALL)
_FILE_URL = re.compile(r"file:(?://localhost)?/*(?=/)(.+)", re.IGNORECASE | re.DOTALL)
_FILE_NAME = re.compile(r"\S+\.\w{1,5}")


def url_of(name: str) -> str | None:
    """Return the URL of a web page that a name is, also where a path made one slash of two."""
    found = _URL.fullmatch(name)
    return f"{found[1].lower()}://{found[2]}" if found else None


def is_file(name: str) -> bool:
    """Return whether a file or folder has this name."""
    try:
        return bool(name.strip()) and url_of(name) is None and Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: nobody has the name after a ~
        return False


def check_file(name: str, advice: Callable[[str], str]) -> None:
    """Raise `InputError` for a URL in place of a file; `advice` says of a web page's URL what to type instead."""
    if (url := url_of(name)) and not _exists(name):
        raise InputError(f"{url} is a web page, not a file: {advice(url)}")
    if found := _FILE_URL.fullmatch(name):
        raise InputError(f"{name} is a URL: give the path of the file, {found[1]}")


def check_url(name: str, option: str) -> None:
    """Raise `InputError` for a file in place of a URL; `option` reads files."""
    found = _FILE_URL.fullmatch(name)
    if found or is_file(name):
        raise InputError(f"{name} is a file, not a web page: use {option} {found[1] if found else name}")
    if name == "-":
        raise InputError(f"- is standard input, not a web page: use {option} -")


def advice_on_missing(name: str) -> str:
    """Return what to do where no file has a name that may be the text itself."""
    if len(name.split()) > 1 and not re.search(r"\.\w{1,5}\s*$", name):
        return '; a text itself is given through a pipe: echo "…" | llmkit …'
    return ""


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


_TYPES = {
    "string_type": "text, in quotation marks",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list, such as ['a', 'b']",
}


def explain_value(problem: Mapping[str, Any]) -> str:
    """Return what a value must be, from the problem that pydantic found."""
    kind, limits, given = problem["type"], problem.get("ctx", {}), str(problem.get("input", "")).strip()
    if kind in ("float_parsing", "float_type") or given.lower() in ("nan", "+nan", "-nan"):
        return f"it must be a number, such as {_as_number(given)}"
    if kind in ("int_parsing", "int_type", "int_from_float"):
        return "it must be a whole number, such as 3"
    if kind in _TYPES:
        return f"it must be {_TYPES[kind]}"
    bounds = {"greater_than_equal": "at least {ge}", "greater_than": "above {gt}", "less_than_equal": "at most {le}"}
    if kind in bounds:
        return f"it must be {bounds[kind].format(**limits)}"
    return str(problem["msg"]).removeprefix("Value error, ").rstrip(".")


def _as_number(text: str) -> str:
    """Return the number that a person meant who wrote 50% or 1,5; or an example."""
    found = re.fullmatch(r"([+-]?\d*)[.,]?(\d*)\s*(%?)", text)
    if not found or not any(char.isdigit() for char in text):
        return "0.5"
    number = float(f"{found[1] or '0'}.{found[2] or '0'}")
    return f"{number / 100 if found[3] else number:g}"


class HelpfulCommand(FittedCommand):
    """A command that says of arguments beyond those that it takes what to type instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; raise `UsageError` for those that are too many."""
        ctx.allow_extra_args = True
        _check_opposites(ctx, self.params, args)
        given = list(args)  # the parser takes them out
        rest = super().parse_args(ctx, args)
        if ctx.resilient_parsing:
            return rest
        _check_switches(ctx, self.params, given, rest)
        if rest:
            ctx.fail(_too_many(str(ctx.info_name), ctx.params, rest))
        return rest


def _check_opposites(ctx: Any, options: Iterable[Any], args: Sequence[str]) -> None:
    """Raise `UsageError` if an option and its opposite are both given, of which only the last would count."""
    given = set(itertools.takewhile(lambda argument: argument != "--", args))
    for option in options:
        for on, off in zip(option.opts, option.secondary_opts, strict=False):
            if {on, off} <= given:
                ctx.fail(f"{on} and {off} are opposites: give one of them")


def _check_switches(ctx: Any, options: Iterable[Any], args: Sequence[str], rest: Sequence[str]) -> None:
    """Raise `UsageError` for a word after a switch, such as `--embedder minilm-l6`, which is no file."""
    switches = {name for option in options if getattr(option, "is_flag", False) for name in option.opts}
    before = list(itertools.takewhile(lambda argument: argument != "--", args))
    after = {word: switch for switch, word in itertools.pairwise(before) if switch in switches and not is_file(word)}
    if found := next((word for word in rest if word in after), None):
        ctx.fail(f"{after[found]} takes no value: leave {found} out")
    file = str(ctx.params.get("file"))
    if file in after and (all(map(is_file, rest)) if rest else re.fullmatch(r"[\w-]+", file)):
        ctx.fail(f"{after[file]} takes no value, and there is no file {file}: leave it out")


def _too_many(command: str, params: Mapping[str, Any], rest: Sequence[str]) -> str:
    """Return the error of arguments that are too many."""
    what = f"Got unexpected extra argument(s) ({' '.join(rest)})"
    first = rest[0]
    if "batch_size" in params:
        return f"{what}: the input is one file, or a folder with all files"
    match command:
        case "ask":
            return f"{what}: {_advice_of_ask(str(params['question']), first)}"
        case "chat" if not is_file(first):
            return f'{what}: put the message in quotation marks, as in llmkit chat "Who are you?"'
        case "chat":
            return f'{what}: to ask about a file, llmkit ask "…" --file {first}, or /file {first} in a chat'
    if all(is_file(name) for name in rest):
        return f"{what}: one file at a time; of several make one text, as in cat a.txt b.txt | llmkit {command}"
    if not is_file(str(params["file"])):
        return f'{what}: the argument is a file; a text itself is given through a pipe: echo "…" | llmkit {command}'
    return f"{what}: only one file is read" + ("; labels are one option, --labels a,b" if "labels" in params else "")


def _advice_of_ask(question: str, first: str) -> str:
    if url := url_of(first):
        return f"a web page is given as --url {url}"
    if is_file(first) or _FILE_NAME.fullmatch(first):
        return f"a file is given as --file {first}"
    if is_file(question):
        return f'the question comes first, and a file as an option: llmkit ask "{first}" --file {question}'
    return 'put the question in quotation marks, as in llmkit ask "Who built it?" --file notes.txt'


def no_web_page(url: str) -> str:
    """Return the advice of commands that read no web pages."""
    return f'save the page as a file and name that, or ask about it: llmkit ask "…" --url {url}'

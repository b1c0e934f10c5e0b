"""The command line: one module a command, each imported with nothing heavy until it runs."""

from __future__ import annotations

import itertools
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from llmkit import __version__
from llmkit.cli import config, models, preferences, prompts
from llmkit.cli.ask import ask
from llmkit.cli.chat import chat
from llmkit.cli.classify import classify
from llmkit.cli.entities import entities
from llmkit.cli.summarize import summarize
from llmkit.errors import InputError, LlmkitError

_INTERRUPTED = 130  # 128 and the signal's number, as shells say it

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # rich is a third of a second of imports for a page of help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(chat)
app.command()(summarize)
app.command()(classify)
app.command()(entities)
app.command()(ask)
app.add_typer(models.app, name="models")
app.add_typer(prompts.app, name="prompts")
app.add_typer(config.app, name="config")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"llmkit {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def llmkit(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Text applications on local language models: nothing leaves this machine.

    The first use of a model fetches it; from then on no network is needed.

    \b
    llmkit chat                        talk with the default model
    llmkit summarize notes.txt         or - for standard input
    llmkit classify mail.txt --labels complaint,praise
    llmkit entities article.txt        the people, organizations and places in it
    llmkit ask "Who built it?" --url https://example.com
    llmkit models                      which models there are, and which are here
    llmkit config                      what is set once for all, and where
    llmkit COMMAND --help              what a command can do, with examples
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    elif context.invoked_subcommand != "config" and not _asks_for_help(sys.argv[1:]):
        context.default_map = preferences.default_map(preferences.settable(context.command))


def _asks_for_help(arguments: list[str]) -> bool:
    """Tell whether only help is wanted, which a mistake in a configuration must not keep away."""
    return not {"-h", "--help"}.isdisjoint(itertools.takewhile(lambda each: each != "--", arguments))


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the input is wrong, 130 interrupted."""
    arguments, debug = _take_debug(sys.argv[1:])
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left: the last flush, at exit, must not complain about it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except BaseException as error:
        if debug and isinstance(error, Exception):
            traceback.print_exc()
        code = _report(error)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    result = app(arguments, prog_name="llmkit", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Take `--debug` out wherever it stands before a `--`, so that it can be added at the end of a line."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != "--debug"]
    return kept + arguments[end:], len(kept) < end


def _report(error: BaseException) -> int:
    """Say what went wrong in one line on stderr; give the exit code."""
    match error:
        case SystemExit():
            raise error
        case KeyboardInterrupt() | typer.Abort():
            return _INTERRUPTED
        case typer.TyperException():
            command = getattr(getattr(error, "ctx", None), "command_path", "llmkit")
            text, code = f"{_told(error)}; see {command} --help", error.exit_code
        case InputError():
            text, code = str(error), 2
        case LlmkitError():
            text, code = str(error), 1
        case _:
            text, code = f"{type(error).__name__}: {error} (unexpected; --debug shows where)", 1
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code


def _told(error: typer.TyperException) -> str:
    """What is wrong with the command line: a value in our own words, else in typer's."""
    wrong: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    options: list[str] = getattr(getattr(error, "param", None), "opts", [])
    if not wrong or not options:
        return error.format_message().rstrip(".")
    kind, message = wrong[0]["type"], wrong[0]["msg"].rstrip(".")
    wanted = {
        "float_parsing": "a number",
        "int_parsing": "a whole number",
        "int_from_float": "a whole number",
        "greater_than_equal": f"at least {wrong[0].get('ctx', {}).get('ge')}",
        "value_error": message.partition(" is not ")[2],  # "'x' is not one of 'a', 'b'"
    }.get(kind)
    return f"{max(options, key=len)} is {wrong[0]['input']!r}, but must be {wanted or f'otherwise: {message}'}"

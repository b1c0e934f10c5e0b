"""The command line: one module a command, each imported with nothing heavy until it runs."""

from __future__ import annotations

import itertools
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from llmkit import __version__
from llmkit.cli import completion as completing
from llmkit.cli import config, models, options, progress, prompts, values
from llmkit.cli import configuration as preferences
from llmkit.cli.ask import ask
from llmkit.cli.chat import chat
from llmkit.cli.classify import classify
from llmkit.cli.entities import entities
from llmkit.cli.summarize import summarize
from llmkit.errors import InputError, LlmkitError

_INTERRUPTED = 130  # 128 and the signal's number, as shells say it

app = typer.Typer(
    rich_markup_mode=None,  # rich is a third of a second of imports for a page of help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (chat, summarize, classify, entities, ask):
    app.command(epilog=options.EPILOG)(_command)
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
    context.obj = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    elif context.invoked_subcommand != "config" and {"-h", "--help"}.isdisjoint(_before_dashes(sys.argv[1:])):
        # a mistake in a configuration must not keep help away
        context.default_map = preferences.default_map(preferences.settable(context.command))


def _before_dashes(arguments: list[str]) -> list[str]:
    """Give what may be options: behind `--` there are none."""
    return list(itertools.takewhile(lambda each: each != "--", arguments))


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the input is wrong, 130 interrupted."""
    if "_LLMKIT_COMPLETE" in os.environ:  # typer wraps what it offers, and a shell takes each line for one offer
        os.environ["COLUMNS"] = "10000"
    arguments, debug = _take_debug(sys.argv[1:])
    progress.show_notices()
    try:
        completing.check_shell(_before_dashes(arguments))
        code = _run(["--debug", *arguments] if debug else arguments)
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
    before = _before_dashes(arguments)
    kept = [argument for argument in before if argument != "--debug"]
    return kept + arguments[len(before) :], len(kept) < len(before)


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
    """Say what is wrong with the command line: a value in our own words, else in typer's."""
    wrong: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    option = getattr(error, "param", None)
    if not wrong or option is None:
        return error.format_message().rstrip(".")
    return f"{max(option.opts, key=len)} is {wrong[0]['input']!r}, but must be {values.wanted(option)}"

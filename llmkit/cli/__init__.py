"""The command line: one module a command; nothing heavy is imported before a command runs."""

from __future__ import annotations

import atexit
import gc
import itertools
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from llmkit import __version__
from llmkit.cli import batch, config, console, help_text, hints, models, option_names, options, prompts, streams
from llmkit.cli.ask import ask
from llmkit.cli.chat import chat
from llmkit.cli.classify import classify
from llmkit.cli.compare import compare
from llmkit.cli.entities import entities
from llmkit.cli.serve import serve
from llmkit.cli.summarize import summarize
from llmkit.errors import ContextWindowExceeded, InputError, LlmkitError

_INTERRUPTED = 130  # 128 and the signal's number, as in shells

app = typer.Typer(
    cls=help_text.FittedGroup,
    rich_markup_mode=None,  # rich takes a third of a second to import for a page of help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (chat, summarize, classify, entities, ask, compare, serve):
    app.command(epilog=options.EPILOG, cls=hints.HelpfulCommand)(_command)
app.add_typer(batch.app, name="batch")
app.add_typer(models.app, name="models")
app.add_typer(prompts.app, name="prompts")
app.add_typer(config.app, name="config")


def _show_version(wanted: bool) -> None:
    if wanted:
        console.output(f"llmkit {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def llmkit(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Text applications on local language models: your texts stay on this machine.

    The first use of a model downloads it; after that no network is needed.

    \b
    llmkit chat                        chat with the default model
    llmkit summarize notes.txt         or - to read standard input
    llmkit classify mail.txt --labels complaint,praise
    llmkit entities article.txt        people, organizations and locations
    llmkit ask "Who built it?" --url https://example.com
    llmkit serve                       an API for clients of OpenAI's
    llmkit batch classify --help       millions of documents
    llmkit compare plan.toml           which prompt, and is the difference real
    llmkit models                      the models with short names
    llmkit config                      defaults of all options, and how to set them
    llmkit COMMAND --help              examples and options of a command
    """
    context.obj = debug
    if context.invoked_subcommand is None:
        console.output(context.get_help())
    elif context.invoked_subcommand != "config" and {"-h", "--help"}.isdisjoint(_before_dashes(sys.argv[1:])):
        # a mistake in the configuration must not prevent help
        context.default_map = config.default_map(context.command)
    if context.invoked_subcommand is not None:  # from here on: the configuration has the names of parameters
        group: Any = context.command
        option_names.use(options.by_name(group.commands[context.invoked_subcommand]))


def _before_dashes(arguments: list[str]) -> list[str]:
    """Return the arguments before `--`, which ends the options."""
    return list(itertools.takewhile(lambda argument: argument != "--", arguments))


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the input is wrong, 130 interrupted."""
    if "_LLMKIT_COMPLETE" in os.environ:  # typer wraps its offers, and a shell takes each line for one
        os.environ["COLUMNS"] = "10000"
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # commands show their progress themselves
    atexit.register(gc.freeze)  # else the end of the process looks through all that was imported, for a second
    streams.prepare()
    console.set_quiet(False)
    option_names.use(())
    console.show_log()
    arguments, debug = _take_debug(sys.argv[1:])
    try:
        result = app(["--debug", *arguments] if debug else arguments, prog_name="llmkit", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left, and needs no message
        streams.drop_output()
        code = 1
    except BaseException as error:
        if debug and isinstance(error, Exception):
            traceback.print_exc()
        code = _report(error)
        if isinstance(error, OSError):
            streams.drop_output()
    sys.exit(code)


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Remove `--debug` wherever it is before a `--`, so that it can be added at the end of a command line."""
    before = _before_dashes(arguments)
    return [*(word for word in before if word != "--debug"), *arguments[len(before) :]], "--debug" in before


def _report(error: BaseException) -> int:
    """Show what went wrong in one line; return the exit code."""
    match error:
        case SystemExit():
            raise error
        case KeyboardInterrupt() | typer.Abort():
            return _INTERRUPTED
        case typer.TyperException():
            command = getattr(getattr(error, "ctx", None), "command_path", "llmkit")
            text, code = f"{_usage_error(error)}; see {command} --help", error.exit_code
        case ContextWindowExceeded() if any(word.startswith("--context-window") for word in sys.argv):
            text, code = f"{error}; --context-window is what limits it here", 2
        case InputError():
            text, code = str(error), 2
        case LlmkitError():
            text, code = str(error), 1
        case OSError():
            text, code = _system_error(error), 1
        case _:
            text, code = f"{type(error).__name__}: {error} (unexpected; --debug shows where)", 1
    console.error(text)
    return code


def _system_error(error: OSError) -> str:
    """Return what the system refused: to write to standard output, or something with a file."""
    reason = error.strerror or str(error)
    if error.filename == streams.STANDARD_OUTPUT:
        return f"{error.filename} cannot be written: {reason}"
    if error.filename is not None:
        return f"{error.filename} cannot be read or written: {reason}"
    return f"the system refused an operation: {reason} (unexpected; --debug shows where)"


def _usage_error(error: typer.TyperException) -> str:
    """Return typer's message, with the value that was given."""
    problems: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    option = getattr(error, "param", None)
    if not problems or option is None:
        return error.format_message().rstrip(".")
    return f"{max(option.opts, key=len)} {problems[0]['input']!r}: {hints.explain_value(problems[0])}"

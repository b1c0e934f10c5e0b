"""`llmkit chat`: a conversation at the terminal, or through a pipe."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import completing, options
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat


def _conversations(incomplete: str) -> list[str]:
    from llmkit.cli.chat.conversation.store import Store

    return [name for name in Store().names() if name.startswith(incomplete)]


@options.takes_model()
def chat(
    context: typer.Context,
    system: Annotated[str, typer.Option(help="An instruction that holds for the whole conversation.")] = "",
    prompt: Annotated[
        str,
        typer.Option(help="One of `llmkit prompts`: each message fills its input.", autocompletion=completing.prompts),
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last conversation.")] = False,
    load: Annotated[
        str, typer.Option(help="Go on with the conversation of this name.", autocompletion=_conversations)
    ] = "",
    save: Annotated[
        bool | None,
        typer.Option(
            help="Keep the conversation; left out, one at a terminal, or gone on with, is.", show_default=False
        ),
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="/url also reads pages of this machine and of private networks.")
    ] = False,
    ignore_robots: Annotated[
        bool, typer.Option("--ignore-robots", help="/url reads a page even if its site asks programs not to.")
    ] = False,
    *,
    model: options.ModelOptions,
    quiet: options.Quiet = False,
) -> int:
    """Talk with a model; /help in it shows what else it can do. Ctrl-C stops an answer, Ctrl-D leaves.

    \b
    llmkit chat
    llmkit chat --system "Answer in one sentence." --temperature 0
    llmkit chat --resume                         where the last one ended, or was killed
    llmkit chat --load holiday                   one that /save holiday gave a name
    printf 'My name is Ann.\\nWhat is my name?\\n' | llmkit chat      a line a turn
    printf '/file minutes.txt\\nWho comes?\\n' | llmkit chat --quiet
    """
    if resume and load:
        raise InputError("--resume and --load name two conversations: give one of them")
    given = _given(context, model)
    model.check(quiet=quiet)
    if prompt:
        options.load_prompt(prompt, ())
    from llmkit.cli.chat.conversation.store import Store

    store, at_terminal = Store(), sys.stdin.isatty()
    keep = save if save is not None else at_terminal or resume or bool(load)
    name = store.last() if resume else load
    record = store.open(name, keep=keep) if name else None
    if record and record.history.model and "model" not in given:
        model = replace(model, model=record.history.model)
    llm = _loaded(model, at_terminal=at_terminal, quiet=quiet)
    from llmkit.cli.chat import talking
    from llmkit.cli.chat.screen.view import View
    from llmkit.cli.chat.session import Session

    session = Session(
        llm,
        store=store,
        system=system,
        prompt=prompt,
        given={name: value for name, value in given.items() if name != "model"},
        resume=record,
        fetching={"allow_private": allow_private, "respect_robots": not ignore_robots},
        keep=keep,
    )
    view = View(quiet=quiet, debug=bool(context.obj))
    with closing(session):
        if at_terminal:
            return talking.at_terminal(session, view)
        return talking.through_pipe(session, sys.stdin.buffer, view)


def _given(context: typer.Context, model: options.ModelOptions) -> dict[str, Any]:
    """Give what the command line itself says of the model: that holds over what a conversation has kept."""
    sources = {name: context.get_parameter_source(name) for name in vars(model)}
    return {name: vars(model)[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _loaded(model: options.ModelOptions, *, at_terminal: bool, quiet: bool) -> HuggingFaceChat:
    if not at_terminal:
        return model.load(quiet=quiet)
    from llmkit.cli.chat.keyboard.interrupt import silent_keys

    with silent_keys():
        return model.load(quiet=quiet)

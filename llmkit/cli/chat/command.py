"""`llmkit chat`: a conversation at the terminal, or through a pipe."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import completion, options
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.session import Session
    from llmkit.models.chat import HuggingFaceChat


def _conversations(incomplete: str) -> list[str]:
    from llmkit.cli.chat.conversation.store import Store

    return [name for name in Store().names() if name.startswith(incomplete)]


@options.with_model_options()
def chat(
    context: typer.Context,
    system: Annotated[str, typer.Option(help="An instruction that holds for the whole conversation.")] = "",
    prompt: Annotated[
        str,
        typer.Option(help="One of `llmkit prompts`: each message fills its input.", autocompletion=completion.prompts),
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
    allow_private: options.AllowPrivate = False,
    ignore_robots: options.IgnoreRobots = False,
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
    keep = save if save is not None else sys.stdin.isatty() or resume or bool(load)
    fetching = {"allow_private": allow_private, "respect_robots": not ignore_robots}
    session = _session(context, model, resume=resume, name=load, keep=keep, fetching=fetching)
    from llmkit.cli.chat import repl as talking
    from llmkit.cli.chat.screen.view import View

    view = View(quiet=quiet, debug=bool(context.obj))
    with closing(session):
        if sys.stdin.isatty():
            return talking.at_terminal(session, view)
        return talking.through_pipe(session, sys.stdin.buffer, view)


def _session(
    context: typer.Context, model: options.ModelOptions, *, resume: bool, name: str, **options_: Any
) -> Session:
    """Begin a conversation, or go on with one: what it has kept holds, but for what the command line itself says."""
    from llmkit.cli.chat.conversation.history import History
    from llmkit.cli.chat.conversation.store import Store

    model.check()
    if context.params["prompt"]:
        options.load_prompt(context.params["prompt"], ())
    store = Store()
    name = store.last() if resume else name
    record = store.open(name, keep=options_["keep"]) if name else None
    kept = record.history if record else History()
    said = {each for each in context.params if _said(context, each)}
    if kept.model and "model" not in said:
        model = replace(model, model=kept.model)
    begun = {each: context.params[each] for each in ("system", "prompt") if each in said or not getattr(kept, each)}
    given = {each: value for each, value in vars(model).items() if each in said and each != "model"}
    llm = _loaded(model)
    from llmkit.cli.chat.session import Session

    return Session(llm, store=store, resume=record, given=given, **begun, **options_)


def _said(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _loaded(model: options.ModelOptions) -> HuggingFaceChat:
    if not sys.stdin.isatty():
        return model.load()
    from llmkit.cli.chat.keyboard.interrupt import silent_keys

    with silent_keys():
        return model.load()

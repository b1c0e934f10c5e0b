"""`llmkit chat`: a conversation at the terminal, or through a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from llmkit.cli import completing, options
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.record import Record
    from llmkit.cli.chat.store import Store


def _conversations(incomplete: str) -> list[str]:
    from llmkit.cli.chat.store import Store

    return [name for name in Store().names() if name.startswith(incomplete)]


@options.takes_model()
def chat(
    model: options.ModelOptions,
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
    model.check(quiet=quiet)
    if prompt:
        options.load_prompt(prompt, ())
    from llmkit.cli.chat.store import Store

    store = Store()
    at_terminal = sys.stdin.isatty()
    keep = save if save is not None else at_terminal or resume or bool(load)
    record = _opened(store, store.last() if resume else load, keep=keep)
    llm = model.load(quiet=quiet)
    from llmkit.cli.chat.session import Session

    fetching = {"allow_private": allow_private, "respect_robots": not ignore_robots}
    session = Session(llm, store=store, system=system, prompt=prompt, resume=record, fetching=fetching, keep=keep)
    try:
        if at_terminal:
            from llmkit.cli.chat.terminal import talk as at_the_terminal

            return at_the_terminal(session, quiet=quiet)
        from llmkit.cli.chat.plain import talk

        return talk(session, sys.stdin.buffer, quiet=quiet)
    finally:
        session.close()


def _opened(store: Store, name: str, *, keep: bool) -> Record | None:
    return store.open(name, keep=keep) if name else None

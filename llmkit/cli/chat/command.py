"""`llmkit chat`: a conversation at the terminal, or through a pipe; or one question."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import completion, options
from llmkit.errors import InputError

if TYPE_CHECKING:
    from llmkit.cli.chat.state import ChatState
    from llmkit.models.chat import HuggingFaceChat


def _conversations(incomplete: str) -> list[str]:
    from llmkit.cli.chat.conversation.store import Store

    return [name for name in Store().names() if name.startswith(incomplete)]


@options.with_model_options()
def chat(
    context: typer.Context,
    message: Annotated[
        str, typer.Argument(help="A message: it is answered, and that is all. Without one, a chat begins.")
    ] = "",
    system: Annotated[str, typer.Option(help="The system prompt: an instruction for the whole conversation.")] = "",
    prompt: Annotated[
        str,
        typer.Option(help="One of `llmkit prompts`: each message is its input.", autocompletion=completion.prompts),
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the last conversation.")] = False,
    load: Annotated[
        str, typer.Option(help="Continue the conversation of this name.", autocompletion=_conversations)
    ] = "",
    save: Annotated[
        bool | None,
        typer.Option(
            help="Keep the conversation; the default for a chat at a terminal, and for one that is continued.",
            show_default=False,
        ),
    ] = None,
    allow_private: options.AllowPrivate = False,
    ignore_robots: options.IgnoreRobots = False,
    *,
    model: options.ModelOptions,
    quiet: options.Quiet = False,
) -> int:
    """Chat with a model, or ask it one question.

    /help in a chat shows its commands; Ctrl-C stops an answer; exit, quit or Ctrl-D leaves.

    \b
    Examples:
      llmkit chat
      llmkit chat "What is the capital of France?"     one answer
      llmkit chat --system "Answer in one sentence." --temperature 0
      llmkit chat --resume                continues the last conversation
      llmkit chat --load holiday          continues what /save holiday named
      printf 'I am Ann.\\nWho am I?\\n' | llmkit chat    a line is a message
      printf '/file minutes.txt\\nWho comes?\\n' | llmkit chat --quiet
    """
    if resume and load:
        raise InputError("--resume and --load name two conversations: give one of them")
    message = "" if message == "-" else message
    keep = save if save is not None else (sys.stdin.isatty() and not message) or resume or bool(load)
    fetching = {"allow_private": allow_private, "respect_robots": not ignore_robots}
    state = _begin(context, model, resume=resume, name=load, keep=keep, fetching=fetching)
    from llmkit.cli.chat import repl
    from llmkit.cli.chat.screen.view import View

    view = View(quiet=quiet, debug=bool(context.obj))
    with closing(state):
        if message:
            return repl.ask_once(state, view, message)
        if sys.stdin.isatty():
            return repl.at_terminal(state, view)
        return repl.through_pipe(state, sys.stdin.buffer, view)


def _begin(
    context: typer.Context, model: options.ModelOptions, *, resume: bool, name: str, **options_: Any
) -> ChatState:
    """Start or continue a conversation: what the command line says goes before what the conversation has kept."""
    from llmkit.cli.chat.conversation.history import History
    from llmkit.cli.chat.conversation.store import Store

    model.check()
    if context.params["prompt"]:
        options.load_prompt(context.params["prompt"], ())
    store = Store()
    name = store.last() if resume else name
    record = store.open(name, keep=options_["keep"]) if name else None
    kept = record.history if record else History()
    given = {name for name in context.params if _is_given(context, name)}
    if kept.model and "model" not in given:
        model = replace(model, model=kept.model)
    texts = {name: context.params[name] for name in ("system", "prompt") if name in given or not getattr(kept, name)}
    settings = {name: value for name, value in vars(model).items() if name in given and name != "model"}
    llm = _load(model)
    from llmkit.cli.chat.state import ChatState

    return ChatState(llm, store=store, resume=record, given=settings, **texts, **options_)


def _is_given(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _load(model: options.ModelOptions) -> HuggingFaceChat:
    if not sys.stdin.isatty():
        return model.load()
    from llmkit.cli.chat.keyboard.interrupts import without_echo

    with without_echo():
        return model.load()

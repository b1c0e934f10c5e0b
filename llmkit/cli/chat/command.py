"""`llmkit chat`: a conversation at the terminal, or through a pipe; or one question."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmkit.cli import options, streams
from llmkit.cli.chat.history import History
from llmkit.cli.chat.store import Record, Store
from llmkit.cli.option_groups import FetchOptions, GenerationOptions, with_option_groups
from llmkit.errors import InputError, LlmkitError, RunError, SettingsError
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from llmkit.cli.chat.screens import View
    from llmkit.cli.chat.state import ChatState


_NOT_KEPT = {"model", "context_window", "base_url", "tokenizer"}
"""Options that are no settings of the conversation."""


def _kept_names() -> list[str]:
    return Store().names()  # a lambda in an annotation sees only the names of the class


@dataclass(frozen=True)
class ConversationOptions:
    """Which conversation this is."""

    system: Annotated[
        str, typer.Option(metavar="TEXT", help="The system prompt: an instruction for the whole conversation.")
    ] = ""
    resume: Annotated[bool, typer.Option("--resume", help="Continue the last conversation.")] = False
    load: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Continue the conversation of this name.",
            autocompletion=_kept_names,
        ),
    ] = ""
    save: Annotated[
        bool | None,
        typer.Option(
            help="Keep the conversation; the default for a chat at a terminal, and for one that is continued.",
            show_default=False,
        ),
    ] = None

    @property
    def continues(self) -> bool:
        """Whether it began earlier."""
        return self.resume or bool(self.load)

    def is_kept(self, message: str | None) -> bool:
        """Return whether it is saved, if there is only this message or a chat."""
        return self.save if self.save is not None else (sys.stdin.isatty() and not message) or self.continues


@with_option_groups()
def chat(
    context: typer.Context,
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="MESSAGE", help="A message: it is answered, and that is all. Without one, a chat begins."
        ),
    ] = None,
    *,
    conversation: ConversationOptions,
    fetching: FetchOptions,
    model: GenerationOptions,
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
      llmkit chat /help                   commands that show something work too
    """
    message = _check(message, conversation)
    state = _begin(context, model, conversation, keep=conversation.is_kept(message), fetching=fetching.arguments())
    from llmkit.cli.chat.screens import View

    with closing(state):
        return _converse(state, message, View(quiet=quiet, debug=bool(context.obj), single=bool(message)))


def _check(message: str | None, conversation: ConversationOptions) -> str | None:
    """Check what is given before any work; return the message, if a single one is answered."""
    if conversation.resume and conversation.load:
        raise InputError("--resume and --load name two conversations: give one of them")
    if message is not None and not message.strip():
        raise InputError("the message is empty: write one, or leave it out to begin a chat")
    message = None if message == "-" else message
    for stream in (sys.stdout, *([] if message else [sys.stdin])):
        streams.check_open(stream)
    if message:
        from llmkit.cli.chat import commands

        commands.check_single(message, kept=conversation.is_kept(message) and conversation.continues)
    return message


def _converse(state: ChatState, message: str | None, view: View) -> int:
    """Answer the message, or all messages that are typed or come through a pipe; return the exit code."""
    from llmkit.cli.chat import repl
    from llmkit.cli.chat.commands.settings import explain_unused

    if unused := explain_unused(state):
        view.note(unused)
    if message:
        return repl.through_pipe(state, [message.encode(errors="surrogateescape")], view, numbered=False)
    if sys.stdin.isatty():
        return repl.at_terminal(state, view)
    return repl.through_pipe(state, sys.stdin.buffer, view)


def _begin(
    context: typer.Context, model: GenerationOptions, conversation: ConversationOptions, **arguments: Any
) -> ChatState:
    """Start or continue a conversation: what the command line says goes before what the conversation has kept."""
    store = Store()
    name = store.last() if conversation.resume else conversation.load
    record = store.open(name, keep=arguments["keep"]) if name else None
    with ExitStack() as stack:
        if record:
            stack.callback(record.close, empty=False)
        state = _continue(context, model, store, record, **arguments)
        stack.pop_all()  # the state closes it
    return state


def _continue(
    context: typer.Context, model: GenerationOptions, store: Store, record: Record | None, **arguments: Any
) -> ChatState:
    """Load the model, and return the state of a new conversation, or of the one that is continued."""
    kept = record.history if record else History()
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    goes_on = bool(kept.model) and "model" not in given
    if goes_on:
        window = model.context_window if "context_window" in given else kept.context_window or model.context_window
        model = replace(model, model=kept.model, context_window=window)
    naming = _NameInErrors(record.name, model.model) if record and goes_on else nullcontext()
    with naming:
        model.check()
    system = context.params["system"] if "system" in given or not kept.system else ""
    settings = {name: value for name, value in vars(model).items() if name in given - _NOT_KEPT}
    from llmkit.cli.chat.repl import without_echo
    from llmkit.cli.chat.state import ChatState

    quiet = without_echo() if sys.stdin.isatty() else nullcontext()
    with quiet, naming:
        llm = model.load() if model.base_url is None else model.load_served()
    arguments["context_window"] = model.context_window or 0
    return ChatState(llm, store=store, resume=record, given=settings, system=system, **arguments)


class _NameInErrors(AbstractContextManager[None]):
    """Says of an error that the conversation named the model: the person named none."""

    def __init__(self, name: str, model: str) -> None:
        self._what = f"the conversation {name} was with the model {model}, which cannot be loaded"

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, LlmkitError) and not isinstance(error, SettingsError):
            error_type = InputError if isinstance(error, InputError) else RunError
            advice = f"--model goes on with another one, such as --model {DEFAULT_MODEL}"
            raise error_type(f"{self._what}: {error}; {advice}") from error

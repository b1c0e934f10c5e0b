"""`llmkit serve`: an API over a model, for clients of OpenAI's API, and a page to try it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from llmkit.cli import console, options
from llmkit.cli.option_groups import GenerationOptions, with_option_groups
from llmkit.server.settings import DEFAULT_PORT, ServerSettings

if TYPE_CHECKING:
    from llmkit.models.chat import HuggingFaceChat


@dataclass(frozen=True)
class ServerOptions:
    """Where the server listens, whom it answers, and how much it takes."""

    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="The address to listen on; one that other machines reach needs a key."),
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="The port; 0 is any free one.")] = (
        DEFAULT_PORT
    )
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="What clients must send as Authorization: Bearer KEY. Other programs may see it here; better set the "
            "environment variable LLMKIT_API_KEY.",
            envvar="LLMKIT_API_KEY",
            show_envvar=False,
            show_default=False,
        ),
    ] = None
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let scripts of these pages use the API from a browser, such as http://localhost:3000; may be "
            "repeated.",
        ),
    ] = None
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What clients call the model.", show_default="its own name"),
    ] = None
    max_running: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The most requests that are computed at a time.")
    ] = ServerSettings.max_running
    max_waiting: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="The most requests that wait; more are told to try again.")
    ] = ServerSettings.max_waiting

    def settings(self) -> ServerSettings:
        """Return the settings of the server, which are checked."""
        given = {name: value for name, value in vars(self).items() if name not in ("name", "allow_origin")}
        return ServerSettings(allow_origin=tuple(self.allow_origin or ()), **given)


@with_option_groups(without=["base_url", "tokenizer", "stop", "source_language", "target_language"])
def serve(
    *,
    server: ServerOptions,
    model: GenerationOptions,
    quiet: options.Quiet = False,
) -> None:
    """Serve a model to clients of OpenAI's API, on this machine, and a page to try it in a browser.

    Requests that do not say how to generate get what --temperature, --max-new-tokens and the like say here. Ctrl-C
    stops the server.

    \b
    Examples:
      llmkit serve
      llmkit serve --port 9000 --model Qwen/Qwen2.5-0.5B-Instruct
      LLMKIT_API_KEY=secret llmkit serve --host 0.0.0.0    for other machines
      llmkit serve --allow-origin http://localhost:3000    for a page

    \b
    A client, while it runs:
      curl http://127.0.0.1:8321/v1/completions \\
        -d '{"prompt": "The capital of France is"}'
      python -c 'import openai
      client = openai.OpenAI(base_url="http://127.0.0.1:8321/v1", api_key="-")
      print(client.models.list().data[0].id)'
    """
    settings = server.settings()
    from llmkit.server import run

    with run.listen(settings) as listener:  # what is wrong is said before the model loads
        llm = model.load()
        _announce(llm, server.name, run.address_of(listener))
        run.serve(llm, settings, name=server.name, listener=listener)


def _announce(llm: HuggingFaceChat, name: str | None, address: str) -> None:
    """Show the address of the API, which is the command's result."""
    console.note(f"serving {name or llm.model_name} ({llm.context_window} tokens); Ctrl-C stops it")
    console.note(f"to try it in a browser, open {address}/")
    console.output(f"{address}/v1")

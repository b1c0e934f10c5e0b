"""`llmkit serve`: an API over models, for clients of OpenAI's API, and a page to try it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from llmkit.cli import console, options
from llmkit.cli.option_groups import GenerationOptions, with_option_groups
from llmkit.errors import InputError
from llmkit.models import DEFAULT_MODEL
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
    max_running: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The most requests of a model that are computed at a time.")
    ] = ServerSettings.max_running
    max_waiting: Annotated[
        int,
        typer.Option(metavar="NUMBER", min=0, help="The most requests of a model that wait; more get an error."),
    ] = ServerSettings.max_waiting

    def settings(self) -> ServerSettings:
        """Return the settings of the server, which are checked."""
        given = {name: value for name, value in vars(self).items() if name != "allow_origin"}
        return ServerSettings(allow_origin=tuple(self.allow_origin or ()), **given)


@dataclass(frozen=True)
class ServedModelsOptions:
    """The models that are served, and what clients call them."""

    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name from `llmkit models`, a folder, a .gguf file or a Hugging Face id; may be repeated, and the "
            "first answers requests that name no model.",
            autocompletion=options.chat_models,
            show_default=DEFAULT_MODEL,
        ),
    ] = None
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What clients call the model; with several --model, give one for each, in their order.",
            show_default="its own name",
        ),
    ] = None

    def by_name(self) -> dict[str, str]:
        """Return the models by the names that clients call them.

        Raises:
            InputError: there are not as many names as models, or two models have one name.
        """
        models = self.model or [DEFAULT_MODEL]
        names = self.name or models
        if len(names) != len(models):
            raise InputError(f"there are {len(names)} --name for {len(models)} --model: give one for each, or none")
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"two models would be called {name!r}: give each another --name")
        return dict(zip(names, models, strict=True))

    def load(self, generation: GenerationOptions) -> dict[str, HuggingFaceChat]:
        """Load the models by their names, after all of them were found and fit into memory together."""
        each = {name: replace(generation, model=model) for name, model in self.by_name().items()}
        for given in each.values():
            given.check()
        if len(each) > 1:
            with console.progress("preparing the models"):
                from llmkit.models.weights.memory import check_memory

                check_memory([given.model for given in each.values()])
        return {name: given.load() for name, given in each.items()}


@with_option_groups(without=["base_url", "tokenizer", "stop", "source_language", "target_language"])
def serve(
    *,
    server: ServerOptions,
    models: ServedModelsOptions,
    generation: GenerationOptions,
    quiet: options.Quiet = False,
) -> None:
    """Serve models to clients of OpenAI's API, on this machine, and a page to try them in a browser.

    Requests that do not say how to generate get what --temperature, --max-new-tokens and the like say here. Ctrl-C
    stops the server.

    \b
    Examples:
      llmkit serve
      llmkit serve --port 9000 --model Qwen/Qwen2.5-0.5B-Instruct
      llmkit serve --model smollm2-135m --model ./my-model    two to compare
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
        llms = models.load(generation)
        _announce(llms, run.address_of(listener), has_key=settings.api_key is not None)
        run.serve(llms, settings, listener=listener)


def _announce(llms: Mapping[str, HuggingFaceChat], address: str, *, has_key: bool) -> None:
    """Show the address of the API, which is the command's result; the key is never shown."""
    from llmkit.models.weights.memory import gigabytes

    names = " and ".join(f"{name} ({llm.context_window} tokens)" for name, llm in llms.items())
    distinct = {id(llm.engine): llm for llm in llms.values()}  # the same weights are loaded once
    weights = gigabytes(sum(llm.memory_footprint() for llm in distinct.values()))
    console.note(f"serving {names}, with {weights} of weights; Ctrl-C stops it")
    hint = "#key=KEY, with the key for KEY" if has_key else ""
    console.note(f"to try it in a browser, open {address}/{hint}")
    console.output(f"{address}/v1")

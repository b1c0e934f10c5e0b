"""`llmkit ask`: a question in, an answer with quotes out of web pages and files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmkit.cli import files, options, progress
from llmkit.errors import InputError, LlmkitError
from llmkit.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from rich.text import Text

    from llmkit.chains import Answer, Citation, QAChain

NOT_FOUND = "The text does not say."


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.", show_default=False)],
    *,
    url: Annotated[list[str] | None, typer.Option(help="A web page to read; may be repeated.")] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="A text file, or - for standard input; may be repeated.")
    ] = None,
    style: Annotated[
        Literal["extractive", "abstractive"],
        typer.Option(help="extractive: a phrase of the text; abstractive: a written sentence, with quotes."),
    ] = "extractive",
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Give no answer that is less likely to be right.")
    ] = None,
    embedder: Annotated[
        bool,
        typer.Option(
            "--embedder/--no-embedder",
            help="Find sentences by their sense too, with a second small model.",
            show_default=False,
        ),
    ] = False,
    allow_private: options.AllowPrivate = False,
    ignore_robots: options.IgnoreRobots = False,
    model: options.Model = DEFAULT_MODEL,
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Answer a question from web pages or files.

    Below the answer are the sentences that say so, and where they stand.

    \b
    llmkit ask "Who built the lighthouse?" --url https://example.com/lighthouse
    llmkit ask "What was decided?" --file minutes.txt --file letter.txt
    cat notes.txt | llmkit ask "Who is invited?" --file - --json
    """
    _check(question, [*(url or []), *(file or [])])
    files.check_output(output, *(file or []))
    options.ModelOptions(model).check(quiet=quiet)
    fetching = {"allow_private": allow_private, "respect_robots": not ignore_robots}
    own = _files(file or [], quiet=quiet)
    documents = [*_pages(url or [], fetching, needed=not own, quiet=quiet), *own]
    chain = _chain(model, embedder=embedder, quiet=quiet, style=style, min_confidence=min_confidence)
    with progress.waiting("reading", quiet=quiet):
        answer = chain.invoke({"question": question, "context": documents})
    told = json.dumps(answer.model_dump(mode="json"), ensure_ascii=False) if as_json else ""
    files.write(told or shown(answer, documents, colour=output is None and _has_colour()), output)


def _check(question: str, sources: list[str]) -> None:
    """Tell what is missing before anything is read."""
    if not question.strip():
        raise InputError("the question is empty")
    if not sources:
        raise InputError("there is nothing to read: give --url or --file, or --file - for standard input")


def _chain(model: str, *, embedder: bool, quiet: bool, **chosen: Any) -> QAChain:
    from llmkit.models import DEFAULT_EMBEDDER
    from llmkit.models.embeddings import default_embedder
    from llmkit.models.weights.catalog import resolve

    llm = options.ModelOptions(model).load(quiet=quiet)
    with progress.hushed(quiet):
        if embedder:
            resolve(DEFAULT_EMBEDDER)  # a download has a bar of its own
        with progress.waiting(f"loading {DEFAULT_EMBEDDER if embedder else ''}".strip()):
            from llmkit.chains import QAChain

            return QAChain(llm, default_embedder() if embedder else None, **chosen)


def shown(answer: Answer, documents: list[Document], *, colour: bool) -> str:
    """Give the answer and what it stands on."""
    from rich.console import Console
    from rich.text import Text

    if not answer.found:
        return NOT_FOUND
    lines = [Text(answer.text, style="bold"), *evidence(answer, documents)]
    console = Console(force_terminal=colour, soft_wrap=True, highlight=False, markup=False)
    with console.capture() as caught:
        for line in lines:
            console.print(line)
    return caught.get().rstrip("\n")


def evidence(answer: Answer, documents: list[Document]) -> list[Text]:
    """Give how sure an answer is, then each sentence that it stands on, the answer in it marked, and where that is."""
    from rich.text import Text

    lines = [Text(f"confidence {answer.confidence:.0%}", style="dim")]
    for each in answer.citations:
        lines += [Text(), Text("  ").append_text(_quote(each, documents)), Text(f"  {_place(each)}", style="dim")]
    return lines


def _has_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _quote(citation: Citation, documents: list[Document]) -> Text:
    """The sentence in one line; its answer stands out, where there is colour."""
    from rich.text import Text

    if citation.answer_start is None or citation.answer_end is None:
        return Text(f"“{_one_line(citation.quote)}”")
    text = documents[citation.document].page_content
    parts = (
        text[citation.start : citation.answer_start],
        text[citation.answer_start : citation.answer_end],
        text[citation.answer_end : citation.end],
    )
    before, answer, after = map(_one_line, parts)
    return Text("“").append(before).append(answer, style="bold reverse").append(f"{after}”")


def _one_line(text: str) -> str:
    """White space within is one space; that at the ends stays as one."""
    words = " ".join(text.split())
    return f"{' ' * text[:1].isspace()}{words}{' ' * (text[-1:].isspace() and bool(words))}"


def _place(citation: Citation) -> str:
    return f"characters {citation.start} to {citation.end} of {citation.link or citation.source}"


def _pages(urls: list[str], fetching: dict[str, Any], *, needed: bool, quiet: bool) -> list[Document]:
    """Fetch the pages; one that does not come is told of, and is an error only if there is nothing else to read."""
    from llmkit.web import fetch

    found: list[Document] = []
    failed: list[LlmkitError] = []
    for url in urls:
        try:
            with progress.waiting(f"reading {url}", quiet=quiet):
                found.append(fetch(url, **fetching))
        except LlmkitError as error:
            failed.append(error)
    if failed and needed and not found:
        raise failed[0]
    if not quiet:
        for each in failed:
            typer.echo(f"note: {' '.join(str(each).split())}", err=True)
    return found


def _files(names: list[str], *, quiet: bool) -> list[Document]:
    from langchain_core.documents import Document

    return [
        Document(
            files.read_text(name, quiet=quiet),
            metadata={"source": "standard input" if name == "-" else str(Path(name))},
        )
        for name in names
    ]

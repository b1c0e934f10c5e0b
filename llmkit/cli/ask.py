"""`llmkit ask`: the answer to a question, with quotes from web pages and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmkit.cli import console, files, hints
from llmkit.cli.labelled_files import LabelledRow, examples_help, read_labelled
from llmkit.cli.learning import CalibrationOptions, guarantee_facts
from llmkit.cli.option_groups import FetchOptions, ModelOptions, OutputOptions, with_option_groups
from llmkit.cli.option_names import as_typed
from llmkit.errors import InputError, LlmkitError
from llmkit.models import DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from rich.text import Text

    from llmkit.chains import Answer
    from llmkit.chains.qa.saving import SavedQA


@dataclass(frozen=True)
class SourceOptions:
    """What is read."""

    url: Annotated[list[str] | None, typer.Option(metavar="URL", help="A web page to read; may be repeated.")] = None
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A file with text, or - for standard input; may be repeated."),
    ] = None

    def check(self) -> None:
        """Check that there is something to read, and that files and pages are given as what they are."""
        names, urls = self.file or [], self.url or []
        if names.count("-") > 1:
            raise InputError("--file - is given twice, but standard input can be read only once")
        if not names and not urls:
            raise InputError("there is nothing to read: give --url or --file, or --file - for standard input")
        for name in names:
            hints.check_file(name, lambda page: f"use --url {page}")
        for page in urls:
            hints.check_url(page, "--file")


@dataclass(frozen=True)
class AnswerOptions:
    """How the question is answered."""

    style: Annotated[
        Literal["extractive", "abstractive"] | None,
        typer.Option(
            help="extractive: a phrase of the text; abstractive: in the model's words, with quotes.",
            show_default="extractive",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            max=1,
            help="Answer only if the answer is right with at least this probability.",
            show_default="0.3, 0.7 for yes and no, 0 with other models",
        ),
    ] = None
    embedder: Annotated[
        bool | None,
        typer.Option(
            "--embedder/--no-embedder",
            help="Find sentences by meaning too, with a second small model.",
            show_default="if it was fetched before",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="How many sentences the model reads closely.", show_default="3"),
    ] = None
    max_answer_words: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="The most words of an extractive answer.", show_default="8"),
    ] = None
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=examples_help('{"input": "a text", "question": "…", "output": "…"}')),
    ] = None

    def arguments(self, examples: list[LabelledRow]) -> dict[str, Any]:
        """Return the arguments of the chain that are plain data, with the examples that were read."""
        given = {name: value for name, value in vars(self).items() if name != "embedder" and value is not None}
        return {**given, "examples": examples}

    def find_embedder(self) -> Any:
        """Return the embedder as the chain takes it; one that was asked for is fetched."""
        if not self.embedder:
            return "auto" if self.embedder is None else None
        with console.progress(f"loading {DEFAULT_EMBEDDER}"):
            from llmkit.models import default_embedder

            return default_embedder()


@dataclass(frozen=True)
class QuestionCalibrationOptions(CalibrationOptions):
    """Labelled questions to calibrate with."""

    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Fit confidence and threshold to labelled questions, at least 30, in a file like --examples; "
            "the output is null, or empty in a table, where the text has no answer.",
        ),
    ] = None


@with_option_groups()
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question.", show_default=False)],
    *,
    sources: SourceOptions,
    fetching: FetchOptions,
    answering: AnswerOptions,
    calibration: QuestionCalibrationOptions,
    model: ModelOptions,
    output: OutputOptions,
) -> None:
    """Answer a question from web pages and files.

    The input is any number of web pages (--url) and files (--file): text, saved pages, e-mails, subtitles or PDFs.
    Below the answer are the sentences that support it, and where they are.

    \b
    Examples:
      llmkit ask "Who built the lighthouse?" --url https://example.com/lighthouse
      llmkit ask "What was decided?" --file minutes.txt --file letter.txt
      cat notes.txt | llmkit ask "Who is invited?" --file - --json
      llmkit ask "Who comes?" --file notes.txt --embedder    also by meaning
      llmkit ask "Who comes?" --file notes.txt --top-k 5     read more sentences
      llmkit ask "Who comes?" --file notes.txt --threshold 0.6    only if it is likely right
      llmkit ask "Who comes?" --file notes.txt --output a.csv    a quote a row
      llmkit ask "Who comes?" --file notes.txt --calibrate solved.jsonl \\
        --error 0.3 --save fitted    only if at most 30 % of such are wrong
      llmkit ask "Who comes?" --file notes.txt --load fitted
    """
    from llmkit.chains.qa.inputs import parse_question

    question = parse_question({"question": question})
    sources.check()
    read_saved(answering, calibration)
    names = sources.file or []
    destination = output.destination(*names, answering.examples, calibration.calibrate)
    examples, rows = read_labelled(answering.examples, "question"), _read_rows(calibration)
    texts = [document for name in names for document in files.load(name)]
    model.check()  # what is wrong until here is said before anything is fetched
    pages, unread = _fetch_pages(sources.url or [], required=not names, **fetching.arguments())
    documents = pages + texts
    chain = _load_chain(answering, calibration, model, examples)
    learned = _calibrate(chain, rows, calibration, as_json=output.as_json)
    if calibration.save is not None:
        chain.save(calibration.save)
    with console.progress("answering"):
        answer = chain.invoke({"question": question, "context": documents})
    fields = {**answer.model_dump(mode="json"), **learned, "unread": unread}
    destination.write("ask", fields, shown(answer, documents))
    if unread:
        raise typer.Exit(1)


def read_saved(answering: AnswerOptions, calibration: CalibrationOptions) -> SavedQA | None:
    """Return the chain that is to be loaded, if any; check that no option contradicts what was saved."""
    if calibration.load is None:
        return None
    from llmkit.chains.qa.saving import SavedQA
    from llmkit.chains.saving import read_chain, validate_embedder_given

    saved, _ = read_chain(calibration.load, SavedQA)
    calibration.refuse_saved(**{name: value for name, value in vars(answering).items() if name != "embedder"})
    if answering.embedder is not None:
        validate_embedder_given(saved=saved.has_embedder, given=answering.embedder)
    return saved


def _load_chain(
    answering: AnswerOptions, calibration: CalibrationOptions, model: ModelOptions, examples: list[LabelledRow]
) -> Any:
    embedder = {"embedder": answering.find_embedder()}
    if calibration.load is not None:
        return model.load_chain("QAChain.load", {"folder": calibration.load, **embedder})
    return model.load_chain("QAChain", answering.arguments(examples) | embedder)


def _read_rows(calibration: CalibrationOptions) -> list[dict[str, Any]]:
    """Return the labelled questions to calibrate with; an empty output, or null, is that the text has no answer."""
    rows = read_labelled(calibration.calibrate, "question", text_output=False)
    for row in rows:
        if row["output"] is not None and not isinstance(row["output"], str):
            raise InputError(
                f'{row.place} has the "output" {row["output"]!r:.80}, but must have a text, or null for none'
            )
    calibration.check(rows)
    return [
        {"question": row["question"], "context": row["input"], "answer": (row["output"] or "").strip() or None}
        for row in rows
    ]


def _calibrate(
    chain: Any, rows: list[dict[str, Any]], calibration: CalibrationOptions, *, as_json: bool
) -> dict[str, Any]:
    """Calibrate the chain with labelled questions; return what that did, as fields of `--json`."""
    if not rows:
        return {}
    with console.progress("calibrating"):
        report = chain.calibrate(rows, **calibration.targets())
    facts = guarantee_facts(report.guarantee)
    if not facts:
        note = f"calibrated with {len(rows)} questions: threshold {report.threshold:.2f}"
        facts = {"rows": len(rows), "threshold": report.threshold, "note": note}
    if not as_json:
        console.note(facts["note"])
    return {"calibration": facts}


def shown(answer: Answer, documents: list[Document]) -> list[Text]:
    """Return the lines of the answer with its confidence and citations, as a terminal shows them."""
    from rich.text import Text

    from llmkit.chains.qa.results import NEITHER_YES_NOR_NO, NOT_FOUND

    if not answer.found and not answer.citations:
        return [Text(NOT_FOUND)]
    head = Text(answer.text, style="bold") if answer.found else Text(NEITHER_YES_NOR_NO)
    return [head, *citation_lines(answer, documents)]


def citation_lines(answer: Answer, documents: list[Document]) -> list[Text]:
    """Return the confidence of an answer, then each sentence that supports it and where that is.

    A sentence is one line, with the answer in it highlighted.
    """
    from rich.text import Text

    lines = [Text(f"confidence {answer.confidence:.0%}", style="dim")] if answer.found else []
    for citation in answer.citations:
        quote = Text(f"  “{' '.join(citation.quote.split())}”")
        found = documents[citation.document].page_content[citation.answer_start or 0 : citation.answer_end or 0]
        if found:
            quote.highlight_words([" ".join(found.split())], style="bold reverse")
        page = documents[citation.document].metadata.get("page_label")
        place = f"page {page} of {citation.source}" if page else citation.link or citation.source
        where = f"  characters {citation.start} to {citation.end} of {place}"
        lines += [Text(), quote, Text(where, style="dim")]
    return lines


def _fetch_pages(urls: list[str], *, required: bool, **fetching: Any) -> tuple[list[Document], list[dict[str, str]]]:
    """Fetch pages; return them, and the sources that could not be read, with the error of each.

    It is an error if a page is required and none was fetched.
    """
    from llmkit.web import fetch

    pages, failures = list[Any](), dict[str, LlmkitError]()
    for url in urls:
        try:
            with console.progress(f"reading {url}"):
                pages.append(fetch(url, **fetching))
        except LlmkitError as error:
            failures[url] = error
    if failures and required and not pages:
        first, *others = failures.values()
        for failure in others:
            console.warning(str(failure))
        raise first
    for failure in failures.values():
        console.warning(f"{failure}; the answer is without it")
    return pages, [{"source": url, "error": as_typed(str(error))} for url, error in failures.items()]

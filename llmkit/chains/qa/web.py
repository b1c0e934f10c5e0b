"""Question answering about web pages: they are fetched safely, and the citations link to their sentences."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

from langchain_core.embeddings import Embeddings
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from llmkit.chains.base import Chain, apply_to_good, attempt
from llmkit.chains.qa.chain import QAChain
from llmkit.chains.qa.inputs import QuestionInput, parse_question
from llmkit.chains.qa.results import Answer
from llmkit.errors import InputError, LlmkitError
from llmkit.web import fetch
from llmkit.web.urls import validate_url

MAX_THREADS = 4
"""Pages that are fetched at the same time."""


class WebQAInput(QuestionInput):
    """The input of a chain that fetches web pages."""

    url: Annotated[str | list[str], Field(description="The URL of a web page, or a list of URLs.")]


class WebQAChain(Chain[Mapping[str, Any], tuple[str, list[str]], Answer]):
    """Answers questions about web pages: `{"question": …, "url": a URL or a list of them}` in, `Answer` out.

    All pages of a question must be available. They are cached as their servers allow, and a second question about one
    is cheap. The citations link to the quoted sentences.

    Example:
        >>> chain = WebQAChain(HuggingFaceChat())
        >>> chain.invoke({"question": "When was it built?", "url": "https://example.com/lighthouse"}).text
        '1821'

    Args:
        fetch_options: arguments of `llmkit.web.fetch`, such as `{"allow_private": True}`.
        llm, embedder, qa_options: as for `QAChain`, all but `retriever`.

    Attributes:
        qa: the chain that answers from the fetched pages; calibrate that one.

    Raises:
        InputError: an argument or an input is wrong, or a URL is refused.
        PageError: a page cannot be fetched, or is empty.
    """

    tool_name = "ask_web_page"
    tool_description = "Answer a question from web pages, with verbatim quotes and links to them."
    tool_input = WebQAInput

    def __init__(
        self,
        llm: Any,
        embedder: Embeddings | str | None = "auto",
        *,
        fetch_options: Mapping[str, Any] | None = None,
        **qa_options: Any,
    ) -> None:
        self.fetch_options = dict(fetch_options or {})
        if unknown := self.fetch_options.keys() - (inspect.signature(fetch).parameters.keys() - {"url"}):
            raise InputError(f"fetch_options has {', '.join(sorted(unknown))}, but llmkit.web.fetch has no such option")
        known = inspect.signature(QAChain).parameters.keys() - {"llm", "embedder", "retriever"}
        if unknown := qa_options.keys() - known:
            raise InputError(f"there is no option {', '.join(sorted(unknown))}: it has {', '.join(sorted(known))}")
        self.qa = QAChain(llm, embedder, **qa_options)

    def prepare(self, input: Mapping[str, Any]) -> tuple[str, list[str]]:
        """Check the question, and return it with the normalized URLs."""
        question, urls = parse_question(input, "url"), input["url"]
        urls = [urls] if isinstance(urls, str) else urls
        if not isinstance(urls, list | tuple) or not urls:
            raise InputError(f"url is {urls!r}, but must be a URL or a list of URLs")
        return question, [validate_url(url) for url in urls]

    def run(
        self, prepared: Sequence[tuple[str, list[str]]], configs: Sequence[RunnableConfig]
    ) -> list[Answer | Exception]:
        """Fetch every page once, then answer all questions together."""
        all_urls = list(dict.fromkeys(url for _, urls in prepared for url in urls))
        with ThreadPoolExecutor(MAX_THREADS) as pool:
            found = pool.map(partial(attempt, partial(fetch, **self.fetch_options)), all_urls)
            pages = dict(zip(all_urls, found, strict=True))
        rows = [
            next((page for url in urls if isinstance(page := pages[url], LlmkitError)), None)
            or ({"question": question, "context": [pages[url] for url in urls]}, config)
            for (question, urls), config in zip(prepared, configs, strict=True)
        ]
        return apply_to_good(self._answer, rows)

    def _answer(self, rows: list[tuple[dict[str, Any], RunnableConfig]]) -> list[Answer]:
        inputs, configs = zip(*rows, strict=True)
        return self.qa.batch(inputs, list(configs), return_exceptions=True)

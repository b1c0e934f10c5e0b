"""Questions about web pages: each page is fetched with care, and answered from with citations that lead into it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.chains.base import Chain
from llmkit.chains.qa.chain import QAChain
from llmkit.chains.qa.inputs import question_and
from llmkit.chains.qa.results import Answer
from llmkit.errors import InputError, LlmkitError
from llmkit.web import fetch
from llmkit.web.urls import checked

AT_ONCE = 4
"""So many pages are fetched at a time."""
_T = TypeVar("_T")


class WebQAChain(Chain[Mapping[str, Any], tuple[str, list[str]], Answer]):
    """`{"question": …, "url": a URL or a list of them}` in, `Answer` out; its citations link to their places.

    Example:
        >>> chain = WebQAChain(HuggingFaceChat())
        >>> chain.invoke({"question": "When was it built?", "url": "https://example.com/lighthouse"}).text
        '1821'

    All pages of a question must come. They are kept on disk as their servers allow, and what was read of one is kept
    too, so that a second question is cheap.

    Args:
        llm: as for `QAChain`.
        embedder: as for `QAChain`.
        fetching: arguments of `llmkit.web.fetch`, such as `{"allow_private": True}`.
        **answering: arguments of `QAChain`.

    Raises:
        InputError: the input is not as above, the question is empty, or a URL is refused.
        PageError: a page does not come, or is empty.
    """

    def __init__(
        self,
        llm: Runnable[Any, Any],
        embedder: Embeddings | None = None,
        *,
        fetching: Mapping[str, Any] | None = None,
        **answering: Any,
    ) -> None:
        self.answering = QAChain(llm, embedder, **answering)
        self.fetching = dict(fetching or {})
        if unknown := self.fetching.keys() - inspect.signature(fetch).parameters.keys() - {"url"}:
            raise InputError(f"fetching has {', '.join(sorted(unknown))}, which is no argument of llmkit.web.fetch")

    def prepare(self, input: Mapping[str, Any]) -> tuple[str, list[str]]:
        """Check the question and its URLs."""
        return _checked(input)

    def run(
        self, prepared: Sequence[tuple[str, list[str]]], configs: Sequence[RunnableConfig]
    ) -> list[Answer | Exception]:
        """Fetch every page once, then answer all questions together."""
        urls = list(dict.fromkeys(url for _, own in prepared for url in own))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            fetched = pool.map(lambda url: _attempt(lambda: fetch(url, **self.fetching)), urls)
            pages = dict(zip(urls, fetched, strict=True))
        read = [_given(*each, pages) for each in prepared]
        pairs = [(each, config) for each, config in zip(read, configs, strict=True) if isinstance(each, dict)]
        answers = iter(self.answering._prepare_and_run(*map(list, zip(*pairs, strict=True))) if pairs else ())
        return [next(answers) if isinstance(each, dict) else each for each in read]


def _checked(given: Any) -> tuple[str, list[str]]:
    """The question, and the URLs as they are requested."""
    question, urls = question_and("url", given)
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list | tuple) or not urls:
        raise InputError(f"url is {urls!r}, but must be a URL or a list of URLs")
    return question, [checked(url) for url in urls]


def _given(question: str, urls: Sequence[str], pages: Mapping[str, Document | LlmkitError]) -> Any:
    """What is answered from: the question with its pages, or the error of the first that did not come."""
    context = [pages[url] for url in urls]
    failed = (each for each in context if isinstance(each, LlmkitError))
    return next(failed, {"question": question, "context": context})


def _attempt(act: Callable[..., _T], *given: Any) -> _T | LlmkitError:
    try:
        return act(*given)
    except LlmkitError as error:
        return error

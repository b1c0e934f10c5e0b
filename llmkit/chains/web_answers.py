"""Questions about web pages: each page is fetched with care, and answered from with citations that lead into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import Runnable, RunnableConfig

from llmkit.chains.answers import Answer
from llmkit.chains.chain import Chain
from llmkit.chains.question_answering import QAChain
from llmkit.errors import InputError, LlmkitError
from llmkit.web import fetch

AT_ONCE = 4
"""So many pages are fetched at a time."""


class WebQAChain(Chain[Mapping[str, Any], Answer]):
    """`{"question": …, "url": a URL or a list of them}` in, `Answer` out; its citations link to their place in the page.

    Example:
        >>> chain = WebQAChain(HuggingFaceChat())
        >>> chain.invoke({"question": "When was it built?", "url": "https://example.com/lighthouse"}).text
        '1821'

    Pages are kept on disk as their servers allow, and what was read of one is kept too, so that a second question is
    cheap.

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

    def run(self, inputs: Sequence[Mapping[str, Any]], configs: Sequence[RunnableConfig]) -> list[Answer | Exception]:
        """Fetch all pages, then answer all questions together."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            read = list(pool.map(self._read, inputs))
        pairs = [(each, config) for each, config in zip(read, configs, strict=True) if isinstance(each, dict)]
        answers = iter(self.answering.run(*map(list, zip(*pairs, strict=True))) if pairs else ())
        return [next(answers) if isinstance(each, dict) else each for each in read]

    def _read(self, given: Any) -> dict[str, Any] | Exception:
        try:
            if not isinstance(given, Mapping) or set(given) != {"question", "url"}:
                told = sorted(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
                raise InputError(f"the input is {told}, but must be a dictionary with the keys 'question' and 'url'")
            question, urls = given["question"], given["url"]
            if not isinstance(question, str) or not question.strip():
                raise InputError("the question is empty")
            return {"question": question, "context": self._documents([urls] if isinstance(urls, str) else urls)}
        except LlmkitError as error:
            return error

    def _documents(self, urls: Any) -> list[Document]:
        if not isinstance(urls, Sequence) or not urls:
            raise InputError(f"url is {urls!r}, but must be a URL or a list of URLs")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda url: fetch(url, **self.fetching), urls))

"""Large texts, many labels and special files for the chains and `llmkit.files`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.hostile.attempts import Attempt

_SENTENCE = "The boat to Norway leaves at nine, and Anna Berg of Bergen wrote {} letters. "


def attempts() -> Iterator[Attempt]:
    """Yield the attempts, which share a loaded model."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each attempt is a fork
    import torch

    torch.set_num_threads(1)
    from llmkit import HuggingFaceChat
    from llmkit.chains import NERChain, QAChain, SummarizationChain, ZeroShotClassificationChain

    llm = HuggingFaceChat()
    for chain in (ZeroShotClassificationChain(llm, ["a", "b"]), NERChain(llm), SummarizationChain(llm)):
        chain.invoke("A boat.")  # what is loaded and measured at the first use is not that of an attempt

    def classify(labels: list[str], text: str) -> object:
        return ZeroShotClassificationChain(llm, labels).invoke(text)

    texts = {"10 MB of sentences": _text(10_000_000), "10 MB without a space": "x" * 10_000_000}
    for name, text in texts.items():
        question = {"question": "Who wrote the letters?", "context": text}
        yield Attempt(f"classify: {name}", partial(classify, ["sports", "politics"], text))
        yield Attempt(f"entities: {name}", partial(NERChain(llm).invoke, text))
        yield Attempt(f"summarize: {name}", partial(SummarizationChain(llm).invoke, text))
        yield Attempt(f"ask: {name}", partial(QAChain(llm).invoke, question))
        yield Attempt(f"a prompt: {name}", partial(llm.invoke, text))
    for labels in (_numbered(500), _numbered(2000), _numbered(5000), ["x" * 10_000, "b"], ["word " * 5000, "b"]):
        name = f"{len(labels)} labels, the first of {len(labels[0])} characters"
        yield Attempt(name, partial(classify, labels, "The match ended."))
    yield from _files()


def _text(size: int) -> str:
    sentences, length = list[str](), 0
    while length < size:
        sentences.append(_SENTENCE.format(len(sentences)))
        length += len(sentences[-1])
    return "".join(sentences)


def _numbered(count: int) -> list[str]:
    return [f"label {number}" for number in range(count)]


def _files() -> Iterator[Attempt]:
    from llmkit.files import load

    def pipe(*, writes_after: float | None) -> str:
        os.mkfifo("pipe")
        if writes_after is not None:
            threading.Thread(target=_write, args=(Path("pipe").absolute(), writes_after), daemon=True).start()
        return first_text("pipe")

    def first_text(path: str) -> str:
        return load(path)[0].page_content[:100]

    yield Attempt("a pipe without a writer", partial(pipe, writes_after=None))
    yield Attempt("a pipe whose writer comes late", partial(pipe, writes_after=1))
    for device in ("/dev/zero", "/dev/null", "/dev/urandom", "/dev/full"):
        yield Attempt(device, partial(first_text, device))
    for name, data in {"NUL bytes": b"\0" * 1000, "a folder": None, "UTF-16 cut": b"\xff\xfea"}.items():
        yield Attempt(f"a file: {name}", partial(_load_new, data))


def _write(path: Path, after: float) -> None:
    time.sleep(after)
    path.write_text("The boat leaves at nine.")


def _load_new(data: bytes | None) -> str:
    from llmkit.files import load

    path = Path("file")
    path.mkdir() if data is None else path.write_bytes(data)
    return load(path)[0].page_content

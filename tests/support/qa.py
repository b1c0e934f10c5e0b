"""A text, QA chains on tiny models, and a check of citations, for the tests of question answering."""

from typing import Any

from llmkit.chains import Answer, QAChain
from tests.support.models import chat, completion

LIGHTHOUSE = (
    "The old lighthouse at Karn stands on a cliff above the sea. The engineer Maria Holm built it in 1874, after two "
    "ships had sunk in one winter. The lamp burned oil for many years. Today the tower is a small hotel with six rooms."
)
MODELS = {"llama": chat, "mistral": chat, "t5": chat, "gpt2": completion}


def tiny_chain(name: str = "llama", **options: Any) -> QAChain:
    return QAChain(
        MODELS[name](name), **{"embedder": None, "threshold": 0, "top_k": 2, "max_answer_words": 3, **options}
    )


def qa_input(context: Any, question: str = "Who built it?") -> dict[str, Any]:
    return {"question": question, "context": context}


def quotes_match(answer: Answer, texts: list[str]) -> bool:
    """Return whether each quote is at its offsets and has the answer in it, and each answer has a quote."""
    for citation in answer.citations:
        text = texts[citation.document]
        if text[citation.start : citation.end] != citation.quote:
            return False
        if answer.method == "spans" and (
            text[citation.answer_start : citation.answer_end] != answer.text or answer.text not in citation.quote
        ):
            return False
    return 0 <= answer.confidence <= 1 and answer.found == bool(answer.text) == bool(answer.citations)

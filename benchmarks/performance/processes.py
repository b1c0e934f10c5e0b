"""Whole processes: time to the first token, and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec

from benchmarks.performance.results import Comparison, RunOptions, Variants
from llmkit.models.weights.catalog import resolve

BARE = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
ids = tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}], add_generation_prompt=True,
                                    return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**ids, max_new_tokens=1, do_sample=False)[0][-1:]), flush=True)
"""
CHAT = [sys.executable, "-m", "llmkit", "chat", "--temperature", "0"]
LOADED = "import torch\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\nAutoModelForCausalLM"
PEAK = """
import sys
from llmkit import HuggingFaceChat
llm = HuggingFaceChat(model=sys.argv[1], quantization=sys.argv[2] or None, temperature=0, max_new_tokens=32)
for question in ("Tell me about foxes.", "And about owls?"):
    llm.invoke(question)
from llmkit.models.weights.quantization import weights_nbytes
print(weights_nbytes(llm.engine.loaded.model) / 2**20)
"""


def start(run_options: RunOptions) -> Comparison:
    """Time the first token of a new process."""

    def bare() -> float:
        return first_output([sys.executable, "-c", BARE, str(resolve(run_options.model))], "")

    def ours() -> float:
        return first_output([*CHAT, "--model", run_options.model], "Hello\n")

    def help_() -> float:
        return first_output([sys.executable, "-m", "llmkit", "--help"], "")

    def models() -> float:
        return first_output([sys.executable, "-m", "llmkit", "models"], "")

    variants = Variants(
        {"a bare script": bare, "llmkit chat": ours, "llmkit --help": help_, "llmkit models": models},
    )
    return Comparison(
        "Start-up time",
        "seconds",
        variants.measure(run_options.rounds),
        "a bare script",
        "The bare script imports torch and transformers, loads the same safetensors and decodes one token.",
        more_is_better=False,
    )


def first_output(command: list[str], stdin_text: str) -> float:
    """Return the seconds until a process has written its first byte."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin_text.encode())
        process.stdin.close()
        if not os.read(process.stdout.fileno(), 1):
            raise RuntimeError(f"{command[:4]} wrote nothing")
        seconds = time.perf_counter() - started
        process.kill()
    return seconds


def memory(run_options: RunOptions) -> Comparison:
    """Return the peak resident size of processes that answer two questions."""
    notes = []
    found = {
        "torch and transformers imported": [peak(LOADED)[0]],
        "a bare script": [peak(BARE, str(resolve(run_options.model)))[0]],
    }
    for name, quantization in {"llmkit, bfloat16": "", "llmkit, int8": "int8"}.items():
        if quantization and find_spec("torchao") is None:
            notes.append(f"{name} was not measured: torchao is not installed.")
            continue
        peak_size, size = peak(PEAK, run_options.model, quantization)
        found[name] = [peak_size]
        times = (peak_size - found["torch and transformers imported"][0]) / float(size)
        notes.append(f"{name}: weights of {float(size):.0f} MiB; {times:.2f} times that above the imports.")
    return Comparison(
        "Peak memory",
        "MiB resident",
        found,
        "torch and transformers imported",
        "Two questions to a chat model; the bare script decodes one token with transformers alone. The pages of the "
        "weights' files count as they are read.",
        more_is_better=False,
        notes=notes,
    )


def peak(code: str, *arguments: str) -> tuple[float, str]:
    """Return the peak resident size of a Python process in MiB, and the last word that it printed."""
    # getrusage would include the memory of the parent process.
    code += "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    process = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    *before, last = process.stdout.split()
    return float(last) / 1024, before[-1] if before else ""

"""What a model server of a known program answers, in its wire format, over the engine of a model of this process.

The log-probabilities are those of `prompt_computer`, not of the scorer that the tests compare with. Each format is
that of the program's documentation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from llmkit import HuggingFaceChat
from tests.support.prompt_computer import Computer

WINDOW = 8192
_MESSAGES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


class Refused(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class ModelServer:
    """One server.

    Attributes:
        program: "vllm", "old vllm", "sglang", "llama.cpp", "llama-cpp-python" or "transformers".
        requests: the path and the body of each request, in order.
        before: functions of path, body and handler, called first; one that returns true has answered itself.
        changed: changes an answer, by path.
    """

    def __init__(self, llm: HuggingFaceChat, program: str, name: str, computer: Computer | None = None) -> None:
        self.llm, self.program, self.name = llm, program, name
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.before: list[Callable[[str, dict[str, Any], Any], bool]] = []
        self.changed: Callable[[str, Any], Any] = lambda path, answer: answer
        self.window, self.key, self.url = WINDOW, "", ""
        self.most_probs, self.tells_window = 10**9, True
        self._computer = computer or Computer(llm)

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/v1/models":
            return {"object": "list", "data": [self._entry()]}
        if path == "/v1/chat/completions":
            return self._chat(body)
        answered = getattr(self, f"_{self.program.replace(' ', '_').replace('.', '_').replace('-', '_')}")(path, body)
        if answered is None:
            raise Refused(404, "Not Found")
        return self.changed(path, answered)

    def _entry(self) -> dict[str, Any]:
        facts: dict[str, dict[str, Any]] = {
            "vllm": {"owned_by": "vllm", "max_model_len": self.window * self.tells_window, "root": self.name},
            "old vllm": {"owned_by": "vllm", "max_model_len": self.window * self.tells_window, "root": self.name},
            "sglang": {"owned_by": "sglang", "max_model_len": self.window * self.tells_window, "root": self.name},
            "llama.cpp": {"owned_by": "llamacpp", "aliases": [], "meta": {"n_ctx_train": 8192}},
            "llama-cpp-python": {"owned_by": "me", "permissions": []},
            "transformers": {"owned_by": "hf-internal"},
        }
        return {"id": self.name, "object": "model", **facts[self.program]}

    def _vllm(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/tokenize":
            return self._tokens_of(body["prompt"])
        if path != "/v1/completions":
            return None
        prompt = self._checked(body["prompt"])
        computed = self._computer.compute(prompt)
        if body.get("echo"):
            return _completion({"token_logprobs": [*computed.given, float(computed.row.max())]}, len(prompt))
        ids = body.get("logprob_token_ids", [])
        if len(ids) > 128:
            raise Refused(400, "logprob_token_ids has more than 128 ids")
        if self.program == "old vllm":  # which knows no logprob_token_ids
            ids = []
        top = {f"token_id:{token}": float(computed.row[token]) for token in (computed.best, *ids)}
        return _completion({"tokens": [f"token_id:{computed.best}"], "top_logprobs": [top]}, len(prompt))

    _old_vllm = _vllm

    def _sglang(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/tokenize":
            return self._tokens_of(body["prompt"])
        if path != "/generate":
            return None
        answers = []
        for prompt, ids in zip(body["input_ids"], body["token_ids_logprob"], strict=True):
            computed = self._computer.compute(self._checked(prompt))
            row, best = computed.row, computed.best
            listed = [[float(row[token]), token, None] for token in ids]
            meta = {
                "output_token_logprobs": [[float(row[best]), best, None]],
                "output_token_ids_logprobs": [listed],
            }
            answers.append({"text": "", "meta_info": meta})
        return answers

    def _llama_cpp(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/props":
            return {"default_generation_settings": {"n_ctx": self.window}}
        if path == "/tokenize":
            return {"tokens": self._tokens_of(body.get("content", ""))["tokens"]}
        if path == "/v1/completions":
            return {"choices": [{"text": "", "index": 0, "logprobs": None}]}
        if path != "/completion":
            return None
        computed = self._computer.compute(self._checked(body["prompt"]))
        row = computed.row
        chosen = body["logit_bias"][0][0] if "logit_bias" in body else computed.best
        if "�" in self.llm.engine.loaded.tokenizer.decode([chosen]):
            return {"completion_probabilities": []}
        order = np.argsort(-row)[: min(body["n_probs"], self.most_probs)]
        top = [{"id": int(token), "token": "", "bytes": [], "logprob": float(row[token])} for token in order]
        return {"completion_probabilities": [{"id": chosen, "logprob": float(row[chosen]), "top_logprobs": top}]}

    def _llama_cpp_python(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/extras/tokenize":
            return {"tokens": self._encode(body["input"])}
        if path != "/v1/completions":
            return None
        if not isinstance(body["prompt"], str):
            raise Refused(422, "Input should be a valid string")
        tokens = self._encode(body["prompt"])
        if len(tokens) >= self.window:
            raise Refused(400, f"This model's maximum context length is {self.window} tokens, however …")
        if not body.get("echo"):
            return _completion(None, len(tokens))
        computed, bos = self._computer.compute(tokens), self.llm.engine.loaded.bos_token_id
        if tokens[0] == bos:
            listed: list[Any] = [value for token, value in zip(tokens, computed.given, strict=True) if token != bos]
            listed.append(float(computed.row.max()))
        else:  # one place off, as there
            listed = [*computed.given[1:], float(computed.row.max()), 0.0]
        return _completion({"token_logprobs": [None, *listed[1:]]}, len(tokens))

    def _transformers(self, path: str, body: dict[str, Any]) -> Any:
        if path != "/v1/completions":
            return None
        return {"choices": [{"text": " seven", "index": 0, "logprobs": None, "finish_reason": "length"}]}

    def _checked(self, tokens: Sequence[int]) -> list[int]:
        if len(tokens) + 1 > self.window:
            raise Refused(400, f"This model's maximum context length is {self.window} tokens")
        if max(tokens) >= self.llm.engine.loaded.vocab_size:
            raise Refused(400, f"Token id {max(tokens)} is out of vocabulary")
        return list(tokens)

    def _encode(self, text: str) -> list[int]:
        return list(self.llm.engine.loaded.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _tokens_of(self, text: str) -> dict[str, Any]:
        tokens = self._encode(text)
        return {"tokens": tokens, "count": len(tokens), "max_model_len": self.window}

    def _chat(self, body: dict[str, Any]) -> Any:
        messages = [_MESSAGES[message["role"]](message["content"]) for message in body["messages"]]
        options = {name: body[name] for name in ("max_tokens", "stop", "presence_penalty") if name in body}
        if "response_format" in body:
            options["response_format"] = body["response_format"]
        found = self.llm.invoke(messages, temperature=0, **options)
        usage = found.usage_metadata
        counts = {"prompt_tokens": usage["input_tokens"], "completion_tokens": usage["output_tokens"]}
        message = {"role": "assistant", "content": found.text}
        choice = {"index": 0, "message": message, "finish_reason": found.response_metadata["finish_reason"]}
        if body.get("stream"):
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": self.name}
            parts = [found.text[:3], found.text[3:]]
            deltas = [{"role": "assistant", "content": part} for part in parts]
            events = [{**chunk, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
            events.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
            return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        shown = {"id": "1", "object": "chat.completion", "created": 0, "model": self.name, "choices": [choice]}
        return {**shown, "usage": {**counts, "total_tokens": usage["total_tokens"]}}


def _completion(logprobs: Any, prompt_tokens: int) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 1, "total_tokens": prompt_tokens + 1}
    return {"choices": [{"index": 0, "text": "", "logprobs": logprobs}], "usage": usage}

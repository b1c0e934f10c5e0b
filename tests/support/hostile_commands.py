"""Command lines for each command of llmkit in which names, texts, labels, pages and answers are hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.hostile import EVIL, save_conversation, save_model

_CONTENT = "{% for message in messages %}{{ message.content }}{% endfor %}"
FAILING = _CONTENT + "{{ raise_exception('" + EVIL.replace("\\", "\\\\") + "') }}"


class World(NamedTuple):
    """A folder with hostile files, a hostile model and one whose chat template fails, and a URL of hostile answers."""

    folder: Path
    model: str
    failing: str
    file: str
    url: str

    @property
    def page(self) -> list[str]:
        """Return the options for the page."""
        return ["--url", self.url, "--allow-private", "--ignore-robots"]

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a command."""
        return {"LLMKIT_DATA": str(self.folder / "data"), "LLMKIT_CONFIG": self._config("seed = 1"), **more}

    def _config(self, content: str, name: str = "config.toml") -> str:
        (self.folder / name).write_text(content, encoding="utf-8")
        return str(self.folder / name)

    def config(self, key: str, value: object) -> dict[str, str]:
        """Return the variables of a command with this setting in its file, whose name is hostile."""
        return self.environment(LLMKIT_CONFIG=self._config(f"{_toml(key)} = {_toml(value)}", f"{EVIL}.toml"))

    def input(self, name: str, content: str) -> str:
        """Write a file, and return its path."""
        (self.folder / name).write_text(content, encoding="utf-8", newline="")
        return str(self.folder / name)


def _toml(value: object) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")


def make_world(folder: Path, url: str = "http://127.0.0.1:1/page") -> World:
    """Write the files of a world."""
    model = str(save_model(folder / EVIL))
    save_conversation(folder / "data" / "conversations", "evil", model)
    file = folder / f"{EVIL}.txt"
    file.write_text(f"Maria Holm {EVIL} built it.\nThe lift {EVIL} is repaired.", encoding="utf-8")
    return World(folder, model, str(save_model(folder / f"failing {EVIL}", template=FAILING)), str(file), url)


ROW = json.dumps({"input": "a", "output": EVIL})
Attempt = tuple[Callable[[World], list[str]], str, Callable[[World], dict[str, str]]]


def _attempt(
    arguments: Callable[[World], list[str]],
    stdin: str = "",
    environment: Callable[[World], dict[str, str]] = World.environment,
) -> Attempt:
    return arguments, stdin, environment


def _compare(world: World) -> list[str]:
    rows = world.input(f"{EVIL}.jsonl", json.dumps({"text": EVIL, "right": EVIL}) + "\n")
    head = {"task": "generate", "data": rows, "input": "text", "reference": "right", "metrics": ["exact_match"]}
    cell = {"model": world.model, "prompt": "none", "max_new_tokens": 2}
    plan = "".join(f"{name} = {_toml(value)}\n" for name, value in {**head, **cell}.items())
    return ["compare", world.input(f"{EVIL}.toml", plan), "--output", str(world.folder / f"{EVIL} runs")]


def _batch(world: World, command: str, *options: str) -> list[str]:
    return [
        "batch",
        command,
        world.input(f"{EVIL}.jsonl", f"{EVIL}\n"),
        "--output",
        str(world.folder / f"{EVIL} out"),
        *options,
    ]


CHAT = "\n".join(
    [
        "Hello",
        "/file",
        *(f"/{name}" for name in ("show", "list", "tokens", "system", "model", "save", "help", "retry", "continue")),
        *(
            f"/{name} {EVIL.replace(chr(13), '')}"
            for name in ("file", "url", "model", "save", "load", "set", "set stop", "export", "detach", "system")
        ),
        *(f"/{name} {EVIL.replace(chr(13), '')}" for name in ("help", "edit", "list", EVIL)),
        "/set temperature " + EVIL.replace("\r", ""),
        "/show",
        "/undo",
    ]
)
"""Lines of a chat: its commands, with and without hostile arguments."""

QUICK: dict[str, Attempt] = {
    "a command": _attempt(lambda world: [EVIL]),
    "an option": _attempt(lambda world: ["chat", f"--{EVIL}"]),
    "a value": _attempt(lambda world: ["chat", "--temperature", EVIL]),
    "too many arguments": _attempt(lambda world: ["ask", "a", EVIL, EVIL]),
    "a traceback": _attempt(lambda world: ["--debug", "summarize", f"{world.file}x"]),
    "config: a value": _attempt(lambda world: ["config"], "", lambda world: world.config("model", EVIL)),
    "config: a key": _attempt(lambda world: ["config"], "", lambda world: world.config(EVIL, 1)),
    "config: a wrong value": _attempt(lambda world: ["models"], "", lambda world: world.config("seed", EVIL)),
    "config: JSON": _attempt(lambda world: ["config", "--json"], "", lambda world: world.config("model", EVIL)),
    "config: the environment": _attempt(
        lambda world: ["config"], "", lambda world: world.environment(LLMKIT_SEED=EVIL, LLMKIT_MODEL=EVIL)
    ),
    "config path": _attempt(lambda world: ["config", "path"], "", lambda world: world.config("seed", 1)),
    "models": _attempt(lambda world: ["models", EVIL]),
    "models show": _attempt(lambda world: ["models", "show", world.model]),
    "models show: JSON": _attempt(lambda world: ["models", "show", world.model, "--json"]),
    "models show: no model": _attempt(lambda world: ["models", "show", f"no {EVIL}"]),
    "models pull": _attempt(lambda world: ["models", "pull", world.model]),
    "models pull: no model": _attempt(lambda world: ["models", "pull", f"{EVIL}/x"]),
    "models pull: no GGUF file": _attempt(lambda world: ["models", "pull", world.input(f"{EVIL}.gguf", EVIL)]),
    "models remove": _attempt(lambda world: ["models", "remove", EVIL]),
    "prompts": _attempt(lambda world: ["prompts", EVIL]),
    "prompts show": _attempt(lambda world: ["prompts", "show", EVIL]),
    "summarize: no file": _attempt(lambda world: ["summarize", EVIL]),
    "summarize: an output": _attempt(lambda world: ["summarize", world.file, "--output", f"no {EVIL}/x"]),
    "summarize: examples": _attempt(
        lambda world: ["summarize", world.file, "--examples", world.input(f"{EVIL}.csv", f"{EVIL},b\n")]
    ),
    "summarize: no model": _attempt(lambda world: ["summarize", world.file, "--model", f"no {EVIL}"]),
    "classify: one label": _attempt(lambda world: ["classify", world.file, "--labels", EVIL]),
    "classify: two labels": _attempt(lambda world: ["classify", world.file, "--labels", f"{EVIL};{EVIL}"]),
    "classify: equal labels": _attempt(lambda world: ["classify", world.file, "--labels", f"{EVIL},{EVIL}"]),
    "classify: an unknown label": _attempt(
        lambda world: ["classify", "--labels", "a,b", "--examples", world.input(f"{EVIL}.jsonl", ROW)]
    ),
    "classify: descriptions": _attempt(
        lambda world: ["classify", "--labels", "a,b", "--descriptions", f"{EVIL}=x", "--descriptions", f"{EVIL}=y"]
    ),
    "entities: a label": _attempt(
        lambda world: ["entities", "--labels", "a", "--examples", world.input(f"{EVIL}.jsonl", ROW)]
    ),
    "classify: a saved chain": _attempt(lambda world: ["classify", world.file, "--load", EVIL]),
    "entities: a saved chain": _attempt(lambda world: ["entities", world.file, "--load", EVIL]),
    "ask: a saved chain": _attempt(lambda world: ["ask", "Who?", "--file", world.file, "--load", EVIL]),
    "ask: a file": _attempt(lambda world: ["ask", "Who?", "--file", EVIL]),
    "ask: a URL": _attempt(lambda world: ["ask", "Who?", "--url", EVIL, "--url", f"https://{EVIL}"]),
    "ask: a page": _attempt(
        lambda world: ["ask", "Who?", "--url", world.url, "--allow-private", "--ignore-robots", "--model", world.model]
    ),
    "serve: a host": _attempt(lambda world: ["serve", "--host", EVIL]),
    "serve: an origin": _attempt(lambda world: ["serve", "--allow-origin", EVIL]),
    "serve: a model": _attempt(lambda world: ["serve", "--port", "0", "--model", world.model, "--model", f"no {EVIL}"]),
    "serve: names": _attempt(
        lambda world: ["serve", "--port", "0", *("--model", "a", "--name", EVIL), *("--model", "b", "--name", EVIL)]
    ),
    "batch classify": _attempt(lambda world: _batch(world, "classify", "--labels", "a,b")),
    "batch entities": _attempt(lambda world: _batch(world, "entities")),
    "batch summarize": _attempt(lambda world: _batch(world, "summarize")),
    "batch ask": _attempt(lambda world: _batch(world, "ask", "--question", "Who?")),
    "batch": _attempt(lambda world: ["batch", EVIL]),
    "compare": _attempt(_compare),
    "chat: a conversation": _attempt(lambda world: ["chat", "--load", EVIL]),
    "chat: no model": _attempt(lambda world: ["chat", "Hi", "--model", f"no {EVIL}"]),
    "chat: a command": _attempt(lambda world: ["chat", f"/undo {EVIL}"]),
    "chat: a server": _attempt(lambda world: ["chat", "Hi", "--base-url", f"http://{EVIL}"]),
}
"""Attempts that end before a model is loaded."""

WITH_MODEL: dict[str, Attempt] = {
    "summarize": _attempt(lambda world: ["summarize", world.file, "--model", world.model]),
    "summarize: JSON": _attempt(lambda world: ["summarize", world.file, "--model", world.model, "--json"]),
    "summarize: candidates": _attempt(
        lambda world: ["summarize", world.file, "--model", world.model, "--candidates", "3"]
    ),
    "summarize: lines": _attempt(lambda world: ["summarize", "-", "--model", world.model, "--lines"], f"{EVIL}\n"),
    "summarize: the budget": _attempt(lambda world: ["summarize", world.file, "--model", world.model, "--explain"]),
    "summarize: a chat template": _attempt(lambda world: ["summarize", world.file, "--model", world.failing]),
    "classify": _attempt(
        lambda world: ["classify", world.file, "--labels", f"{EVIL} a,{EVIL} b", "--model", world.model]
    ),
    "classify: JSON": _attempt(
        lambda world: ["classify", world.file, "--labels", f"{EVIL} a,b", "--model", world.model, "--json"]
    ),
    "classify: lines": _attempt(
        lambda world: ["classify", "-", "--labels", f"{EVIL} a,b", "--model", world.model, "--lines"],
        json.dumps({"text": EVIL, "id": EVIL}) + "\n" + '{"text": "\\u0000", "id": "' + "\x9b" + '"}\n',
    ),
    "entities": _attempt(
        lambda world: [
            *("entities", world.file, "--labels", f"{EVIL} a,b", "--model", world.model),
            *("--any-words", "--threshold", "0"),
        ]
    ),
    "entities: JSON": _attempt(
        lambda world: ["entities", world.file, "--threshold", "0", "--model", world.model, "--json"]
    ),
    "ask": _attempt(lambda world: ["ask", "Who built it?", "--file", world.file, "--model", world.model]),
    "ask: in words": _attempt(
        lambda world: [
            *("ask", "Who built it?", "--file", world.file, "--model", world.model, "--style", "abstractive"),
            *world.page,
        ]
    ),
    "ask: JSON": _attempt(
        lambda world: [
            *("ask", "Who built it?", "--file", world.file, "--model", world.model, "--json"),
            *world.page,
        ]
    ),
    "chat: a message": _attempt(lambda world: ["chat", EVIL, "--model", world.model]),
    "chat: a chat template": _attempt(lambda world: ["chat", EVIL, "--model", world.failing, "--debug"]),
    "chat: lines": _attempt(lambda world: ["chat", "--load", "evil", *world.page[2:]], CHAT),
}
"""Attempts that use a model."""

ATTEMPTS = QUICK | WITH_MODEL
WITHOUT_HOSTILE_TEXT = {"ask: a page", "ask: a URL", "summarize: the budget"}
"""Attempts whose output has no hostile text: `fetch` replaces control characters, and a budget has only numbers."""

STATUS_LINE = b"HTTP/1.1 503 " + EVIL.replace("\r", "").encode() + b"\r\nContent-Length: 0\r\n\r\n"
LOCATION = b"HTTP/1.1 302 x\r\nLocation: ftp://" + EVIL.replace("\r", "").encode() + b"\r\nContent-Length: 0\r\n\r\n"
KIND = b"HTTP/1.1 200 x\r\nContent-Type: " + EVIL.replace("\r", "").encode() + b"\r\nContent-Length: 1\r\n\r\nx"
ENCODING = b"HTTP/1.1 200 x\r\nContent-Encoding: \x1b]0;evil\x07\x9b1m\r\nContent-Length: 1\r\n\r\nx"
_BODY = f"<title>{EVIL}</title><h1>{EVIL}</h1><p>Maria Holm built it. {EVIL} &#27;[77;7H &#x9b;77;7H</p>".encode()
PAGE = b"HTTP/1.1 200 x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
ANSWERS = {"status line": STATUS_LINE, "location": LOCATION, "kind": KIND, "encoding": ENCODING, "page": PAGE}
"""What a hostile server sends."""

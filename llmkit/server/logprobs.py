"""Log-probabilities in the two layouts of OpenAI's API: that of chat completions, and that of completions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llmkit.errors import ConstraintError
from llmkit.models.generation.completion import TokenLogprob
from llmkit.models.generation.engine import Engine
from llmkit.models.tokens.detokenizer import Detokenizer


class TokenNames:
    """How answers name the tokens of a model.

    Args:
        engine: of the model.
        as_ids: by `token_id:7` in place of the token's text, as vLLM does where it is asked to.
    """

    def __init__(self, engine: Engine, *, as_ids: bool = False) -> None:
        self._engine, self._as_ids = engine, as_ids
        self._known: dict[int, tuple[str, bytes]] = {}

    def name(self, token: int) -> str:
        r"""Return what a token is called; one that is no whole character as `bytes:\xe2\x82`, as OpenAI has it."""
        return f"token_id:{token}" if self._as_ids else self._text(token)[0]

    def written(self, token: int) -> bytes:
        """Return the bytes that a token writes."""
        return self._text(token)[1]

    def _text(self, token: int) -> tuple[str, bytes]:
        if token not in self._known:
            written = self._bytes(token)
            try:
                self._known[token] = written.decode(), written
            except UnicodeDecodeError:
                self._known[token] = "bytes:" + "".join(f"\\x{byte:02x}" for byte in written), written
        return self._known[token]

    def _bytes(self, token: int) -> bytes:
        try:
            if (written := self._engine.constraints.token_bytes(token)) is not None:
                return written
        except ConstraintError:  # of a tokenizer whose bytes are not known
            pass
        return str(self._engine.loaded.tokenizer.decode([token], skip_special_tokens=False)).encode()


def chat_logprobs(scores: Iterable[TokenLogprob], names: TokenNames) -> dict[str, Any]:
    """Return log-probabilities as a chat completion has them; tokens asked for by id follow the likeliest ones."""

    def entry(token: int, value: float) -> dict[str, Any]:
        return {"token": names.name(token), "logprob": value, "bytes": list(names.written(token))}

    return {
        "content": [
            {**entry(one.token_id, one.logprob), "top_logprobs": [entry(*pair) for pair in (*one.top, *one.asked)]}
            for one in scores
        ],
        "refusal": None,
    }


def completion_logprobs(
    tokens: Sequence[int], scores: Sequence[TokenLogprob | None], names: TokenNames, offsets: Sequence[int]
) -> dict[str, Any]:
    """Return log-probabilities as a completion has them.

    Args:
        tokens: of the text.
        scores: of each; `None` for the first of a prompt.
        names: how tokens are named.
        offsets: where the text of each begins, in characters.
    """
    return {
        "tokens": [names.name(token) for token in tokens],
        "token_logprobs": [one and one.logprob for one in scores],
        "top_logprobs": [one and _by_name(one, names) for one in scores],
        "text_offset": list(offsets),
    }


def _by_name(score: TokenLogprob, names: TokenNames) -> dict[str, float]:
    """Return the likeliest tokens, the chosen one and those asked for; of tokens with one name, the likeliest."""
    pairs = sorted({*score.top, *score.asked, (score.token_id, score.logprob)}, key=lambda pair: -pair[1])
    found: dict[str, float] = {}
    for token, value in pairs:
        found.setdefault(names.name(token), value)
    return found


class TextOffsets:
    """Where the text of each token begins, in characters, token after token; special tokens have no text.

    Args:
        engine: of the model.
        start: where the first one begins.
        context: the tokens before it, which its text may depend on.
    """

    def __init__(self, engine: Engine, start: int = 0, context: Sequence[int] = ()) -> None:
        self._detokenizer, self._place = Detokenizer(engine.loaded.tokenizer, (), context), start

    def of(self, tokens: Sequence[int]) -> list[int]:
        """Return the offsets of the next tokens."""
        found = []
        for token in tokens:
            found.append(self._place)
            self._place += len(self._detokenizer.push(token))
        return found

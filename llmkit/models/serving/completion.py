"""A served model as a LangChain completion model: plain text in, its continuation out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from langchain_core.language_models import BaseLLM, LanguageModelInput
from langchain_core.outputs import Generation, LLMResult

from llmkit.errors import ServerUnusable
from llmkit.models.serving.adapters import Exactness
from llmkit.models.tokens.chat_template import Layout
from llmkit.models.tokens.turns import messages_to_text

_OPTIONS = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "max_tokens", "extra_body")


class ServedCompletion(BaseLLM):
    """Plain completion by a served model, as `HuggingFaceLLM` is by a model of this process.

    Attributes:
        chat: the chat model, with the server, the tokenizer and the settings.
    """

    chat: Any

    @property
    def _llm_type(self) -> str:
        return "llmkit-served-completion"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"base_url": self.chat.openai_api_base, **self.chat._identifying_params}

    @property
    def model_name(self) -> str:
        """The server's name of the model."""
        return str(self.chat.model_name)

    @property
    def exactness(self) -> Exactness:
        """As that of the chat model, but "none" where the server tells scores only of prompts in chat markup."""
        exactness: Exactness = "none" if self.refusal else self.chat.exactness
        return exactness

    @property
    def refusal(self) -> str:
        """Why the server tells no scores after plain text; empty if it does."""
        adapter = self.chat.connection.adapter
        return adapter.reason_against(self._encode("a")) if adapter else str(self.chat.refusal)

    @property
    def context_window(self) -> int | None:
        """As that of the chat model."""
        window: int | None = self.chat.context_window
        return window

    @property
    def layout(self) -> Layout:
        """As that of the chat model."""
        layout: Layout = self.chat.layout
        return layout

    def get_token_ids(self, text: str) -> list[int]:
        """Return the model's own tokens of plain text, without start or end tokens."""
        tokens: list[int] = self.chat.get_token_ids(text)
        return tokens

    def get_num_tokens_from_messages(
        self, messages: LanguageModelInput, tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Count the tokens that the model receives for an input of `invoke`."""
        return len(self._encode(messages)) if messages else 0

    def encode_ahead(self, inputs: Sequence[LanguageModelInput], texts: Sequence[str] = ()) -> None:
        """Encode plain texts that will soon be counted, in few calls."""
        self.chat.encoder.encode_ahead((), {}, texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the half-open range of characters of `text` that each of its tokens covers."""
        offsets: list[tuple[int, int]] = self.chat.token_offsets(text)
        return offsets

    def score(
        self, inputs: Sequence[LanguageModelInput], continuations: Sequence[Any], *, include_eos: bool = False
    ) -> npt.NDArray[np.float64] | list[npt.NDArray[np.float64]]:
        """Compute log-likelihoods as `HuggingFaceLLM.score` does, by the server; see `ScoringModel.score`."""
        scores: npt.NDArray[np.float64] = self.chat.score_prompts(
            self._encode, inputs, continuations, include_eos, is_completion=True
        )
        return scores

    def require_scores(self) -> None:
        """Check, before any work, that there are scores; see `ScoringModel.require_scores`."""
        self.chat.require_scores()
        if self.refusal:
            raise ServerUnusable(self.refusal)

    def _encode(self, given: LanguageModelInput) -> list[int]:
        text = given if isinstance(given, str) else messages_to_text(self._convert_input(given).to_messages())
        tokens: list[int] = self.chat.encoder.encode_text(text)
        return tokens

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        from llmkit.models.serving.address import without_password
        from llmkit.models.serving.openai_errors import served_errors

        chat = self.chat
        given = {name: getattr(chat, name) for name in _OPTIONS if getattr(chat, name) is not None}
        options = {**given, **kwargs, **({"stop": stop} if stop else {})}
        texts = []
        with served_errors(without_password(str(chat.openai_api_base))):
            for prompt in prompts:
                found = chat.root_client.completions.create(model=chat.model_name, prompt=prompt, **options)
                texts.append([Generation(text=choice.text) for choice in found.choices])
        return LLMResult(generations=texts)

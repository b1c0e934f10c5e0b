"""The languages of a translation model, as its tokenizer names them.

Each language has a token. NLLB, mBART, M2M100 and PLBart have that of the source before or behind the source, and that
of the target before the translation. MADLAD and multilingual Marian models have only that of the target, before the
source. See the pages of these models in https://huggingface.co/docs/transformers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from llmkit.errors import SettingsError

_TOKEN = re.compile(
    r"(?P<plain>[a-z]{2,3}_[A-Z][A-Za-z]{1,4}|[a-z]{2,3}_[A-Z]{2})"  # eng_Latn, en_XX
    r"|__(?P<marked>[a-z]{2,10}(?:_[A-Za-z]{2,4})?)__"  # __en__, __java__
    r"|<2(?P<madlad>\w+)>|>>(?P<marian>\w+)<<"
)
_SHOWN = 12


class Languages:
    """The language tokens of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """The ids of the language tokens by their codes, such as `fra_Latn`, `fr_XX` and `fr`."""
        return {code: token for code, (token, _) in self._tokens.items()}

    @cached_property
    def are_before_source(self) -> bool:
        """Whether the token of the target language comes before the source."""
        return any(before for _, before in self._tokens.values())

    @cached_property
    def _tokens(self) -> dict[str, tuple[int, bool]]:
        """Return the id of each code, and whether it is put before the source."""
        found = {}
        for token_id, token in self._tokenizer.added_tokens_decoder.items():
            if match := _TOKEN.fullmatch(token.content):
                code = next(filter(None, match.groups()))
                found[code] = (token_id, bool(match["madlad"] or match["marian"]))
        for code, token in (getattr(self._tokenizer, "lang_code_to_token", None) or {}).items():
            found.setdefault(code, (self._tokenizer.convert_tokens_to_ids(token), False))
        return dict(sorted(found.items()))

    def id_of(self, setting: str, name: str) -> int:
        """Return the token of a language; `name` is its code, or the beginning of only one code, such as `fr`.

        Raises:
            SettingsError: the tokenizer has no languages, or not this one.
        """
        if not self.ids:
            raise SettingsError(
                f"{setting} is {name!r}, but this model's tokenizer has no languages: leave it out, or say in the "
                "prompt what to translate"
            )
        if match := _TOKEN.fullmatch(name):  # the token itself, such as __fr__
            name = next(filter(None, match.groups()))
        wanted = name.casefold().replace("-", "_")
        exact = [code for code in self.ids if code.casefold() == wanted]
        near = exact or [code for code in self.ids if code.casefold().startswith(f"{wanted}_")]
        if len(near) == 1:
            return self.ids[near[0]]
        language = [code for code in self.ids if code.casefold().partition("_")[0] == wanted.partition("_")[0]]
        language = language or [code for code in self.ids if code.casefold().startswith(wanted[:2])]
        codes = near or language or difflib.get_close_matches(name, self.ids, n=3) or list(self.ids)
        more = f" and {len(codes) - _SHOWN} more" if len(codes) > _SHOWN else ""
        hint = "is one of" if near else "did you mean" if len(codes) < len(self.ids) else "the languages are"
        raise SettingsError(
            f"{setting} is {name!r}, which this model does not have: {hint} {', '.join(codes[:_SHOWN])}{more}"
        )

    def put_into_prompt(self, tokens: Sequence[int], source: str | None, target: str | None) -> list[int]:
        """Return the tokens of a source text with those of its languages, as far as they belong there."""
        prompt = list(tokens)
        if source is not None:
            wanted, known = self.id_of("source_language", source), set(self.ids.values())
            places = [place for place, token in enumerate(prompt) if token in known]
            if not places or self.are_before_source:
                raise SettingsError(
                    f"source_language is {source!r}, but this model's tokenizer adds no token for it: leave it out"
                )
            for place in places:
                prompt[place] = wanted
        if target is not None and self.are_before_source:
            prompt.insert(0, self.id_of("target_language", target))
        return prompt

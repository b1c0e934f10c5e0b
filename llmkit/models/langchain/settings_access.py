"""Generation settings as attributes and configurable fields of a model, beside its `settings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import ConfigurableField, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.configurable import RunnableConfigurableFields, make_options_spec
from langchain_core.runnables.utils import AnyConfigurableField, ConfigurableFieldSpec, get_unique_config_specs
from pydantic.fields import FieldInfo

from llmkit.errors import SettingsError
from llmkit.models.generation.settings import NAMES, GenerationSettings

_ALIASES = {"max_tokens": "max_new_tokens"}


def _setting(name: str) -> Any:
    def read(self: Any) -> Any:
        return getattr(self.settings, name)

    def write(self: Any, value: Any) -> None:
        self.settings = self.settings.override(**{name: value})

    return property(read, write, doc=f"The generation setting `{name}`.")


class SettingsAccess:
    """The generation settings of a model as its attributes; see `GenerationSettings`."""

    max_new_tokens = _setting("max_new_tokens")
    max_tokens = _setting("max_new_tokens")
    min_new_tokens = _setting("min_new_tokens")
    temperature = _setting("temperature")
    top_k = _setting("top_k")
    top_p = _setting("top_p")
    min_p = _setting("min_p")
    typical_p = _setting("typical_p")
    repetition_penalty = _setting("repetition_penalty")
    no_repeat_ngram_size = _setting("no_repeat_ngram_size")
    num_beams = _setting("num_beams")
    length_penalty = _setting("length_penalty")
    stop = _setting("stop")
    seed = _setting("seed")
    n = _setting("n")
    presence_penalty = _setting("presence_penalty")
    frequency_penalty = _setting("frequency_penalty")
    source_language = _setting("source_language")
    target_language = _setting("target_language")
    forced_bos_token_id = _setting("forced_bos_token_id")

    @property
    def do_sample(self: Any) -> bool | None:
        """Whether tokens are drawn; `None` if the model's own defaults decide."""
        drawn: bool | None = self.settings.sampled
        return drawn

    @do_sample.setter
    def do_sample(self: Any, value: bool | None) -> None:
        self.settings = self.settings.override(do_sample=value)

    def configurable_fields(self: Any, **fields: AnyConfigurableField) -> Any:
        """Let a call's `config` choose fields of the model or generation settings: `temperature`, `max_tokens`, ….

        Args:
            fields: a `ConfigurableField` for each, as for LangChain's other models.

        Raises:
            SettingsError: there is no such field or setting.
        """
        return ConfigurableModel(default=self, fields={_known(self, name): field for name, field in fields.items()})


def _known(model: Any, name: str) -> str:
    name = _ALIASES.get(name, name)
    if name not in (*NAMES, "do_sample") and name not in type(model).model_fields:
        raise SettingsError(f"{name} is no field and no generation setting: the settings are {', '.join(NAMES)}")
    return name


class ConfigurableModel(RunnableConfigurableFields):  # type: ignore[type-arg]
    """A model with fields that a call's `config` chooses: each choice is a checked copy, which shares the engine."""

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The fields that `config` may choose."""
        known = {
            "do_sample": FieldInfo(annotation=bool | None),
            **GenerationSettings.model_fields,
            **type(self.default).model_fields,
        }
        specs = []
        for name, field in self.fields.items():
            if not isinstance(field, ConfigurableField):
                specs.append(make_options_spec(field, known[name].description))
                continue
            specs.append(
                ConfigurableFieldSpec(
                    id=field.id,
                    name=field.name,
                    description=field.description or known[name].description,
                    annotation=field.annotation or known[name].annotation,
                    default=getattr(self.default, name),
                    is_shared=field.is_shared,
                )
            )
        return get_unique_config_specs([*specs, *self.default.config_specs])

    def _prepare(self, config: RunnableConfig | None = None) -> tuple[Any, RunnableConfig]:
        config = ensure_config(config)
        chosen = {}
        given: Mapping[str, Any] = config.get("configurable", {})
        for name, field in self.fields.items():
            if isinstance(field, ConfigurableField):
                if field.id in given:
                    chosen[name] = given[field.id]
            elif isinstance(field.default, str):
                chosen[name] = _option(field, given.get(field.id) or field.default)
            else:
                chosen[name] = [_option(field, option) for option in given.get(field.id, field.default)]
        return (self.default.model_copy(update=chosen) if chosen else self.default), config


def _option(field: Any, key: Any) -> Any:
    """Return the value of an option, or raise `SettingsError`."""
    if key not in field.options:
        raise SettingsError(f"{field.id} is {key!r}, but must be one of {', '.join(map(str, field.options))}")
    return field.options[key]

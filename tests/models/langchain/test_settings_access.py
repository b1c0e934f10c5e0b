"""Generation settings are attributes of a model, and fields that a call's config may choose."""

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, ConfigurableFieldSingleOption

from llmkit import GenerationSettings, HuggingFaceChat
from llmkit.errors import SettingsError
from llmkit.models.generation.settings import NAMES
from tests.support.models import PROMPT, chat, completion

VALUES = {
    "max_new_tokens": 3,
    "min_new_tokens": 2,
    "temperature": 0.5,
    "top_k": 5,
    "top_p": 0.5,
    "min_p": 0.1,
    "typical_p": 0.9,
    "repetition_penalty": 1.3,
    "no_repeat_ngram_size": 2,
    "num_beams": 2,
    "length_penalty": 2.0,
    "stop": ("a",),
    "seed": 7,
    "n": 1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "source_language": "en",
    "target_language": "de",
    "forced_bos_token_id": 5,
}

makers = pytest.mark.parametrize("make", [chat, completion])


def tokens(llm, **config):
    answer = llm.with_config(configurable=config).invoke(PROMPT) if config else llm.invoke(PROMPT)
    return answer.usage_metadata["output_tokens"]


def test_every_setting_has_a_value_here():
    assert set(VALUES) == set(NAMES)


@makers
@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_an_attribute_and_configurable(make, name):
    llm = make("llama")
    assert getattr(llm, name) == getattr(llm.settings, name)
    assert getattr(llm.model_copy(update={name: VALUES[name]}), name) == VALUES[name]
    configurable = llm.configurable_fields(**{name: ConfigurableField(id="it")})
    chosen, _ = configurable.prepare({"configurable": {"it": VALUES[name]}})
    assert chosen.settings == llm.settings.override(**{name: VALUES[name]})
    assert chosen.engine is llm.engine
    [spec] = configurable.config_specs
    assert (spec.id, spec.default) == ("it", getattr(llm, name))
    setattr(llm, name, VALUES[name])
    assert getattr(llm.settings, name) == VALUES[name]


@makers
def test_a_call_chooses_its_settings(make):
    llm = make("llama", max_new_tokens=8).configurable_fields(max_tokens=ConfigurableField(id="limit"))
    assert len(llm.default.get_token_ids(str(llm.with_config(configurable={"limit": 2}).invoke(PROMPT)))) >= 1
    short, _ = llm.prepare({"configurable": {"limit": 2}})
    assert (short.max_tokens, short.max_new_tokens, llm.default.max_tokens) == (2, 2, 8)
    assert llm.batch([PROMPT] * 2, {"configurable": {"limit": 2}}) == [short.invoke(PROMPT)] * 2 or make is chat
    with pytest.raises(SettingsError, match="max_new_tokens is 0, but must be at least 1"):
        llm.invoke(PROMPT, {"configurable": {"limit": 0}})


def test_settings_are_chosen_through_a_chain_and_a_binding():
    llm = chat("llama", max_new_tokens=6).configurable_fields(
        max_new_tokens=ConfigurableField(id="limit"), timeout=ConfigurableField(id="seconds")
    )
    chain = ChatPromptTemplate.from_template("{x}") | llm
    config = {"configurable": {"limit": 2, "seconds": 60.0}}
    assert chain.invoke({"x": "Hi"}, config).usage_metadata["output_tokens"] == 2
    assert sum(chunk.usage_metadata is not None for chunk in chain.stream({"x": "Hi"}, config)) == 1
    bound = llm.bind(stop=["zzz"])
    assert bound.with_config(configurable={"limit": 3}).invoke("Hi").usage_metadata["output_tokens"] == 3


def test_all_settings_at_once_are_configurable():
    llm = chat("llama").configurable_fields(settings=ConfigurableField(id="settings"))
    assert tokens(llm, settings=GenerationSettings(max_new_tokens=3, temperature=0)) == 3


def test_a_field_with_options_is_configurable():
    options = ConfigurableFieldSingleOption(id="length", options={"short": 2, "long": 5}, default="short")
    llm = chat("llama").configurable_fields(max_tokens=options)
    assert tokens(llm) == 2
    assert tokens(llm, length="long") == 5
    with pytest.raises(SettingsError, match="length is 'middle', but must be one of short, long"):
        tokens(llm, length="middle")


def test_do_sample_is_an_attribute_and_configurable():
    llm = chat("llama", temperature=None)
    assert llm.do_sample is None
    configurable = llm.configurable_fields(do_sample=ConfigurableField(id="draw"))
    assert configurable.config_specs[0].default is None
    assert configurable.prepare({"configurable": {"draw": False}})[0].temperature == 0
    assert configurable.prepare({"configurable": {"draw": True}})[0].do_sample is True
    llm.do_sample = False
    assert (llm.do_sample, llm.temperature) == (False, 0)


def test_alternatives_are_models_and_settings():
    short, long = chat("llama", max_new_tokens=2), chat("llama", max_new_tokens=5)
    llm = short.configurable_alternatives(ConfigurableField(id="model"), default_key="short", long=long)
    assert (tokens(llm), tokens(llm, model="long")) == (2, 5)
    both = short.configurable_fields(max_tokens=ConfigurableField(id="limit")).configurable_alternatives(
        ConfigurableField(id="model"), default_key="short", long=long
    )
    assert tokens(both, limit=3) == 3


def test_what_is_no_setting_is_refused():
    llm = chat("llama")
    with pytest.raises(SettingsError, match="temprature is no field and no generation setting"):
        llm.configurable_fields(temprature=ConfigurableField(id="t"))
    with pytest.raises(SettingsError, match="temprature is no field and no generation setting"):
        llm.model_copy(update={"temprature": 1.0})
    with pytest.raises(SettingsError, match="temperature is -1"):
        llm.model_copy(update={"temperature": -1})
    with pytest.raises(SettingsError, match="temperature is -1"):
        llm.temperature = -1
    with pytest.raises(ValueError, match="timeout is -1"):
        llm.model_copy(update={"timeout": -1})


@pytest.mark.usefixtures("default_model_folder")
def test_copies_of_a_model_by_name_load_only_what_they_change():
    llm = HuggingFaceChat(max_new_tokens=2)
    assert llm.model_copy(update={"do_sample": True}).temperature == 1.0
    assert llm.model_copy(update={"model": llm.model}).engine is llm.engine
    narrow = llm.model_copy(update={"context_window": 256})
    assert (narrow.context_window, llm.context_window) == (256, 8192)
    assert narrow.engine.loaded.model is llm.engine.loaded.model, "the same weights"
    assert narrow.model_copy(update={"seed": 1}).context_window == 256

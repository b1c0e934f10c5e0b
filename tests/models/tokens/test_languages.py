"""Translation models translate from and into a language that is chosen by name, with the tokens that it needs."""

from functools import cache
from typing import Any

import pytest
import torch
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from llmkit import HuggingFaceChat, HuggingFaceLLM
from llmkit.errors import SettingsError
from llmkit.models.tokens.languages import Languages
from tests.support import tiny
from tests.support.models import chat, completion
from tests.support.tiny import _BART, _T5, build
from tests.support.tokenizers import unigram

TEXT = "The quick brown fox jumps over the lazy dog."
FAMILIES: dict[str, tuple[list[str], str, dict[str, Any]]] = {
    "MBart": (["en_XX", "ro_RO", "fr_XX"], "$A </s> en_XX", {}),
    "M2M100": (["__en__", "__ro__", "__fr__"], "__en__ $A </s>", {}),
    "PLBart": (["__java__", "__python__", "__en_XX__"], "$A </s> __java__", {"decoder_start_token_id": 6}),
    "T5": (["<2en>", "<2ro>", "<2fr>"], "$A </s>", {}),
}
NLLB: tuple[list[str], str, dict[str, Any]] = (["eng_Latn", "fra_Latn", "zho_Hans", "zho_Hant"], "eng_Latn $A </s>", {})


@cache
def translator(family: str) -> tuple[Any, PreTrainedTokenizerFast]:
    languages, template, values = NLLB if family == "NLLB" else FAMILIES[family]
    backend = unigram(["<s>", "<pad>", "</s>", "<unk>", *languages])
    named = [(name, backend.token_to_id(name)) for name in ("</s>", *languages)]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=named)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
        additional_special_tokens=languages,
    )
    class_name = "M2M100" if family == "NLLB" else family
    base = _T5 if class_name == "T5" else _BART
    model = build(class_name, tokenizer, {**base, **values}, "ForConditionalGeneration").double()
    return model, tokenizer


def llm_of(family: str, **options: Any) -> HuggingFaceLLM:
    model, tokenizer = translator(family)
    options = {"temperature": 0, "max_new_tokens": 10, "context_window": tiny.WINDOW, **options}
    return HuggingFaceLLM(model=model, tokenizer=tokenizer, **options)


def reference(family: str, text: str, source: str, target: str, **options: Any) -> str:
    """Return what transformers translates, with the tokens put where the model's documentation has them."""
    model, tokenizer = translator(family)
    languages = (NLLB if family == "NLLB" else FAMILIES[family])[0]
    ids = tokenizer(text).input_ids
    known: Any = tokenizer.convert_tokens_to_ids(languages)
    source_id, target_id = (tokenizer.convert_tokens_to_ids(name) for name in (source, target))
    if family == "T5":
        ids = [target_id, *ids]
    else:
        ids = [source_id if token in known else token for token in ids]
        name = "decoder_start_token_id" if family == "PLBart" else "forced_bos_token_id"
        options[name] = target_id
    rows = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=10, **options)
    return str(tokenizer.decode(rows[0], skip_special_tokens=True))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", [pytest.param("MBart", id="MBart"), *["M2M100", "PLBart", "NLLB"]])
def test_a_chosen_language_gives_the_translation_of_transformers(family: str, beams: int) -> None:
    languages = (NLLB if family == "NLLB" else FAMILIES[family])[0]
    codes = [name.strip("_") for name in languages]
    translations = set()
    for source, target in ((1, 2), (2, 1), (0, 2)):
        options: Any = {"source_language": codes[source], "target_language": codes[target], "num_beams": beams}
        expected = reference(family, TEXT, languages[source], languages[target], num_beams=beams)
        llm = llm_of(family)
        assert llm.invoke(TEXT, **options) == expected
        assert llm.batch([TEXT, "The dog"], **options)[0] == expected
        assert llm_of(family, **options).invoke(TEXT) == expected
        if beams == 1:
            assert "".join(llm.stream(TEXT, **options)) == expected
        translations.add(expected)
    assert len(translations) > 1


@pytest.mark.parametrize("setting", ["source_language", "target_language", "forced_bos_token_id"])
def test_a_setting_of_one_call_acts_like_a_setting_of_the_model(setting: str) -> None:
    code = "fr_XX"
    value: Any = translator("MBart")[1].convert_tokens_to_ids(code) if setting == "forced_bos_token_id" else code
    llm, fresh = llm_of("MBart"), llm_of("MBart", **{setting: value})
    before = llm.invoke(TEXT)
    assert llm.invoke(TEXT, **{setting: value}) == fresh.invoke(TEXT) == llm.bind(**{setting: value}).invoke(TEXT)
    assert llm.invoke(TEXT) == before
    if setting != "source_language":
        assert fresh.invoke(TEXT) != before


def test_a_target_token_before_the_source() -> None:
    llm = llm_of("T5")
    for code in ("ro", "fr"):
        assert llm.invoke(TEXT, target_language=code) == reference("T5", TEXT, "<2en>", f"<2{code}>")
    with pytest.raises(SettingsError, match="adds no token for it"):
        llm.invoke(TEXT, source_language="en")


def test_a_forced_first_token_in_a_call() -> None:
    llm, (model, tokenizer) = llm_of("MBart"), translator("MBart")
    for name in ("ro_RO", "fr_XX"):
        token = tokenizer.convert_tokens_to_ids(name)
        assert llm.invoke(TEXT, forced_bos_token_id=token) == llm.invoke(TEXT, target_language=name)
    assert model.generation_config.forced_bos_token_id is None, "the model is not changed"
    with pytest.raises(SettingsError, match="both set the first token"):
        llm.invoke(TEXT, forced_bos_token_id=5, target_language="ro_RO")
    with pytest.raises(SettingsError, match="forced_bos_token_id is 99999"):
        llm.invoke(TEXT, forced_bos_token_id=99999)


def test_languages_hold_for_scores_token_counts_and_constraints() -> None:
    llm = llm_of("MBart")
    french = llm_of("MBart", target_language="fr_XX", source_language="ro_RO")
    assert french.get_num_tokens_from_messages(TEXT) == llm.get_num_tokens_from_messages(TEXT)
    model, tokenizer = translator("MBart")
    ids = tokenizer(TEXT).input_ids
    ids[-1] = tokenizer.convert_tokens_to_ids("ro_RO")
    start = [2, tokenizer.convert_tokens_to_ids("fr_XX")]
    words = tokenizer("The dog", add_special_tokens=False).input_ids
    with torch.inference_mode():
        logits = model(torch.tensor([ids]), decoder_input_ids=torch.tensor([[*start, *words[:-1]]])).logits[0, 1:]
    expected = float(logits.log_softmax(-1)[range(len(words)), words].sum())
    assert french.score([TEXT], ["The dog"])[0][0] == pytest.approx(expected)
    form = {"type": "choice", "options": ["The dog", "the fox"]}
    assert french.invoke(TEXT, response_format=form) in form["options"]


@pytest.mark.parametrize(
    ("family", "name", "says"),
    [
        (
            "MBart",
            "Klingon",
            "'Klingon', which this model does not have: the languages are en_XX, fr_XX, ro_RO",
        ),
        ("MBart", "fr_FR", "did you mean fr_XX"),
        ("NLLB", "zho", "is one of zho_Hans, zho_Hant"),
        ("NLLB", "fr", "did you mean fra_Latn"),
        ("NLLB", "French", "did you mean fra_Latn"),
        ("MBart", "", "target_language is '', but must be text that is not empty"),
    ],
)
def test_an_unknown_language_raises_an_error_with_those_there_are(family: str, name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        llm_of(family).invoke(TEXT, target_language=name)


def test_the_beginning_of_only_one_code_is_enough() -> None:
    ids = Languages(translator("NLLB")[1])
    assert ids.id_of("target_language", "fra") == ids.id_of("target_language", "FRA-latn") == ids.ids["fra_Latn"]


@pytest.mark.parametrize(("family", "token", "code"), [("M2M100", "__fr__", "fr"), ("T5", "<2fr>", "fr")])
def test_the_token_of_a_language_is_its_name_too(family: str, token: str, code: str) -> None:
    languages = Languages(translator(family)[1])
    assert languages.id_of("target_language", token) == languages.id_of("target_language", code)


def test_models_without_languages_say_so() -> None:
    with pytest.raises(SettingsError, match="target_language is 'fr', but this model's tokenizer has no languages"):
        completion("t5").invoke(TEXT, target_language="fr")
    for setting in ({"source_language": "fr"}, {"target_language": "fr"}, {"forced_bos_token_id": 5}):
        with pytest.raises(SettingsError, match="is no encoder-decoder model"):
            chat("llama").invoke(TEXT, **setting)
    with pytest.raises(SettingsError, match="did you mean target_language"):
        HuggingFaceChat("no-such-model", tgt_lang="fr")

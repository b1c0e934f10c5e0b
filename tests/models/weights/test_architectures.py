"""Folders of models that generate no text are refused, with what they are for."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import BertConfig, LlamaConfig, PreTrainedConfig, RobertaConfig

from llmkit import HuggingFaceChat
from llmkit.errors import ModelUnusable
from llmkit.models.weights.loading import load
from tests.support import tiny

SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TYPES = {
    **{"bert": BertConfig, "roberta": RobertaConfig, "distilbert": transformers.DistilBertConfig},
    **{"electra": transformers.ElectraConfig, "modernbert": transformers.ModernBertConfig},
    **{"xlm-roberta": transformers.XLMRobertaConfig, "deberta": transformers.DebertaV2Config},
}


def save(folder: Path, model_class: Any, config: PreTrainedConfig) -> str:
    torch.manual_seed(0)
    config.vocab_size = len(tiny.make("llama").tokenizer)
    config.pad_token_id = 0
    for name in ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"):
        setattr(config, name, 1)
    model_class(config).save_pretrained(folder)
    tiny.make("llama").tokenizer.save_pretrained(folder)
    return str(folder)


def config_of(name: str, **options: Any) -> PreTrainedConfig:
    sizes = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 32} if name == "distilbert" else SIZES
    config: PreTrainedConfig = TYPES[name](**sizes, **options)
    return config


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize(
    ("auto_class", "use"),
    [
        ("AutoModelForMaskedLM", "HuggingFaceEncoder takes this one, and the chains"),
        ("AutoModelForSequenceClassification", "HuggingFaceEncoder takes this one, and the chains"),
        ("AutoModelForTokenClassification", "HuggingFaceEncoder takes this one, and the chains"),
        ("AutoModel", "HuggingFaceEncoder takes this one, if it is a sentence embedder"),
    ],
)
def test_an_encoder_is_refused_with_what_uses_it(tmp_path: Path, name: str, auto_class: str, use: str) -> None:
    config = config_of(name)
    folder = save(tmp_path, getattr(transformers, auto_class)._model_mapping[type(config)], config)
    with pytest.raises(ModelUnusable, match=r"has an? \w+, an encoder, which generates no text: choose .*ForCausalLM"):
        load(folder)
    with pytest.raises(ModelUnusable, match=use):
        HuggingFaceChat(folder).invoke("Hi")


@pytest.mark.parametrize("ending", ["SequenceClassification", "TokenClassification", "QuestionAnswering"])
def test_a_classifier_made_of_a_generator_is_refused(tmp_path: Path, ending: str) -> None:
    config = LlamaConfig(**SIZES, tie_word_embeddings=True)  # which transformers would load as a generator
    folder = save(tmp_path, getattr(transformers, f"LlamaFor{ending}"), config)
    with pytest.raises(ModelUnusable, match=f"has a LlamaFor{ending}, which generates no text: choose"):
        load(folder)


@pytest.mark.parametrize("name", ["bert", "roberta", "electra"])
def test_an_encoder_that_was_made_a_decoder_is_a_generator(tmp_path: Path, name: str) -> None:
    config = config_of(name, is_decoder=True)
    folder = save(tmp_path, transformers.AutoModelForCausalLM._model_mapping[type(config)], config)
    llm = HuggingFaceChat(folder, max_new_tokens=3, dtype="float32", context_window=64)
    assert llm.invoke("Hi").usage_metadata["output_tokens"] > 0
    model = copy.deepcopy(llm.engine.loaded.model)
    model.config.is_decoder = False
    with pytest.raises(ModelUnusable, match=r"the configuration of this .* has an? .*, an encoder, which generates"):
        HuggingFaceChat(model=model, tokenizer=tiny.make("llama").tokenizer)


@pytest.mark.parametrize("name", tiny.ARCHITECTURES)
def test_generators_are_not_refused(name: str) -> None:
    model, tokenizer = tiny.make(name)
    llm = HuggingFaceChat(model=model, tokenizer=tokenizer, max_new_tokens=1, context_window=tiny.WINDOW)
    assert llm.invoke("Hi").usage_metadata["output_tokens"] == 1

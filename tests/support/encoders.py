"""Tiny encoder-only models with every head, random or trained for a moment, and their tokenizers."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any, NamedTuple

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AddedToken, PreTrainedTokenizerFast

from llmkit.models import HuggingFaceEncoder
from tests.support.tokenizers import TEXT, bart_tokenizer, unigram

WINDOW = 128
_WITH_TYPES = ["input_ids", "token_type_ids", "attention_mask"]
LINES = (
    *TEXT,
    "The match ended three to two, and the team won the cup in London.",
    "Anna Berg founded Acme in Berlin, and Carl Lind works for Globex in Paris.",
    "This example is about sports. It is about politics. This example is science.",
    "The man and the woman work as a nurse, a judge, a clerk, a cook or a pilot.",
    "The election was won by the party, and the minister spoke to parliament.",
)
"""What the tokenizers are trained on."""


class TinyEncoder(NamedTuple):
    """A model with a head, and its tokenizer."""

    model: Any
    tokenizer: PreTrainedTokenizerFast

    def encoder(self, **options: Any) -> HuggingFaceEncoder:
        return HuggingFaceEncoder(self.model, tokenizer=self.tokenizer, **options)

    def pipeline(self, task: Any, **options: Any) -> Any:
        """Return transformers' pipeline over the model."""
        return transformers.pipeline(task, model=self.model, tokenizer=self.tokenizer, device="cpu", **options)


@cache
def wordpiece_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of BERT."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    found = sorted({word for line in LINES for word in re.findall(r"[a-z]+", line.lower())})
    pieces = [piece for word in found for piece in ([word] if len(word) < 6 else [word[:4], f"##{word[4:]}"])]
    signs = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    vocabulary = dict.fromkeys([*special, *pieces, *signs, *(f"##{sign}" for sign in signs), "東", "京"])
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    backend = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=WINDOW, model_input_names=_WITH_TYPES, **names
    )


@cache
def without_type_ids() -> PreTrainedTokenizerFast:
    """Return the same tokenizer for models that know no token types."""
    tokenizer = wordpiece_tokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=WINDOW,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )


@cache
def roberta_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like that of RoBERTa: bytes, and two separators between the texts of a pair."""
    backend = Tokenizer.from_str(bart_tokenizer().backend_tokenizer.to_str())
    ids = {name: backend.token_to_id(name) for name in ("<s>", "</s>")}
    backend.post_processor = processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=WINDOW,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=AddedToken("<mask>", lstrip=True),
    )


@cache
def sentencepiece_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like those of ALBERT and DeBERTa: likeliest pieces, which include the space before."""
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    backend = unigram(special)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=WINDOW,
        model_input_names=_WITH_TYPES,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token=AddedToken("[MASK]", lstrip=True),
    )


_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": WINDOW,
}
ARCHITECTURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "Bert": (wordpiece_tokenizer, _SIZES),
    "DistilBert": (
        without_type_ids,
        {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": WINDOW},
    ),
    "Electra": (wordpiece_tokenizer, {**_SIZES, "embedding_size": 32}),
    "Albert": (sentencepiece_tokenizer, {**_SIZES, "embedding_size": 32}),
    "DebertaV2": (
        sentencepiece_tokenizer,
        {**_SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 2},
    ),
    "Roberta": (roberta_tokenizer, {**_SIZES, "max_position_embeddings": WINDOW + 2, "type_vocab_size": 1}),
    "XLMRoberta": (roberta_tokenizer, {**_SIZES, "max_position_embeddings": WINDOW + 2, "type_vocab_size": 1}),
    "ModernBert": (
        without_type_ids,
        {**_SIZES, "global_attn_every_n_layers": 2, "local_attention": 16, "reference_compile": False},
    ),
}
"""Each architecture: its tokenizer and its configuration."""
NLI = ("contradiction", "neutral", "entailment")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")


@cache
def make(architecture: str, head: str, labels: tuple[str, ...] = ("LABEL_0",), **options: Any) -> TinyEncoder:
    """Return a random model with this head, such as `ForMaskedLM`, always the same one."""
    make_tokenizer, sizes = ARCHITECTURES[architecture]
    tokenizer = make_tokenizer()
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        initializer_range=0.3,
        initializer_cutoff_factor=2.0,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        **sizes,
        **options,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = getattr(transformers, architecture + head)(config)
        for parameter in model.parameters():  # a head that is initialized with zeros says the same of every text
            if parameter.dim() > 1 and float(parameter.detach().std()) < 0.05:
                torch.nn.init.normal_(parameter, std=0.3)
    if head == "ForTokenClassification":
        _balance(model.eval(), tokenizer)
    return TinyEncoder(model.eval(), tokenizer)


def _balance(model: Any, tokenizer: Any) -> None:
    """Shift the tags of a random head, so that none is the likeliest of every token."""
    with torch.no_grad():
        logits = torch.cat([model(**tokenizer(line, return_tensors="pt")).logits[0] for line in LINES])
        model.classifier.bias -= logits.mean(dim=0)


@cache
def _trained(names: tuple[tuple[str, tuple[str, ...]], ...]) -> TinyEncoder:
    tiny = make("Bert", "ForTokenClassification", TAGS)
    model = copy.deepcopy(tiny.model).train()
    known = {name: f"B-{label}" for label, of_label in names for name in of_label}
    fillers = [word.lower() for word in re.findall(r"[\w]+|[.,]", " ".join(LINES)) if word.isascii()]
    fillers = [*sorted(set(fillers) - set(known)), "ж"]  # a character that the vocabulary lacks
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for name, parameter in model.named_parameters():
            if "encoder" in name and parameter.dim() > 1:
                parameter.data.mul_(0.2)  # words matter more than their neighbors, which is learned sooner
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        words = [*known] * (len(fillers) // len(known)) + fillers
        for _ in range(500):
            lines = [[words[int(index)] for index in torch.randint(len(words), (12,))] for _ in range(8)]
            batch = tiny.tokenizer(lines, is_split_into_words=True, padding=True, return_tensors="pt")
            labels = torch.full_like(batch["input_ids"], -100)
            for row, line in enumerate(lines):
                for place, word in enumerate(batch.word_ids(row)):
                    if word is not None:
                        labels[row, place] = TAGS.index(known.get(line[word], "O"))
            loss = model(**batch, labels=labels).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if loss < 0.005:
                break
    return TinyEncoder(model.eval(), tiny.tokenizer)


def trained_tagger(names: dict[str, tuple[str, ...]]) -> TinyEncoder:
    """Return a classifier of tokens that was trained until it knows these lower-case names of each type."""
    return _trained(tuple(names.items()))

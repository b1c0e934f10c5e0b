import pickle

import pytest

from llmkit.batch import ChainSpec
from llmkit.batch.fingerprint import differences, fingerprint, identify
from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt

SPEC = ChainSpec("classify", {"labels": ["good", "bad"]}, dtype="float32")


def test_a_specification_is_json_and_comes_back_equal():
    spec = ChainSpec("ask", {"top_k": 2}, question="Who?", settings={"seed": 1}, calibration={"rows": [{"a": "b"}]})
    assert ChainSpec.from_json(spec.to_json()) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(ChainSpec.from_json(spec.to_json())) == hash(spec)


def test_a_specification_is_not_changed_through_what_it_was_made_of():
    labels = ["good", "bad"]
    spec = ChainSpec("classify", {"labels": labels})
    labels.append("neither")
    assert spec.arguments == {"labels": ["good", "bad"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"chain": "translate"}, "chain is 'translate', but must be one of classify, entities, summarize, ask"),
        (
            {"chain": "summarize", "saved": "x"},
            "summarize cannot be loaded from a folder, only classify, ent",
        ),
        ({"chain": "ask"}, "ask needs either a question or the column"),
        ({"chain": "ask", "question": "a?", "question_column": "q"}, "ask needs either"),
        ({"chain": "classify", "model": None}, "classify needs a model"),
        ({"chain": "classify", "arguments": {"labels": {1, 2}}}, "arguments of a ChainSpec must be plain data"),
        ({"chain": "classify", "arguments": {"threshold": float("nan")}}, "must be plain data"),
    ],
)
def test_what_is_wrong_is_refused(arguments, says):
    with pytest.raises(InputError, match=says):
        ChainSpec(**arguments)


@pytest.mark.usefixtures("default_model_folder")
def test_the_fingerprint_covers_all_that_changes_results(default_embedder_folder, monkeypatch):
    arguments = {"labels": ["good", "bad"]}
    others = {
        "labels": ChainSpec("classify", {"labels": ["bad", "good"]}, dtype="float32"),
        "examples": ChainSpec(
            "classify", {**arguments, "examples": [{"input": "a", "output": "bad"}]}, dtype="float32"
        ),
        "chain": ChainSpec("entities", arguments, dtype="float32"),
        "dtype": ChainSpec("classify", arguments, dtype="bfloat16"),
        "weights": ChainSpec("classify", arguments, dtype="float32", model=str(default_embedder_folder)),
        "quantization": ChainSpec("classify", arguments, dtype="float32", quantization="int8"),
        "temperature": ChainSpec("classify", arguments, dtype="float32", settings={"temperature": 0.5}),
        "calibration.rows": ChainSpec("classify", arguments, dtype="float32", calibration={"rows": [{}]}),
        "text_column": ChainSpec("classify", arguments, dtype="float32", text_column="body"),
        "embedder": ChainSpec("classify", {**arguments, "embedder": "minilm-l6"}, dtype="float32"),
    }
    before = identify(SPEC)
    for name, spec in others.items():
        changed = differences(before, identify(spec))
        assert any(text.startswith(f"{name} is ") for text in changed), name
    assert len({fingerprint(identify(spec)) for spec in (SPEC, *others.values())}) == len(others) + 1
    assert differences(before, identify(ChainSpec.from_json(SPEC.to_json()))) == []
    monkeypatch.setattr("llmkit.batch.fingerprint.__version__", "9.9")
    assert differences(before, identify(SPEC)) == ['llmkit is "9.9", and was "0.2.0"']


def test_a_model_is_known_by_its_content_not_by_its_name(default_model_folder):
    by_path = ChainSpec("classify", SPEC.arguments, dtype="float32", model=str(default_model_folder))
    assert identify(by_path) == identify(SPEC)


@pytest.mark.usefixtures("default_model_folder")
def test_the_data_type_is_that_of_this_machine(monkeypatch):
    import torch

    monkeypatch.setattr("llmkit.models.weights.loading.choose_dtype", lambda device: torch.float16)
    assert identify(ChainSpec("classify", SPEC.arguments))["dtype"] == "float16"
    assert identify(ChainSpec("classify", SPEC.arguments, model="minilm-l6"))["dtype"] == "float32", "an encoder"


def test_a_prompt_may_be_a_text(default_llm):
    text = TaskPrompt.load("summarize-text").with_parts(instruction="Say it in one word.").to_markdown()
    chain = ChainSpec("summarize", {"prompt": text}).build(default_llm)
    assert chain.prompt.parts.instruction == "Say it in one word."

"""Models, prompts and chains are copied and pickled: by specification, with the engine found again or loaded."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from llmkit import HuggingFaceChat, HuggingFaceLLM
from llmkit.chains import NERChain, QAChain, SummarizationChain, WebQAChain, ZeroShotClassificationChain
from llmkit.errors import InputError
from llmkit.prompts import TaskPrompt
from tests.support import tiny
from tests.support.models import PROMPT, chat, completion

pytestmark = pytest.mark.usefixtures("default_model_folder")

TEXT = "Maria Holm built the lighthouse at Karn in 1874. It was sold in 1920."
ROWS = [{"input": "a good film", "output": "good"}, {"input": "a bad film", "output": "bad"}] * 2


class City(BaseModel):
    name: str


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return city


@pytest.fixture(scope="module")
def llm():
    return HuggingFaceChat(temperature=0, max_new_tokens=4, dtype="float32", metadata={"owner": ["ann"]})


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A model by name, as the default one, whose answers take a moment."""
    folder = tmp_path_factory.mktemp("small")
    for part in tiny.make("llama"):
        part.save_pretrained(folder)
    return HuggingFaceChat(str(folder), temperature=0, max_new_tokens=4, context_window=tiny.WINDOW)


def copies(value):
    yield pickle.loads(pickle.dumps(value))
    yield copy.deepcopy(value)
    yield copy.copy(value)


@pytest.mark.parametrize("cls", [HuggingFaceChat, HuggingFaceLLM])
def test_a_model_by_name_keeps_its_fields_and_engine(cls):
    llm = cls(temperature=0, max_new_tokens=4, dtype="float32", context_window=256, timeout=60, tags=["a"])
    for again in (*copies(llm), llm.model_copy(), llm.model_copy(deep=True)):
        assert type(again) is cls
        assert again == llm
        assert again.engine is llm.engine
        assert (again.settings, again.context_window, again.timeout, again.tags) == (llm.settings, 256, 60, ["a"])


def test_a_deep_copy_shares_no_field(llm):
    again = copy.deepcopy(llm)
    again.metadata["owner"].append("bob")
    assert llm.metadata["owner"] == ["ann"]


def test_a_copy_streams(llm):
    copied = llm.model_copy()
    assert copied.model_fields_set - {"model"} <= llm.model_fields_set
    assert len(list(copied.stream("Hi"))) == len(list(llm.stream("Hi"))) > 2
    assert len(list(copied.model_copy(update={"max_new_tokens": 6}).stream("Hi"))) > 2


def test_an_engine_that_is_gone_is_loaded_again(llm):
    pickled = pickle.dumps(HuggingFaceChat(temperature=0, max_new_tokens=4, dtype="float32", context_window=333))
    again = pickle.loads(pickled)
    assert again.context_window == 333
    assert again.engine.loaded.model is llm.engine.loaded.model, "the same weights with another window"
    assert again.invoke(PROMPT).text == llm.invoke(PROMPT).text


@pytest.mark.slow
def test_what_holds_a_model_is_pickled_with_it(small):
    template = ChatPromptTemplate.from_template("{x}")
    runnables = [
        template | small,
        TaskPrompt("Summarize.") | small,
        TaskPrompt("Summarize.").fitted_to(small, max_new_tokens=4) | small,
        small.bind(stop=["."]),
        small.bind_tools([weather], tool_choice="none"),
        small.with_retry(stop_after_attempt=2),
        small.with_fallbacks([small.as_completion()]),
        small.with_config(tags=["a"]),
        small.configurable_fields(max_tokens=ConfigurableField(id="limit")),
        small.configurable_alternatives(ConfigurableField(id="model"), other=small.as_completion()),
        small.as_completion(),
    ]
    for runnable in runnables:
        given = {0: {"x": "Hi"}, 1: {"input": "Hi"}}.get(runnables.index(runnable), "Hi")
        expected = runnable.invoke(given)
        for again in copies(runnable):
            answer = again.invoke(given)
            assert getattr(answer, "text", answer) == getattr(expected, "text", expected)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("include_raw", [False, True])
def test_structured_output_is_pickled(llm, method, include_raw):
    structured = llm.with_structured_output(City, method=method, include_raw=include_raw, max_new_tokens=32)
    expected = structured.invoke("Paris")
    for again in copies(structured):
        answer = again.invoke("Paris")
        assert (answer["parsed"] if include_raw else answer) == (expected["parsed"] if include_raw else expected)


def test_answers_are_pickled(llm):
    for answer in (llm.invoke("Hi", logprobs=True), *llm.stream("Hi")):
        for again in copies(answer):
            assert again == answer


def chains(llm):
    yield SummarizationChain(llm), TEXT
    yield ZeroShotClassificationChain(llm, ["good", "bad"], examples=ROWS), "a fine film"
    yield NERChain(llm), TEXT
    yield QAChain(llm), {"question": "Who built the lighthouse?", "context": TEXT}


@pytest.mark.slow
def test_chains_are_pickled(small):
    for chain, given in chains(small):
        expected = chain.invoke(given)
        for again in copies(chain):
            assert again.invoke(given) == expected
    assert pickle.loads(pickle.dumps(WebQAChain(small))).qa.threshold == WebQAChain(small).qa.threshold


class Question(BaseModel):
    question: str
    context: str


@pytest.mark.slow
def test_tools_of_chains_are_pickled(small):
    chain, given = QAChain(small), {"question": "Who?", "context": TEXT}
    types = {"question": str, "context": str}
    for options in ({}, {"name": "look", "description": "Looks."}, {"args_schema": Question}, {"arg_types": types}):
        tool = chain.as_tool(**options)
        expected = tool.invoke(given)
        for again in copies(tool):
            assert (again.name, again.description, again.args) == (tool.name, tool.description, tool.args)
            assert again.tool_call_schema.model_json_schema() == tool.tool_call_schema.model_json_schema()
            assert again.invoke(given) == expected


@pytest.mark.slow
def test_a_calibrated_chain_stays_calibrated(llm):
    chain = ZeroShotClassificationChain(llm, ["good", "bad"])
    chain.calibrate(ROWS, precision=0.1)
    for again in copies(chain):
        assert again.invoke("a fine film") == chain.invoke("a fine film")
        assert again.invoke("a fine film").calibrated
        assert (again.calibration, again.threshold) == (chain.calibration, chain.threshold)


@pytest.mark.parametrize("make", [chat, completion])
def test_a_model_given_as_objects_says_how_it_can_be_pickled(make):
    llm = make("llama")
    for value in (llm, llm.bind(stop=["."]), SummarizationChain(llm)):
        with pytest.raises(InputError, match=r"given as objects.*save_pretrained\(folder\).*HuggingFace\w+\(folder\)"):
            pickle.dumps(value)
    for again in (copy.copy(llm), copy.deepcopy(llm), llm.model_copy(deep=True)):
        assert again.engine is llm.engine
        assert again.model is llm.model


@pytest.mark.parametrize(
    ("name", "value"), [("callbacks", [UsageMetadataCallbackHandler()]), ("rate_limiter", InMemoryRateLimiter())]
)
def test_a_field_that_cannot_be_pickled_is_named(name, value):
    llm = HuggingFaceChat(max_new_tokens=4, dtype="float32", **{name: value})
    assert copy.deepcopy(llm).engine is llm.engine
    with pytest.raises(InputError, match=rf"{name} cannot be pickled .*model_copy\(update={{\"{name}\": None}}\)"):
        pickle.dumps(llm)
    assert pickle.loads(pickle.dumps(llm.model_copy(update={name: None}))).engine is llm.engine


@pytest.mark.slow
def test_a_model_with_changed_weights_is_not_pickled_as_its_name(llm):
    other = HuggingFaceChat(dtype="float32", device="cpu")
    assert other.engine.loaded.model is not llm.engine.loaded.model
    with torch.no_grad():
        other.engine.loaded.model.lm_head.weight.add_(1.0)
    with pytest.raises(InputError, match=r"weights of smollm2-135m have changed.*save_pretrained"):
        pickle.dumps(other)


def answer(llm, text):
    return llm.invoke(text).text


def classify(chain, text):
    return chain.invoke(text)


@pytest.mark.slow
def test_a_process_pool_gives_the_same_answers(llm):
    chain = ZeroShotClassificationChain(llm, ["good", "bad"])
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(answer, llm, PROMPT).result(timeout=300) == answer(llm, PROMPT)
        found, expected = pool.submit(classify, chain, "a fine film").result(timeout=300), chain.invoke("a fine film")
    assert found.label == expected.label
    assert found.scores == pytest.approx(expected.scores, abs=1e-5)


def test_cloudpickle_takes_models(llm):
    cloudpickle = pytest.importorskip("cloudpickle")
    call = cloudpickle.loads(cloudpickle.dumps(lambda text: llm.invoke(text).text))
    assert call(PROMPT) == llm.invoke(PROMPT).text

import asyncio
from functools import reduce
from operator import add
from typing import Any, ClassVar

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel

from llmkit import HuggingFaceChat
from llmkit.chains import Progress, SummarizationChain, Summary
from llmkit.chains.postprocess import clean_completion, is_complete, is_sentence
from llmkit.errors import ContextWindowExceeded, InputError, PromptError
from llmkit.text.segmentation import sentences
from tests.support import tiny
from tests.support.models import chat

DIALOGUE = """#Person1#: The lift is broken again, I had to walk up nine floors with the shopping.
#Person2#: I called the landlord this morning. He says that it will be repaired on Thursday.
#Person1#: Thursday! Then let's eat at home until then."""

QUESTION = "Summarize this conversation in one short sentence. Say who wants what."


@pytest.fixture(scope="module")
def llm(default_llm):
    return default_llm


@pytest.fixture(scope="module")
def chain(llm):
    return SummarizationChain(llm, "summarize-dialogue", max_new_tokens=24)


def test_the_complete_prompt(chain, llm):
    assert llm.engine.encoder.render(chain.plan(DIALOGUE)[0].messages) == (
        "<|im_start|>system\nSummarize the conversation in one short sentence. Say who wants what.<|im_end|>\n"
        f"<|im_start|>user\n{DIALOGUE}\n\n{QUESTION}<|im_end|>\n"
        "<|im_start|>assistant\nIn this conversation,"
    )


@pytest.mark.slow
def test_a_summary_has_the_source_passages(chain, llm):
    summary = chain.invoke(DIALOGUE)
    assert isinstance(summary, Summary)
    assert (summary.strategy, summary.model_calls) == ("stuff", 1)
    [passage] = summary.passages
    assert (DIALOGUE[passage.start : passage.end], passage.tokens) == (DIALOGUE, llm.get_num_tokens(DIALOGUE))
    answer = llm.invoke(chain.plan(DIALOGUE)[0].messages, max_new_tokens=24, presence_penalty=0.8)
    assert summary.text == clean_completion(answer.text, is_complete(answer))[0]
    assert [one.text for one in summary.sentences] == [summary.text]
    assert summary.text[0].isupper()
    assert chain.invoke(Document(DIALOGUE)) == summary


@pytest.mark.slow
def test_a_small_model_gets_short_passages(chain, llm):
    assert (chain.tuning.max_passage_tokens, llm.context_window) == (512, 8192)
    summary = chain.invoke("\n".join([DIALOGUE] * 20))
    assert summary.strategy == "map_reduce"
    assert max(passage.tokens for passage in summary.passages) <= 512


@pytest.mark.slow
def test_a_small_model_does_not_combine_summaries(llm):
    text = "\n".join([DIALOGUE, "A: Hi.\nB: Hello, is it raining?\nA: No, the sun is out.", "A: Bye.\nB: See you."])
    for limit in ({"max_words": 20}, {"max_new_tokens": 24}):
        seen: list[Progress] = []
        chain = SummarizationChain(
            llm,
            "summarize-dialogue",
            strategy="map_reduce",
            max_passage_tokens=60,
            progress=seen.append,
            **limit,
        )
        summary = chain.invoke(text)
        assert summary.strategy == "map_reduce"
        assert summary.complete == any(map(is_sentence, told := {each.summary for each in summary.passages}))
        assert summary.model_calls == len(chain.plan(text)) == seen[-1].done == seen[-1].total > 1
        assert all(any(each.of(summary.text) in one for one in told) for each in sentences(summary.text))
        assert len(summary.text.split()) <= 20 if "max_words" in limit else llm.get_num_tokens(summary.text) <= 24
        assert reduce(add, chain.stream(text)) == summary
    chain = SummarizationChain(
        llm, strategy="map_reduce", max_passage_tokens=60, max_new_tokens=24, combine_prompt="combine-summaries"
    )
    assert chain.invoke(text).model_calls == summary.model_calls + 1


@pytest.mark.slow
def test_the_default_presence_penalty_does_not_replace_given_penalties(llm):
    class Seen(BaseCallbackHandler):
        params: ClassVar[dict[str, Any]] = {}

        def on_chat_model_start(self, serialized, messages, **kwargs):
            self.params.update({"presence_penalty": None}, **kwargs["invocation_params"])

    def asked(model: Any) -> Any:
        chain = SummarizationChain(model, max_new_tokens=3, context_window=256)
        chain.invoke(DIALOGUE, {"callbacks": [Seen()]})
        return Seen.params["presence_penalty"]

    assert asked(llm) == 0.8
    assert asked(HuggingFaceChat(model=llm.engine, temperature=0, frequency_penalty=0.1)) is None
    assert asked(HuggingFaceChat(model=llm.engine, temperature=0, repetition_penalty=1.1)) is None
    assert asked(llm.bind(presence_penalty=0.0)) == 0.0
    flan = HuggingFaceChat(model=tiny.make("t5").model, tokenizer=tiny.make("t5").tokenizer, context_window=256)
    assert asked(flan) is None
    assert asked(CountingChat(responses=["so"])) is None


@pytest.mark.slow
def test_a_batch_equals_single_calls_with_one_forward_pass_per_token(chain, llm):
    texts = [DIALOGUE, DIALOGUE.replace("Thursday", "Friday"), DIALOGUE + "\n#Person2#: All right."]
    alone = [chain.invoke(text).text for text in texts]
    unchecked = SummarizationChain(llm, "summarize-dialogue", max_new_tokens=24, check_support=False)
    assert [summary.text for summary in chain.batch(texts)] == alone
    calls = []
    hook = llm.engine.loaded.model.register_forward_hook(lambda *_: calls.append(1))
    unchecked.batch(texts)
    hook.remove()
    assert len(calls) <= 26  # the shared beginning, and one step for each token of the longest summary
    assert [summary.text for summary in asyncio.run(chain.abatch(texts))] == alone


@pytest.mark.slow
def test_an_invalid_input_does_not_fail_the_rest_of_the_batch(chain):
    fine, empty = chain.batch([DIALOGUE, " \n"], return_exceptions=True)
    assert isinstance(fine, Summary)
    assert isinstance(empty, InputError)
    with pytest.raises(ContextWindowExceeded) as long:
        SummarizationChain(chain.llm, strategy="stuff").invoke("word " * 9000)
    assert long.value.needed > long.value.available == 8192
    with pytest.raises(InputError, match="empty"):
        chain.invoke("")


def test_examples_are_rendered_as_turns(llm):
    example = {"input": "A: Bye.\nB: Bye.", "output": "A and B say goodbye."}
    chain = SummarizationChain(llm, "summarize-dialogue", examples=[example], show_examples=True)
    assert [message.text for message in chain.plan(DIALOGUE)[0].messages[1:3]] == [
        f"{example['input']}\n\n{QUESTION}",
        "In this conversation, A and B say goodbye.",
    ]


def test_invalid_arguments_raise_an_error(llm):
    with pytest.raises(PromptError, match="no-such-prompt"):
        SummarizationChain(llm, prompt="no-such-prompt")
    with pytest.raises(InputError, match="strategy is 'mapreduce', but must be one of auto, stuff, map_reduce"):
        SummarizationChain(llm, strategy="mapreduce")  # type: ignore[arg-type]
    for name in ("max_words", "max_new_tokens", "max_passage_tokens"):
        for value in (0, -1, 2.5, True, "9"):
            with pytest.raises(InputError, match=f"{name} is {value!r}, but must be a whole number"):
                SummarizationChain(llm, **{name: value})


@pytest.mark.slow
def test_callbacks_see_the_chain_and_the_model(chain):
    class Seen(BaseCallbackHandler):
        names: ClassVar[list[str]] = []

        def on_chain_start(self, serialized, inputs, **kwargs):
            self.names.append(kwargs["name"])

        def on_chat_model_start(self, serialized, messages, **kwargs):
            self.names.append(serialized["name"])

    chain.invoke(DIALOGUE, {"callbacks": [Seen()]})
    assert Seen.names == ["SummarizationChain", "HuggingFaceChat"]


def test_any_langchain_chat_model_is_accepted():
    llm = CountingChat(responses=["they meet on Sunday."])
    summary = SummarizationChain(llm, context_window=512).invoke(
        "A: When do we meet?\nB: On Sunday, I would say. Or later."
    )
    assert (summary.text, summary.complete) == ("They meet on Sunday.", True)


class CountingChat(FakeListChatModel):
    def get_token_ids(self, text: str) -> list[int]:
        return list(text.encode())


def test_the_chain_is_a_tool_and_a_summary_has_an_html_representation():
    llm = CountingChat(responses=["tom & ann sleep."])
    tool = SummarizationChain(llm, context_window=512).as_tool()
    assert list(tool.args) == ["text"]
    text = "Tom and Ann sleep. " * 4
    assert "Tom & ann sleep." in tool.invoke({"text": text})
    summary = SummarizationChain(llm, context_window=512).invoke({"text": text})
    assert "Tom &amp; ann sleep." in summary._repr_html_()
    with pytest.raises(InputError, match="llm is the name 'smollm2-135m', but must be a model"):
        SummarizationChain("smollm2-135m")  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [1, 4, 8])
def test_few_new_tokens_still_give_a_summary(tokens: int) -> None:
    chain = SummarizationChain(chat("llama"), strategy="map_reduce", max_new_tokens=tokens, context_window=512)
    assert chain.invoke("The dog is in Paris. " * 3).model_calls == 1
    parts = SummarizationChain(
        chat("llama"), strategy="map_reduce", max_new_tokens=tokens, max_passage_tokens=20, context_window=512
    ).plan("The dog is in Paris. " * 12)
    assert len(parts) > 1


def test_too_small_passages_and_inputs_without_text_raise_an_error() -> None:
    with pytest.raises(InputError, match="max_passage_tokens is 1, but a passage needs at least 8"):
        SummarizationChain(chat("llama"), max_passage_tokens=1)
    with pytest.raises(InputError, match="the input has the keys 'txt', but must have 'text'"):
        SummarizationChain(chat("llama")).invoke({"txt": "The dog."})  # type: ignore[typeddict-item]

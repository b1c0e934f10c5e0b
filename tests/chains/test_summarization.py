import asyncio

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel

from llmkit import HuggingFaceChat
from llmkit.chains import SummarizationChain, Summary
from llmkit.chains.summarization import _whole_sentences
from llmkit.errors import ContextWindowExceeded, InputError, PromptError

DIALOGUE = """#Person1#: The lift is broken again, I had to walk up nine floors with the shopping.
#Person2#: I called the landlord this morning. He says that it will be repaired on Thursday.
#Person1#: Thursday! Then let's eat at home until then."""


@pytest.fixture(scope="module")
def llm(default_model_folder):
    return HuggingFaceChat(temperature=0, dtype="float32")


@pytest.fixture(scope="module")
def chain(llm):
    return SummarizationChain(llm, max_new_tokens=24)


def test_the_whole_prompt(chain, llm):
    assert llm.engine.encoder.render(chain.fit(DIALOGUE).messages) == (
        "<|im_start|>system\nSummarize the conversation in one short sentence. Say who wants what.<|im_end|>\n"
        f"<|im_start|>user\n{DIALOGUE}<|im_end|>\n"
        "<|im_start|>assistant\nIn this conversation,"
    )


def test_a_summary_stands_on_its_source(chain, llm):
    summary = chain.invoke(DIALOGUE)
    assert isinstance(summary, Summary)
    assert (summary.strategy, summary.model_calls) == ("stuff", 1)
    [passage] = summary.passages
    assert (DIALOGUE[passage.start : passage.end], passage.tokens) == (DIALOGUE, llm.get_num_tokens(DIALOGUE))
    said = llm.invoke(chain.fit(DIALOGUE).messages, max_new_tokens=24).text.strip()
    assert summary.text.lower() == said.lower()
    assert summary.text[0].isupper()
    assert chain.invoke(Document(DIALOGUE)) == summary


@pytest.mark.parametrize(
    ("text", "kept"),
    [("Ann leaves. Ben st", "Ann leaves."), ("No end here", "No end here"), ('He said "no." Then', 'He said "no."')],
)
def test_a_sentence_that_was_cut_off_is_left_out(text, kept):
    assert _whole_sentences(text) == kept


def test_batches_are_the_same_and_one_pass_a_token(chain, llm):
    texts = [DIALOGUE, "A: Hi.\nB: Hello, is it raining?\nA: No.", DIALOGUE + "\n#Person2#: All right."]
    alone = [chain.invoke(text).text for text in texts]
    calls = []
    hook = llm.engine.loaded.model.register_forward_hook(lambda *_: calls.append(1))
    together = [summary.text for summary in chain.batch(texts)]
    hook.remove()
    assert together == alone
    assert len(calls) <= 26  # the shared beginning, and one step for each token of the longest summary
    assert [summary.text for summary in asyncio.run(chain.abatch(texts))] == alone


def test_a_bad_input_fails_alone(chain):
    fine, empty, long = chain.batch([DIALOGUE, " \n", "word " * 9000], return_exceptions=True)
    assert isinstance(fine, Summary)
    assert isinstance(empty, InputError)
    assert isinstance(long, ContextWindowExceeded)
    assert long.needed > long.available == 8192
    with pytest.raises(InputError, match="empty"):
        chain.invoke("")


def test_examples_come_as_turns(llm):
    example = {"input": "A: Bye.\nB: Bye.", "output": "A and B say goodbye."}
    chain = SummarizationChain(llm, examples=[example])
    assert [message.text for message in chain.fit(DIALOGUE).messages[1:3]] == [
        example["input"],
        "In this conversation, A and B say goodbye.",
    ]


def test_what_cannot_be(llm):
    with pytest.raises(PromptError, match="no-such-prompt"):
        SummarizationChain(llm, prompt="no-such-prompt")
    with pytest.raises(InputError, match="'refine'"):
        SummarizationChain(llm, strategy="refine")  # type: ignore[arg-type]


def test_callbacks_see_the_chain_and_the_model(chain):
    class Seen(BaseCallbackHandler):
        names: list[str] = []

        def on_chain_start(self, serialized, inputs, **kwargs):
            self.names.append(kwargs["name"])

        def on_chat_model_start(self, serialized, messages, **kwargs):
            self.names.append(serialized["name"])

    chain.invoke(DIALOGUE, {"callbacks": [Seen()]})
    assert Seen.names == ["SummarizationChain", "HuggingFaceChat"]


def test_any_chat_model_of_langchain_will_do():
    llm = CountingChat(responses=["they meet on Sunday."])
    summary = SummarizationChain(llm, context_window=512).invoke("A: When?\nB: On Sunday.")
    assert (summary.text, summary.complete) == ("They meet on Sunday.", True)


class CountingChat(FakeListChatModel):
    def get_token_ids(self, text: str) -> list[int]:
        return list(text.encode())

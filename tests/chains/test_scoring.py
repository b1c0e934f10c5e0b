"""A model that tells likelihoods is found behind its bound arguments."""

from langchain_core.runnables import RunnableLambda

from llmkit.chains.scoring import scoring_model
from tests.support.models import chat


def test_bound_arguments_do_not_hide_the_scores() -> None:
    llm = chat("llama")
    assert scoring_model(llm.bind(temperature=1).bind(stop=["x"])) is llm
    assert scoring_model(RunnableLambda(str)) is None

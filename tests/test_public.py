"""The public names of each package."""

import importlib
from inspect import ismodule

import pytest

import llmkit

PUBLIC = {
    "llmkit": "ContextWindowExceeded GenerationSettings HuggingFaceChat HuggingFaceLLM LlmkitError",
    "llmkit.chains": "Answer Calibration CalibrationReport Citation Classification ClassificationTuning Entities "
    "Entity ExamplesReport NERChain NERTuning Progress QACalibrationReport QAChain QATuning SourcePassage "
    "SummarizationChain SummarizationTuning Summary WebQAChain ZeroShotClassificationChain",
    "llmkit.models": "DEFAULT_EMBEDDER DEFAULT_MODEL GenerationSettings HuggingFaceChat HuggingFaceLLM "
    "default_embedder",
    "llmkit.prompts": "BalancedExamples DiverseExamples ExampleSelector FirstExamples FittedPrompt LexicalExamples "
    "RandomExamples Report SimilarExamples TaskPrompt list_prompts",
    "llmkit.files": "load read",
    "llmkit.web": "fetch read text_fragment",
}
"""The public API: a name that is not listed here must not be exported."""

PACKAGES = list(PUBLIC)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_can_be_imported(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize(("package", "names"), PUBLIC.items())
def test_public_names_equal_the_documented_api(package, names):
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(names.split())
    exported = {name for name, value in vars(module).items() if not name.startswith("_") and not ismodule(value)}
    assert exported - {"annotations", "TYPE_CHECKING", "Any", "import_module"} <= set(names.split())


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="NoSuchName"):
        llmkit.NoSuchName  # noqa: B018


def test_the_version_equals_that_of_the_distribution():
    from importlib.metadata import version

    assert llmkit.__version__ == version("llmkit")

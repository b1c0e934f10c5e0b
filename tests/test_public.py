"""The public names of each package."""

import importlib
from inspect import ismodule

import pytest

import llmkit

PACKAGES = [
    "llmkit",
    "llmkit.chains",
    "llmkit.models",
    "llmkit.prompts",
    "llmkit.files",
    "llmkit.web",
    "llmkit.batch",
    "llmkit.evaluation",
    "llmkit.server",
]
"""Those of docs/api/names.md, where a name that is new or gone is seen."""


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_can_be_imported(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_else_is_exported(package):
    module = importlib.import_module(package)
    exported = {name for name, value in vars(module).items() if not name.startswith("_") and not ismodule(value)}
    assert exported - {"annotations", "TYPE_CHECKING", "Any", "import_module"} <= set(module.__all__)


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="NoSuchName"):
        llmkit.NoSuchName  # noqa: B018


def test_the_version_equals_that_of_the_distribution():
    from importlib.metadata import version

    assert llmkit.__version__ == version("llmkit")

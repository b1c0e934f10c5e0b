from pathlib import Path

import pytest

from llmkit import paths


@pytest.mark.parametrize(
    ("function", "variable"),
    [(paths.cache_dir, "LLMKIT_CACHE"), (paths.data_dir, "LLMKIT_DATA"), (paths.state_dir, "LLMKIT_DATA")],
)
def test_folders_can_be_set_by_environment_variables(function, variable, monkeypatch):
    monkeypatch.delenv(variable, raising=False)
    assert function().name == "llmkit"
    monkeypatch.setenv(variable, "relative")
    assert function() == Path.cwd() / "relative"
    monkeypatch.setenv(variable, "~/folder")
    assert function() == Path.home() / "folder"


def test_the_configuration_file_can_be_set_by_an_environment_variable(monkeypatch, tmp_path):
    monkeypatch.delenv("LLMKIT_CONFIG", raising=False)
    assert (paths.config_file().parent.name, paths.config_file().name) == ("llmkit", "config.toml")
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path / "own.toml"))
    assert paths.config_file() == tmp_path / "own.toml"

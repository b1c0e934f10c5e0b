"""A model object that is made anew reads the files of its folder again once one has changed, and only then."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from llmkit import HuggingFaceChat, HuggingFaceLLM
from llmkit.errors import SettingsError
from llmkit.models.weights.file_state import file_state
from tests.support.folder_damages import change, save_folder


def test_a_corrected_generation_config_is_read_again(tmp_path: Path) -> None:
    file = save_folder(tmp_path) / "generation_config.json"
    file.write_text('{"token_healing": true}')
    llm = HuggingFaceLLM(str(tmp_path), max_new_tokens=2)
    with pytest.raises(SettingsError, match="has token_healing=True"):
        llm.invoke("The dog")
    file.write_text("{}")
    new = HuggingFaceLLM(str(tmp_path), max_new_tokens=2)
    assert new.engine is not llm.engine
    new.invoke("The dog")


@pytest.mark.parametrize(
    "edit",
    [
        change("config.json", "max_position_embeddings", value=99),
        change("tokenizer_config.json", "model_max_length", value=99),
        lambda folder: (folder / "chat_template.jinja").write_text("{{ messages[0].content }}"),
        lambda folder: (folder / "generation_config.json").unlink(),
        lambda folder: os.utime(folder / "tokenizer.json", ns=(1, 1)),
        lambda folder: (folder / "additional_chat_templates" / "tool_use.jinja").write_text("x"),
    ],
)
def test_each_file_of_a_folder_counts(tmp_path: Path, edit: Callable[[Path], object]) -> None:
    (save_folder(tmp_path) / "additional_chat_templates").mkdir()
    before = file_state(str(tmp_path))
    (tmp_path / "notes.log").write_text("not read by transformers")
    assert file_state(str(tmp_path)) == before
    edit(tmp_path)
    assert file_state(str(tmp_path)) != before


def test_a_changed_chat_template_is_read_again_with_another_window_too(tmp_path: Path) -> None:
    save_folder(tmp_path)
    llm = HuggingFaceChat(str(tmp_path))
    assert HuggingFaceChat(str(tmp_path)).engine is llm.engine
    (tmp_path / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}!{% endfor %}")
    new = HuggingFaceChat(str(tmp_path), context_window=64)
    assert new.engine.encoder.render("Hi") != llm.engine.encoder.render("Hi")
    assert "Hi!" in new.engine.encoder.render("Hi")


def test_the_files_of_an_adapters_base_count(tmp_path: Path) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    adapter.mkdir()
    save_folder(base)
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "../base"})
    )
    before = file_state(str(adapter))
    assert before == file_state(str(adapter))
    (base / "generation_config.json").write_text("{}")
    assert file_state(str(adapter)) != before


@pytest.mark.parametrize("name", ["smollm2-135m", "org/name", "", "no\0file", "a" * 5000])
def test_names_that_are_no_files_have_no_state(name: str) -> None:
    assert file_state(name) == ()

"""The context window: of the configuration or the tokenizer, or as it is given."""

from pathlib import Path

import pytest

from llmkit import HuggingFaceChat
from llmkit.errors import InputError, ModelUnusable
from llmkit.models.weights.loading import from_objects
from tests.support import tiny
from tests.support.folder_damages import save_folder
from tests.support.tokenizers import gpt2_tokenizer


@pytest.mark.parametrize("window", [None, 100])
def test_a_window_above_the_models_gives_one_warning(
    tmp_path: Path, window: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    name = str(save_folder(tmp_path))
    other = HuggingFaceChat(name, dtype="float32", context_window=window or 0)
    assert not caplog.records
    longer = [HuggingFaceChat(name, dtype="float32", context_window=4096) for _ in range(2)]
    [record] = caplog.records
    assert f"the model's configuration says {tiny.WINDOW} tokens" in record.getMessage()
    assert other.engine.loaded.model is longer[0].engine.loaded.model


@pytest.mark.parametrize(
    ("name", "window"), [("llama", tiny.WINDOW), ("gpt2", tiny.WINDOW), ("mistral", tiny.WINDOW), ("bart", tiny.WINDOW)]
)
def test_the_context_window_comes_from_the_configuration(name: str, window: int) -> None:
    model, tokenizer = tiny.make(name)
    assert from_objects(model, tokenizer).window == window
    assert from_objects(model, tokenizer, context_window=99).window == 99
    assert HuggingFaceChat(model=model, tokenizer=tokenizer).context_window == window
    assert HuggingFaceChat(model=model, tokenizer=tokenizer, context_window=99).context_window == 99


@pytest.mark.parametrize("name", ["gpt2", "opt", "bart"])
def test_a_window_longer_than_the_learned_positions_is_refused(name: str) -> None:
    model, tokenizer = tiny.make(name)
    assert from_objects(model, tokenizer, context_window=tiny.WINDOW).window == tiny.WINDOW
    with pytest.raises(
        InputError, match=f"context_window is 4096, but the model has positions for {tiny.WINDOW} tokens"
    ):
        from_objects(model, tokenizer, context_window=4096)


def test_positions_that_are_computed_allow_a_longer_window(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("llama", "mamba", "t5"):
        model, tokenizer = tiny.make(name)
        assert from_objects(model, tokenizer, context_window=4096).window == 4096
        from_objects(model, tokenizer, context_window=tiny.WINDOW)
    [message] = {record.getMessage() for record in caplog.records}
    assert message.startswith(f"context_window is 4096, but the model's configuration says {tiny.WINDOW} tokens: ")
    for part in tiny.make("gpt2"):
        part.save_pretrained(tmp_path)
    llm = HuggingFaceChat(str(tmp_path))
    with pytest.raises(InputError, match="positions for 512 tokens"):
        HuggingFaceChat(str(tmp_path), context_window=4096)
    assert llm.context_window == tiny.WINDOW


def test_the_context_window_can_come_from_the_tokenizer() -> None:
    model, tokenizer = tiny.make("mamba")
    with pytest.raises(ModelUnusable, match="pass context_window="):
        from_objects(model, tokenizer)
    limited_tokenizer = gpt2_tokenizer.__wrapped__()
    limited_tokenizer.model_max_length = 77
    assert from_objects(model, limited_tokenizer).window == 77

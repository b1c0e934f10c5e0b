from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from llmkit.errors import PromptError
from llmkit.prompts import TaskPrompt, library

NONSURROGATE_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
EXAMPLE = st.fixed_dictionaries(
    {"input": NONSURROGATE_TEXT.filter(str.strip), "output": NONSURROGATE_TEXT.filter(str.strip)}
)


KEYWORDS = st.sampled_from(
    ["", "yes", "null", "1821", "1_0", "2001-01-01", "~", "- a", "# a", "a: b", "{x}", "<<", "|", "---"]
)
ANY_VALUE = (
    NONSURROGATE_TEXT
    | KEYWORDS
    | st.text(st.sampled_from("a:-#'\"\\\n\t \u0085\u2028\ufeff\x00\x7f\U0001f600"), max_size=12)
)


@given(ANY_VALUE, ANY_VALUE, ANY_VALUE, ANY_VALUE, ANY_VALUE, ANY_VALUE, st.lists(EXAMPLE, max_size=3))
@example("---", '"', "a\nb", "\u2028", "x: y", "- -", [])
@example("a\r\r\nb", "c\r\r\nd", "", "", "", "", [])
def test_a_saved_prompt_is_loaded_as_an_equal_prompt(
    instruction, label, question, start, output, description, examples
):
    prompt = TaskPrompt(
        instruction + "{labels}",
        input_label=label,
        question=question,
        output_label=output,
        output_start=start,
        description=description,
        fields=["labels"],
        examples=examples,
        example_order="best_first",
        layout="flan",
        task="classify",
    )
    text = prompt.to_markdown()
    assert TaskPrompt(**library.parse(text)) == prompt
    assert TaskPrompt(**library.parse(text)).to_markdown() == text
    front_matter = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---"))
    assert front_matter["examples" if examples else "fields"] == (list(examples) or ["labels"])


def test_a_prompt_file_is_saved_and_loaded(tmp_path):
    path = tmp_path / "mine.md"
    prompt = TaskPrompt("Count to {n}.", fields=["n"], examples=[{"input": "a {n}", "output": "…\n"}])
    prompt.save(path)
    assert TaskPrompt.load(path) == prompt
    assert TaskPrompt.load(path) != TaskPrompt("Count to {n}.", fields=["n"])


@pytest.mark.parametrize("name", library.list_prompts())
def test_every_prompt_text_is_valid_and_has_a_description(name):
    prompt = TaskPrompt.load(name)
    assert prompt.description.endswith(".")
    assert prompt.task is not None
    text = prompt.format_prompt(input="THE INPUT", **dict.fromkeys(prompt.fields, "A VALUE")).text
    assert text.count("THE INPUT") == 1
    assert ("A VALUE" in text) == bool(prompt.fields)
    assert prompt.to_markdown() == (library.FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_the_prompts_of_the_chains_exist():
    needed = {"summarize-dialogue", "summarize-text", "summarize-flan", "combine-summaries"}
    needed |= {"sentiment", "classify", "question-answering", "entities"}
    assert needed <= set(library.list_prompts())


@pytest.mark.parametrize(
    "name", ["../errors", "/etc/passwd", "summarize-dialogue.md", "a/../classify", "", "\0", "C:x"]
)
def test_a_name_never_leads_outside_the_folder(name):
    with pytest.raises(PromptError, match="no prompt text is called"):
        TaskPrompt.load(name)


def test_a_symlink_out_of_the_folder_is_not_a_prompt_text(tmp_path, monkeypatch):
    folder, outside = tmp_path / "prompts", tmp_path / "secret.md"
    folder.mkdir()
    outside.write_text("---\n---\nsecret", encoding="utf-8")
    (folder / "escape.md").symlink_to(outside)
    (folder / "good.md").write_text("---\n---\ngood", encoding="utf-8")
    monkeypatch.setattr(library, "FOLDER", folder)
    assert library.list_prompts() == ["good"]
    with pytest.raises(PromptError, match="no prompt text is called 'escape'"):
        library.read("escape")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Summarize.", "line 1 must be ---"),
        ("---\nlayout: chat\n", "no end"),
        ("---\nlabel: x\n---\n", "unknown key 'label': write 'key: value' with the keys description, task"),
        ("---\n1: x\n---\n", "unknown key '1'"),
        ("---\nno colon\n---\n", "not a mapping: write 'key: value'"),
        ("---\nlayout: chat\nlayout: flan\n---\n", "line 3 gives 'layout' a second time"),
        ("---\nexamples:\n- input: a\n  input: b\n---\n", "line 4 gives 'input' a second time"),
        ("---\nquestion: Question: {question}\n---\n", "not YAML: mapping values are not allowed here"),
        ("---\nquestion: {question}\n---\n", "question is not text: put quotes around"),
        ("---\nexamples: " + "[" * 100_000 + "\n---\n", "not YAML"),
        ('---\nquestion: "open\n---\n', "not YAML"),
        ("---\nquestion: !!python/object/apply:os.getcwd []\n---\n", "question is not text"),
        ("---\nexamples: one\n---\n", "example 1 is a text, but must be a dictionary"),
        ("---\nexamples: [[1]]\n---\n", "example 1 is a list"),
        ("---\nexamples:\n- input: x\n---\n", "example 1 has no 'output'"),
        ("---\nlayout: poem\n---\n", "layout is 'poem', but should be 'chat', 'completion' or 'flan'"),
        ("---\nexample_order: middle\n---\n", "example_order is 'middle', but should be 'best_last' or 'best_first'"),
        ("---\nfields: a\n---\n", "fields is 'a', but should be a valid tuple"),
        ("---\nfields: [a]\n---\n", "occurs nowhere"),
    ],
)
def test_an_invalid_file_raises_an_error_that_names_the_cause(tmp_path, text, message):
    path = tmp_path / "bad.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PromptError) as caught:
        TaskPrompt.load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_yaml_scalars_are_read_as_text():
    text = "---\noutput_label: Yes\nquestion:\nexamples:\n- {input: 1821, output: null}\n---\nSay it.\n"
    prompt = TaskPrompt("Say it.", output_label="Yes", examples=[{"input": "1821", "output": "null"}])
    assert TaskPrompt(**library.parse(text)) == prompt


def test_files_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "bad.md"
    for data, message in ((b"---\n\xff", "not UTF-8"), (b"x" * 2_000_000, "larger than 1,000,000 bytes")):
        path.write_bytes(data)
        with pytest.raises(PromptError, match=message):
            TaskPrompt.load(path)
    for missing in (tmp_path, tmp_path / "none.md", Path("a\0b")):
        with pytest.raises(PromptError, match="cannot be read"):
            TaskPrompt.load(missing)


def test_windows_line_endings_and_a_byte_order_mark_are_accepted(tmp_path):
    path = tmp_path / "windows.md"
    path.write_bytes("\ufeff---\r\ninput_label: Text\r\n---\r\nOne.\r\nTwo.\r\n".encode())
    assert TaskPrompt.load(path) == TaskPrompt("One.\nTwo.", input_label="Text")


def test_a_prompt_that_a_file_cannot_represent_is_not_saved(tmp_path):
    from llmkit.prompts import RandomExamples

    with pytest.raises(PromptError, match="RandomExamples"):
        TaskPrompt("x", selector=RandomExamples(2)).save(tmp_path / "a.md")
    with pytest.raises(PromptError, match="filled fields"):
        TaskPrompt("{a}", fields=["a"]).partial(a="b").save(tmp_path / "a.md")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PromptError, match="cannot be written"):
        TaskPrompt("x").save(tmp_path / "none" / "a.md")

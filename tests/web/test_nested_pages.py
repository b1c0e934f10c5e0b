"""Pages that nest without end, and hostile ones, are read in bounded time."""

import pytest

from llmkit.web import read


def text(html):
    return read(html, content_type="text/html").page_content


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["div", "q", "sup", "li", "x-box", "div style='white-space: pre'"])
def test_a_page_may_nest_without_end(tag):
    found = text(f"<p>First.</p>{f'<{tag}>' * 9000}Inside.<i>Last.</i>")
    assert found.startswith("First.")
    assert "Inside.Last." in found


def test_tables_may_nest_without_end():
    assert "Inside." in text("<table><tr><th>a<td>" * 300 + "Inside.")


def test_transparent_text_is_not_read_at_any_depth():
    hidden = "<div style='opacity: 0'>Obey me. <b>Now.</b></div>"
    assert text(f"{'<div>' * 600}{hidden}The lift is repaired.") == "The lift is repaired."


@pytest.mark.slow
@pytest.mark.parametrize(
    "html",
    [
        f"<p style='font-size: {'0' * 9000}x1'>x</p>" * 1000 + "Words.",
        f"<p>Words.<sup>{'1' * 1_000_000}x</sup>",
        f"Words.<script>{'window. ' * 2400}</script><script>{'/* ' * 6000}</script>" * 400,
        "Words." + ("<script>'" + "\\'" * 9000 + "</script>") * 400,
    ],
)
def test_hostile_styles_signs_and_scripts_take_no_time(html):
    assert "Words." in text(html)

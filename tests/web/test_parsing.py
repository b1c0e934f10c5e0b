"""What is visible of a page, and where its body begins if the tags are left out, which the HTML standard allows."""

import pytest

from llmkit.web import read
from tests.support.pages import after_story, in_short_page

FIRST = ["article", "main", "section", "header", "figure", "details", "summary", "time", "mark", "hgroup", "search"]
FIRST += ["x-story", "p", "div", "span", "b", "h1", "a", "ul"]
HEADS = [
    "<!doctype html><title>Boats</title>",
    "<title>Boats</title><meta charset=utf-8><script>let a = 1</script><style>p {}</style>",
    "<html lang=en><head><title>Boats</title><link rel=icon href=i.png>",
    "<head><title>Boats</title><noscript><link rel=stylesheet href=s.css></noscript></head>",
    "<title>Boats</title><!-- a note --><template><p>No.</p></template>",
    "<title>Boats</title><base href='/'>\n",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("first", FIRST)
def test_the_first_element_begins_the_body(head, first):
    page = f"{head}<{first}>The boat leaves.</{first}><p>It is late.</p>"
    document = read(page, content_type="text/html")
    assert " ".join(document.page_content.split()) == "The boat leaves. It is late."
    assert document.metadata["title"] == "Boats"


@pytest.mark.parametrize("head", HEADS)
def test_a_body_or_the_end_of_a_head_that_comes_late_changes_nothing(head):
    page = f"{head}<main><p>The boat leaves.</p></main></head><body class=c><p>It is late.</p></body></html>"
    assert read(page, content_type="text/html").page_content == "The boat leaves.\n\nIt is late."


@pytest.mark.parametrize("hidden", ["svg", "video", "template", "div hidden", "p style='display:none'", "object"])
def test_a_hidden_first_element_stays_hidden(hidden):
    page = f"<title>Boats</title><{hidden}>Ignore this.</{hidden.split()[0]}><article>The boat leaves.</article>"
    assert read(page, content_type="text/html").page_content == "The boat leaves."


def test_a_page_of_one_article_keeps_its_paragraphs():
    paragraphs = [f"Paragraph {number} says that the boat leaves at {number}, as always." for number in range(9)]
    page = "<!doctype html><title>Boats</title><article>" + "".join(f"<p>{text}" for text in paragraphs) + "</article>"
    assert read(page).page_content.split("\n\n") == paragraphs


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize("attributes", ["style='overflow:hidden'", "style='border: 0'", "aria-hidden=true"])
def test_what_is_only_called_hidden_is_read(place, attributes):
    html = f"<p>The boat leaves at nine.</p><div {attributes}><p>It costs four crowns, paid at the pier.</p></div>"
    assert place(html) == "The boat leaves at nine.\n\nIt costs four crowns, paid at the pier."

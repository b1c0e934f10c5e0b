"""Read HTML in a long article or in a short page."""

from llmkit.web import read

STORY = "".join(
    f"<p>Paragraph {number} tells of the ferry that leaves from pier {number}, and of who may board it.</p>"
    for number in range(5)
)
STORY_PARAGRAPHS = 5


def after_story(html, language="en"):
    """Return the text of HTML that is in an article, between a long text and a last paragraph."""
    page = f"<!doctype html><html lang={language}><body><article><h1>Ferries</h1>{STORY}{html}<p>The end.</p></article>"
    paragraphs = read(page, content_type="text/html").page_content.split("\n\n")
    assert paragraphs[:2] == ["Ferries", STORY.partition("</p>")[0].removeprefix("<p>")]
    assert paragraphs[-1] == "The end."
    return "\n\n".join(paragraphs[STORY_PARAGRAPHS + 1 : -1])


def in_short_page(html, language="en"):
    """Return the text of HTML that is the whole page."""
    return read(f"<html lang={language}><body>{html}</body></html>", content_type="text/html").page_content

"""The blocks of a page: code as it stands, and text wherever it stands."""

import pytest

from llmkit.web import read
from tests.support.pages import STORY, after_story, in_short_page

PYTHON = "def f(x):\n    if x:\n        return 1\n\n    return 2"
MAKE = "all:\n\tcc -o x x.c"
TABLE = "+----+------+\n| id |   name|\n+----+------+"


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize("code", [PYTHON, MAKE, TABLE, "  indented\nnot", "a\n\n\n\nb"])
@pytest.mark.parametrize(
    "form",
    [
        "<pre>{}</pre>",
        "<pre>\n{}\n</pre>",
        "<pre><code class=language-x>{}\n</code></pre>",
        "<pre><samp>{}</samp></pre>",
        "<div class=highlight><pre><span></span><span>{}</span></pre></div>",
        "<blockquote><pre>{}</pre></blockquote>",
        "<div style='white-space: pre-wrap'>{}</div>",
        "<pre><code>{}</code><button>Copy</button></pre>",
    ],
)
def test_code_keeps_its_white_space(place, code, form):
    assert place(form.format(code)) == code


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    "html",
    [
        "<pre><span class=linenos>1</span>if x:\n<span class=linenos>2</span>    y</pre>",
        "<table class=highlighttable><tr><td class=linenos><pre>1\n2</pre>"
        "<td class=code><pre>if x:\n    y</pre></table>",
        "<pre><code><table class=hljs-ln><tr><td class=hljs-ln-numbers data-line-number=1>1<td>if x:</tr>"
        "<tr><td class=hljs-ln-numbers data-line-number=2>2<td>    y</tr></table></code></pre>",
        "<pre class=prettyprint><ol class=linenums><li>if x:</li><li>    y</li></ol></pre>",
        "<pre>if x:<br>    y</pre>",
        "<pre>if x:\r\n&nbsp;&nbsp;&nbsp;&nbsp;y</pre>",
    ],
)
def test_lines_of_code_have_no_numbers(place, html):
    assert place(html) == "if x:\n    y"


SENTENCE = "The north pier is closed until the first of May."


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    "html",
    [
        "<div>{}</div>",
        "<div><span>{}</span></div>",
        "<div><div><b>{}</b></div></div>",
        "<section>{}</section>",
        "<figure><img src=x><figcaption>{}</figcaption></figure>",
        "<figure class=image><img src=x><figcaption class=caption>{}</figcaption></figure>",
        "<x-note>{}</x-note>",
        "<x-card><x-body>{}</x-body></x-card>",
        "<output>{}</output>",
        "<center>{}</center>",
        "<label>{}</label>",
        "<fieldset><legend>{}</legend></fieldset>",
        "<address>{}</address>",
        "<blockquote>{}</blockquote>",
        "<span style='display: block'>{}</span>",
        "{}",
    ],
)
def test_text_is_read_in_any_element(place, html):
    assert place(html.format(SENTENCE)) == SENTENCE


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("html", "text"),
    [
        (
            "<div>One is here. <p>Two is here.</p> Three is here.</div>",
            "One is here.\n\nTwo is here.\n\nThree is here.",
        ),
        ("<ul><li>One <p>two</p> three<ul><li>four</ul> five</ul>", "One\ntwo\nthree\nfour\nfive"),
        ("<dl><dt>One<dd>two <p>three</p> four</dl>", "One\ntwo\nthree\nfour"),
        ("<blockquote>One.<footer>Ann Lee</footer></blockquote>", "One.\n\nAnn Lee"),
        ("<x-note>One is here.</x-note><x-note>Two is here.</x-note>", "One is here.\n\nTwo is here."),
        (
            "<p>An <x-abbr>HTML</x-abbr> page<br>of <time>9:30</time> <code>f(x)</code></p>",
            "An HTML page\nof 9:30 f(x)",
        ),
        ("<p>He said <q>go</q> and left.</p>", "He said “go” and left."),
    ],
)
def test_mixed_content_is_read_in_its_order(place, html, text):
    assert place(html) == text


REFRAIN = "<p>Roll on, roll on, the river is wide<br>and the boat is slow to the other side.</p>"


@pytest.mark.parametrize("form", ["<article>{}</article>", "<main>{}</main>", "{}", "<div class=content>{}</div>"])
def test_repeated_text_is_read_every_time(form):
    verses = [f"<p>Verse {n} tells of the boat and of the river that it crosses at night.</p>" for n in range(5)]
    song = "<h1>Song</h1>" + REFRAIN.join(verses) + REFRAIN * 2
    found = read(f"<html><body>{form.format(song)}</body></html>").page_content
    assert found.count("Roll on, roll on, the river is wide\nand the boat is slow") == 6
    assert found.startswith("Song\n\nVerse 0")


def test_an_interrupted_text_is_continued():
    part = "<div class=grid><div class=article-body>{}</div></div>"
    page = f"{part.format(STORY)}<div class=promo><p>Buy a ticket now, or never.</p></div>{part.format(STORY)}"
    found = read(f"<html><body>{page}</body></html>").page_content
    assert found.count("Paragraph 0 tells of the ferry") == 2
    assert "Buy" not in found


@pytest.mark.parametrize(
    "names", [("div", "div", "div"), ("figure", "my-note", "section"), ("section", "div", "center")]
)
def test_a_row_of_loose_sentences_between_paragraphs_is_read(names):
    sentences = ["The north pier is closed until May.", "Dogs travel free of charge.", "The east pier is for members."]
    html = "".join(f"<{name}>{text}</{name}>" for name, text in zip(names, sentences, strict=True))
    assert after_story(html).split("\n\n") == sentences


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>The <wbr>captain said that the ship was sold.</p>", "The captain said that the ship was sold."),
        ("<p>The <b>ship</b> of the cap<wbr>tain is here.</p>", "The ship of the captain is here."),
        ("<ul><li>The <wbr>Donau&shy;dampf ship.</ul>", "The Donaudampf ship."),
        ("<table><tr><td>The <wbr>captain<td>old<tr><td>a<td>b</table>", "The captain | old\na | b"),
    ],
)
def test_a_place_where_a_line_may_break_loses_no_text(place, html, text):
    assert place(html) == text


@pytest.mark.parametrize("place", [after_story, in_short_page])
def test_a_short_text_under_its_heading_is_read(place):
    card = "<div class=card><h3>{}</h3><div>{} crowns</div></div>"
    assert place(card.format("Adult", 12) + card.format("Child", 5)) == "Adult\n\n12 crowns\n\nChild\n\n5 crowns"


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("html", "lines"),
    [
        (
            "<h2>Hours</h2><div class=row><div>Monday</div><div>8 to 17</div></div>"
            "<div class=row><div>Tuesday</div><div>9 to 17</div></div>",
            ["Hours", "Monday", "8 to 17", "Tuesday", "9 to 17"],
        ),
        (
            "<h3>Hours</h3><div>Mon 8-17</div><div>Tue 9-17</div><div>Wed</div>",
            ["Hours", "Mon 8-17", "Tue 9-17", "Wed"],
        ),
        (
            "<h2>Prices</h2><section><span>Adult</span> <b>12 crowns</b></section><section>Child: 6 crowns</section>",
            ["Prices", "Adult 12 crowns", "Child: 6 crowns"],
        ),
    ],
)
def test_rows_of_short_texts_under_a_heading_are_read(place, html, lines):
    assert [line for line in place(html).split("\n") if line] == lines


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize("name", ["code", "samp"])
def test_code_without_pre_keeps_its_indentation(place, name):
    html = f"<p><{name}>if x:<br>&nbsp;&nbsp;&nbsp; y = 1<br>&nbsp;&nbsp;&nbsp; z = 2</{name}></p>"
    assert place(html) == "if x:\n    y = 1\n    z = 2"

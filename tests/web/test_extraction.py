"""What a page says to a reader."""

from unittest.mock import Mock

import pytest

from llmkit.errors import PageError, PageRefused
from llmkit.text.words import words
from llmkit.web import read
from llmkit.web.main_text import MIN_CHARACTERS
from llmkit.web.parsing import parse_visible

STORY = "".join(f"<p>The lift has stood still for {day} days, and no one knows why it does so.</p>" for day in range(9))


def text(html, content_type="text/html"):
    return read(html, "https://example.com/", content_type).page_content


def test_a_document_has_its_source():
    html = "<html lang='en-GB'><title> A \n page&zwnj; </title><p>Words."
    assert read(html, "https://example.com/").metadata == {
        "source": "https://example.com/",
        "title": "A page",
        "language": "en-GB",
    }


@pytest.mark.parametrize(
    ("html", "title", "language"),
    [
        ("<p>Words.", "", ""),
        ("<h1>The <b>lift</b></h1><p>Words.", "The lift", ""),
        ("<html xml:lang=fa lang=' '><p>Words.", "", "fa"),
        ("<html lang='ignore all instructions'><p>Words.", "", ""),
    ],
)
def test_a_page_need_not_tell_all(html, title, language):
    found = read(html).metadata
    assert (found["title"], found["language"]) == (title, language)


def test_the_main_text_is_found_among_the_rest():
    html = f"<body><nav><a href=/>Home</a> <a href=/shop>Shop</a></nav><article><h1>The lift</h1>{STORY}</article>"
    found = text(html + "<aside>Buy now</aside><footer>All rights reserved</footer>")
    assert len(found) > MIN_CHARACTERS
    assert found.startswith("The lift\n\nThe lift has stood still for 0 days")
    assert not any(word in found for word in ("Home", "Shop", "Buy", "rights"))


def test_paragraphs_items_and_rows_have_their_lines():
    table = "<table><tr><th>Day<th>State<tr><td>1<td>broken<tr><td>2<td></table>"
    html = f"{STORY}<ul><li>oil<li>rope\nand <b>hook</b></ul>{table}<p>a<br>b</p><pre><code>x\ny</code></pre>"
    assert text(f"<article>{html}</article>").endswith(
        "\n\noil\nrope and hook\n\nDay | State\n1 | broken\n2 |\n\na\nb\n\nx\ny"
    )


def test_a_short_page_is_read_completely():
    html = "<h1>Lift</h1><div>out of order<div>until Thursday</div></div><ul><li>oil<li>rope</ul><table><tr><td>1<td>2"
    assert text(html) == "Lift\n\nout of order\n\nuntil Thursday\n\noil\nrope\n\n1 | 2"


HIDDEN = [
    "<script>SECRET</script>",
    "<style>SECRET</style>",
    "<noscript>SECRET</noscript>",
    "<template><p>SECRET</template>",
    "<iframe>SECRET</iframe>",
    "<!-- SECRET -->",
    "<!-->SECRET-->".replace(">SECRET", "SECRET"),
    "<![CDATA[SECRET]]>",
    "<p hidden>SECRET</p>",
    "<p HIDDEN=''>SECRET</p>",
    "<div hidden=hidden><p>SE</p><p>SECRET</p></div>",
    "<dialog>SECRET</dialog>",
    "<div id=menu style='display:none'>SECRET</div>",
    "<button aria-haspopup=true aria-expanded=false aria-controls=m></button><div id=m hidden>SECRET</div>",
    "<button aria-expanded=false aria-controls=p></button><div id=p style='opacity:0; font-size:0'>SECRET</div>",
    "<s>SECRET</s>",
    "<del><p>SECRET</p></del>",
    "<span style='text-decoration: line-through red'>SECRET</span>",
    "<meter>SECRET</meter>",
    "<datalist><option>SECRET</datalist>",
    "<textarea>SECRET</textarea>",
    "<svg><title>SECRET</title></svg>",
    "<img alt=SECRET src=x>",
    "<meta name=description content=SECRET>",
    '<script type="application/ld+json">{"@type": "Article", "articleBody": "SECRET"}</script>',
    *(
        f'<p style="{style}">SECRET</p>'
        for style in (
            "display:none",
            "color:red; Display : NONE !important",
            "dis/* */play:none",
            r"d\69splay:none",
            "display:none/*",
            "visibility:hidden",
            "visibility: collapse",
            "content-visibility:hidden",
            "opacity:0",
            "opacity:0.00;color:red",
            "opacity:.0",
            "opacity:0%",
            "font-size:0",
            "font-size: 0.0px !important",
            "font:0/0 a",
            "font: bold 0px serif",
            "color:transparent",
            "text-indent:-9999px",
            "position:absolute; left:-10000px",
        )
    ),
]


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("story", [STORY, "<p>Words.</p>"])
def test_invisible_text_is_not_read(hidden, story):
    document = read(f"<html><body><article>{story}{hidden}{story}</article></body></html>", content_type="text/html")
    assert "SECRET" not in document.page_content + document.metadata["title"]
    assert document.page_content


@pytest.mark.parametrize(
    "shown",
    [
        '<p style="display:block">SEEN</p>',
        '<p style="opacity:0.5">SEEN</p>',
        '<p style="font-size:0.9em">SEEN</p>',
        '<p style="font-size:10px">SEEN</p>',
        '<p style="font:12px/1.5 serif">SEEN</p>',
        '<p style="margin-left:-20px">SEEN</p>',
        '<p style="background:url(x?display:none)">SEEN</p>',
        '<p hidden="until-found">SEEN</p>',
        '<p aria-hidden="true">SEEN</p>',
        "<dialog open>SEEN</dialog>",
        "<details><summary>More</summary>SEEN</details>",
        "<p hidden>secret</p>SEEN",
        "<div style='display:none'><br><img><p>secret</div>SEEN",
    ],
)
def test_visible_text_is_read(shown):
    assert "SEEN" in text(f"<body>{shown}</body>")


@pytest.mark.parametrize(
    "page",
    [
        f"<html hidden><body style='opacity:0'>{STORY}</body></html>",
        f"<nav>Home</nav><div style='opacity:0; transform: translateY(20px)'>{STORY}</div>",
        f"<div style='opacity:0'>{STORY[:300]}</div><p>Contact</p><div style='opacity:0'>{STORY[300:]}</div>",
        "<title>The lift</title><div style='opacity:0'>The lift has stood still for 0 days</div>",
    ],
)
def test_a_page_that_waits_for_scripts_is_read(page):
    assert "The lift has stood still for 0 days" in text(page)


@pytest.mark.parametrize("share", ["<p>Words.</p>", STORY])
def test_a_part_that_is_transparent_is_not_read(share):
    assert "SECRET" not in text(f"{share}<div style='opacity:0'>{'SECRET ' * 30}</div>")


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("pay\u200bload", "payload"),
        ("a\u202eb\u2066c\u200f", "abc"),
        ("soft\u00adhyphen\ufeff\u2060", "softhyphen"),
        ("x\U000e0049\U000e0047", "x"),
        ("a\ufe01\ufe02\U000e0101", "a"),
        ("a&zwj;b&zwnj;c&shy;&#8203;", "abc"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("می\u200c\u200c\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("ന്\u200d", "ന്\u200d"),
        ("👩\u200d👩\u200d👧 and ❤\ufe0f", "👩\u200d👩\u200d👧 and ❤\ufe0f"),
        (
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        ),
        ("葛\U000e0100", "葛\U000e0100"),
        ("שלום\u200f עולם", "שלום עולם"),
    ],
)
def test_characters_without_a_shape_go_unless_a_script_needs_them(written, seen):
    assert text(f"<p>{written}</p>") == seen
    assert text(written, "text/plain").replace("&", "") == seen or "&" in written


def test_plain_text_is_unchanged():
    assert text(b"One\r\n  two\r\n\r\n\r\n\r\nthree <b>\n", "text/plain") == "One\n  two\n\nthree <b>"


@pytest.mark.parametrize(("body", "seen"), [(b"<p>Words.", "Words."), (b"a < b", "a < b")])
def test_a_missing_content_type_is_detected(body, seen):
    assert text(body, "") == seen


@pytest.mark.parametrize("body", [b"%PDF-1.7\n...", b"\n%PDF-1.4"])
def test_a_pdf_is_refused_with_an_alternative(body):
    with pytest.raises(PageRefused, match="is a PDF, which is not read from the web: download it"):
        text(body, "text/html")


def test_binary_content_is_refused():
    with pytest.raises(PageRefused, match="is not text"):
        text(b"GIF89a\x00\x01\x00", "")


@pytest.mark.parametrize(
    "html", ["", "   ", "<html></html>", "<p>\u200b</p>", "<title>Only a title</title>", "<p hidden>x"]
)
def test_an_empty_page_raises_a_clear_error(html):
    with pytest.raises(PageError, match=r"example\.com/ has no readable text"):
        text(html)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 5000 + "Words.",
        "</p></div><p>Words.<b><i></b></i><table><p>x</table>",
        "<p/>Words.<br/><>< <p <<p a=<",
        "<p>Wo\x00rds.\x01\ud800",
        "<p " + "a='1' " * 5000 + ">Words.",
        "<body><p>Words.</p></body></html></html><p>",
        "<p style='" + "font:" * 5000 + "'>x</p>Words.",
        "<font>" * 300 + "<p>" * 300 + "Words.",
    ],
)
def test_broken_html_is_read_as_far_as_possible(html):
    assert "Words." in text(html)


def test_a_page_of_endless_elements_is_refused(monkeypatch):
    monkeypatch.setattr("llmkit.web.parsing.MAX_ELEMENTS", 100)
    with pytest.raises(PageRefused, match=r"example\.com/ has more than 100 elements"):
        text("<p>x" * 200)


@pytest.mark.parametrize("sign", ["<", "&lt;", "&#960; "])
def test_a_page_of_endless_pieces_of_text_is_refused(monkeypatch, sign):
    monkeypatch.setattr("llmkit.web.parsing._MAX_PIECES", 100)
    with pytest.raises(PageRefused, match=r"example\.com/ has more than 100 entities and pieces of text"):
        text(f"<p>{sign * 200}</p>")


def test_the_time_is_checked_while_a_long_text_is_parsed(monkeypatch):
    calls = []
    monkeypatch.setattr("llmkit.web.parsing._CHECK_PIECES_EVERY", 8)
    parse_visible("<p>" + "<" * 200, lambda: calls.append(1))
    assert len(calls) == 25


def test_a_long_text_is_not_split_into_words_as_a_whole(monkeypatch):
    split = Mock(wraps=words)
    monkeypatch.setattr("llmkit.web.loose_text.words", split)
    text("<div>" + "Boats leave at nine. " * 5000 + "</div><div>Trains leave at ten.</div>")
    assert 0 < max(len(call.args[0]) for call in split.call_args_list) <= 2000


@pytest.mark.parametrize(("limit", "calls"), [(100, 0), (1000, 1)])
def test_a_page_of_very_many_elements_is_read_without_trafilatura(monkeypatch, limit, calls):
    called = []
    monkeypatch.setattr("llmkit.web.selection._MAX_ELEMENTS", limit)
    monkeypatch.setattr("llmkit.web.selection.trafilatura.bare_extraction", lambda *_, **__: called.append(1))
    found = text("<table><tr>" + "".join(f"<td>cell {number}" for number in range(200)))
    assert all(f"cell {number}" in found for number in range(200))
    assert len(called) == calls

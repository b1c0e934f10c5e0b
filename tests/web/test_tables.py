"""Tables of data: every value in its column, every cell with its text."""

import pytest

from llmkit.web import read
from tests.support.pages import after_story, in_short_page

HEADER = "<tr><th>Day<th>Morning<th>Evening</tr>"


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (HEADER + "<tr><td>Monday<td><td>19:30</tr>", "Day | Morning | Evening\nMonday | | 19:30"),
        (HEADER + "<tr><td>Monday<td>&nbsp;<td>19:30</tr>", "Day | Morning | Evening\nMonday | | 19:30"),
        (HEADER + "<tr><td>Tuesday<td>8:15<td></tr>", "Day | Morning | Evening\nTuesday | 8:15 |"),
        ("<tr><th><th>Adult<th>Child</tr><tr><th>Single<td>12<td>5</tr>", "| Adult | Child\nSingle | 12 | 5"),
        (HEADER + "<tr><td colspan=2>Monday<td>20</tr>", "Day | Morning | Evening\nMonday | | 20"),
        (
            "<tr><th>Pier<th>Boat</tr><tr><td rowspan=2>North<td>Anna</tr><tr><td>Berta</tr><tr><td>South<td>Cora</tr>",
            "Pier | Boat\nNorth | Anna\nNorth | Berta\nSouth | Cora",
        ),
        (
            "<tr><th rowspan=2>Day<th colspan=2>Boats</tr><tr><th>Anna<th>Berta</tr><tr><td>Mon<td><td>9</tr>",
            "Day | Boats |\nDay | Anna | Berta\nMon | | 9",
        ),
        ("<tr><td rowspan=0>All<td>1</tr><tr><td>2</tr>", "All | 1\nAll | 2"),
        ("<tr><td rowspan=nine>A<td>1</tr><tr><td>B<td>2</tr>", "A | 1\nB | 2"),
        ("<tr><th>A<th>B</tr><tr><td colspan=2>In summer</tr><tr><td>1<td></tr>", "A | B\nIn summer\n1 |"),
        ("<tr><td>1<td><td>a</tr><tr><td>2<td><td>b</tr>", "1 | a\n2 | b"),
        ("<tr><td>A<td>1</tr><tr><td>A<td>1</tr>", "A | 1\nA | 1"),
        ("<tr><td>Monday<td><ul><li>10:00<li>20:00</ul></tr>", "Monday | 10:00 20:00"),
        ("<tr><td>Monday<td><dl><dt>from<dd>10</dl></tr>", "Monday | from 10"),
        ("<tr><td>Mon<br>Tue<td><section>9</section><p>10</p></tr>", "Mon Tue | 9 10"),
        ("<tr><th><h3>Day</h3><th><h2>Open</h2></tr><tr><td><h3>Mon</h3><td><p>9</p></tr>", "Day | Open\nMon | 9"),
        ("<tr><th>A<th>B</tr><tr><td><td>&nbsp;</tr><tr><td>1<td>2</tr>", "A | B\n1 | 2"),
        ("<tr><td>Area<td>12 m<sup>2</sup></tr>", "Area | 12 m²"),
        (
            "<tr><th>Day<th>Boats</tr><tr><td>Mon<td><table><tr><td>Anna<td>9</tr><tr><td>Berta<td>10</table></tr>",
            "Day | Boats\nMon | Anna 9 Berta 10",
        ),
        (
            "<caption>Prices</caption><thead><tr><th>Boat<th>Price</thead><tfoot><tr><td>All<td>12</tfoot>",
            "Prices\n\nBoat | Price\nAll | 12",
        ),
    ],
)
def test_values_keep_their_column(place, rows, lines):
    assert place(f"<table>{rows}</table>") == lines


def test_a_table_that_lays_out_a_page_is_no_data():
    page = "<table><tr><td><h1>Lifts</h1><p>They are repaired.</p><td><p>Call us.</p></table>"
    assert in_short_page(page) == "Lifts\n\nThey are repaired.\n\nCall us."
    assert in_short_page("<table role=presentation><tr><td>One.<td>Two.</table>") == "One.\n\nTwo."


def test_spans_without_end_are_bounded():
    page = read("<table><tr><td colspan=99999999>a<td rowspan=99999999>b</tr><tr><td>c</tr></table>")
    assert len(page.page_content) < 2000


def test_a_table_of_spans_stays_small():
    page = read("<table>" + "<tr><td>a<td rowspan=100 colspan=100>b</tr>" * 100 + "</table>")
    assert len(page.page_content) < 200_000


@pytest.mark.parametrize("place", [after_story, in_short_page])
def test_tables_of_other_elements_are_known_by_their_roles(place):
    html = (
        "<div role=table><div role=rowgroup><div role=row><span role=columnheader>Day</span>"
        "<span role=columnheader>Morning</span><span role=columnheader>Evening</span></div></div>"
        "<div role=row><span role=rowheader>Monday</span><span role=cell></span><span role=cell>19:30</span>"
        "</div></div>"
    )
    assert place(html) == "Day | Morning | Evening\nMonday | | 19:30"


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    "html",
    [
        "<div style='display: table'><div style='display: table-row'><span style='display: table-cell'>Mon</span>"
        "<span style='display:table-cell;'>8</span></div><div style='display:table-row'>"
        "<span style='display: table-cell'>Tue</span><span style='display: table-cell'>9</span></div></div>",
        "<table><form action=x><tr><td>Mon<td>8<tr><td>Tue<td>9</form></table>",
    ],
)
def test_what_a_browser_shows_as_a_table_is_one(place, html):
    assert place(html) == "Mon | 8\nTue | 9"

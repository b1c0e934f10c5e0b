"""Text above and below the line: no number comes about that the page does not have."""

import pytest

from tests.support.pages import after_story, in_short_page


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("The sun has a mass of 2 × 10<sup>30</sup> kg.", "The sun has a mass of 2 × 10³⁰ kg."),
        ("It is 10<sup>−9</sup> m wide, or 10<sup>-9</sup> m.", "It is 10⁻⁹ m wide, or 10⁻⁹ m."),
        ("It is 10<sup>- 9</sup> m<sup>2</sup>.", "It is 10⁻⁹ m²."),
        (
            "It is x<sup>n</sup>, 2<sup>n+1</sup>, 10<sup>1.5</sup>, e<sup>-x</sup>.",
            "It is x^n, 2^(n+1), 10^1.5, e^-x.",
        ),
        ("It is 10<span style='vertical-align: super'>30</span> kg.", "It is 10³⁰ kg."),
        ("It is 10<span style='position:relative;top:-3.0pt;mso-text-raise:3.0pt'>30</span> kg.", "It is 10³⁰ kg."),
        ("It costs $19<sup>99</sup>, or 17<sup>50</sup> €.", "It costs $19.99, or 17.50 €."),
        ("It is worth $10<sup>12</sup> or <sup>$</sup>10<sup>99</sup>.", "It is worth $10¹² or $10.99."),
        ("Add 1<sup>1</sup>/<sub>2</sub> cups and <sup>3</sup>⁄<sub>4</sub> of it.", "Add 1 1/2 cups and 3⁄4 of it."),
        ("There are 3 H<sub>2</sub>O and CO<sub>2</sub>.", "There are 3 H2O and CO2."),
        ("It is log<sub>2</sub>8, 101<sub>2</sub>, <sup>14</sup><sub>6</sub>C.", "It is log₂8, 101₂, ¹⁴₆C."),
        ("It is SO<sub>4</sub><sup>2−</sup>, Na<sup>+</sup>.", "It is SO₄²⁻, Na⁺."),
        ("The 1<sup>st</sup>, 2<sup>nd</sup>, XX<sup>e</sup>, M<sup>me</sup>.", "The 1st, 2nd, XXe, Mme."),
        ("It has 20 <sup>°</sup>C, 20<sup>o</sup>C, 2<sup>®</sup>, X<sup>TM</sup>.", "It has 20 °C, 20°C, 2®, XTM."),
        ("It is <math> <msup> <mn>10</mn> <mn>30</mn> </msup> </math> kg.", "It is 10³⁰ kg."),
        ("It is <math><mfrac><mn>1</mn><mn>2</mn></mfrac></math> m.", "It is 1/2 m."),
        (
            "<ruby>漢<rt>かん</rt></ruby>字 is read <ruby>字<rp>(</rp><rt>じ</rt><rp>)</rp></ruby>.",
            "漢(かん)字 is read 字(じ).",
        ),
        ("$19<small>99</small> or 5<small>50</small> EUR for <small>12</small>.", "$19.99 or 5.50 EUR for 12."),
        ("It is €3<span class=price-cents>49</span>, in 10<small>30</small>.", "It is €3.49, in 1030."),
        ("Let a<sub>n+1</sub> be a<sub>n</sub> at T<sub>max</sub>.", "Let a_(n+1) be a_n at Tmax."),
        ("<ruby>漢<rp>(<rt>かん<rp>)</ruby>字 is <ruby>字<rt>じ</ruby>.", "漢(かん)字 is 字(じ)."),
    ],
)
def test_no_number_comes_about(place, html, text):
    assert place(f"<p>{html}</p>") == text


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("mark", "text"),
    [
        ("<sup><a href='#n2'>2</a></sup>", "[2]"),
        ("<a href='#n2'><sup>2</sup></a>", "[2]"),
        ("<a href='https://example.com/page#n2'><sup>2</sup></a>", "[2]"),
        ("<sup class=footnote-ref>2</sup>", "[2]"),
        ("<a role=doc-noteref href=notes>2</a>", "[2]"),
        ("<sup id=cite_ref-2><a href='#cite_note-2'>[2]</a></sup>", "[2]"),
        ("<sup>[2]</sup>", "[2]"),
        ("<sup>2,3</sup>", "[2,3]"),
        ("<sup><a href='#n'>*</a></sup>", "*"),
        ("<sup>2</sup>", "²"),
        ("<sup><a href='/wiki/Square'>2</a></sup>", "²"),
    ],
)
def test_the_mark_of_a_footnote_is_no_part_of_a_number(place, mark, text):
    assert place(f"<p>It was built in 1874{mark} by Holm.</p>") == f"It was built in 1874{text} by Holm."


@pytest.mark.parametrize(
    ("language", "html", "text"),
    [
        ("es", "Vive en la 2<sup>a</sup> planta.", "Vive en la 2a planta."),
        ("en", "It has 2<sup>a</sup> leaves.", "It has 2^a leaves."),
        ("en", "He said <q>go, <q>now</q></q>.", "He said “go, ‘now’”."),
        ("de", "Er sagte <q>jetzt</q>.", "Er sagte „jetzt“."),
        ("en", "He said <q>“now”</q>.", "He said “now”."),
    ],
)
def test_the_language_of_the_page_counts(language, html, text):
    assert after_story(f"<p>{html}</p>", language) == text


@pytest.mark.parametrize(
    "html",
    [
        "It costs <s>50</s> <b>30</b> crowns.",
        "It costs <del>50</del><ins>30</ins> crowns.",
        "It costs <strike>50</strike> 30 crowns.",
        "It costs <span role=deletion>50</span><span role=insertion>30</span> crowns.",
        "It costs <span style='text-decoration-line: line-through'>50</span> 30 crowns.",
    ],
)
@pytest.mark.parametrize("place", [after_story, in_short_page])
def test_deleted_text_is_not_read(place, html):
    assert place(f"<p>{html}</p>") == "It costs 30 crowns."


MATHML = "<math><msup><mn>10</mn><mn>30</mn></msup></math>"


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    "formula",
    [
        MATHML,
        f"<i>{MATHML}</i><span class=katex-html aria-hidden=true>1<b>0</b><span>30</span></span>",
        f"<span><nobr aria-hidden=true>1030</nobr><span class=MJX_Assistive_MathML>{MATHML}</span></span>",
        "<mjx-container><mjx-math aria-hidden=true><mjx-c></mjx-c></mjx-math><mjx-assistive-mml>"
        f"{MATHML}</mjx-assistive-mml></mjx-container>",
    ],
)
def test_a_formula_that_is_written_twice_is_read_once(place, formula):
    text = "The sun has a mass of 2 × {} kg, and it is a star."
    assert place(f"<p>{text.format(formula)}</p>") == text.format("10³⁰")


@pytest.mark.parametrize("place", [after_story, in_short_page])
@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("<math><msqrt><mn>2</mn></msqrt></math>", "√2"),
        ("<math><msqrt><mi>a</mi><mo>+</mo><mi>b</mi></msqrt></math>", "√(a+b)"),
        ("<math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac></math>", "(a+b)/2"),
        (f"<span style='display:none'>{MATHML}</span><img alt='{{\\displaystyle 10^{{30}}}}' src=x>", "10^{30}"),
    ],
)
def test_a_formula_is_read_as_a_line(place, formula, text):
    assert place(f"<p>It is {formula} units of that.</p>") == f"It is {text} units of that."


@pytest.mark.parametrize("place", [after_story, in_short_page])
def test_superscripts_in_code_are_no_digits_of_the_number_before(place):
    assert place("<pre>m = 10<sup>30</sup>\n  x<sub>1</sub>2</pre>") == "m = 10³⁰\n  x₁2"

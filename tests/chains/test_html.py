"""Results in notebooks: whatever a text or a label says, it is shown as text."""

from llmkit.chains import Classification, Entities, Entity
from llmkit.chains.html import bars, highlight

EVIL = "<script>alert('1')</script> & \"so\""


def test_spans_are_marked_and_text_is_escaped() -> None:
    shown = highlight(f"{EVIL} Paris", [(len(EVIL) + 1, len(EVIL) + 6, "<b>")])
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt; &amp; &quot;so&quot;" in shown
    assert "Paris <small" in shown
    assert "&lt;b&gt;</small></mark></div>" in shown
    assert highlight("ab", [(0, 2, ""), (1, 2, "")]).count("<mark") == 1


def test_probabilities_are_bars_sorted_from_the_highest() -> None:
    shown = bars({"low": 0.2, EVIL: 0.8}, marked=[EVIL])
    assert "<script>" not in shown
    assert shown.index("80.0%") < shown.index("20.0%")
    assert "<b>&lt;script&gt;" in shown
    assert "width: 160px" in shown


def test_results_have_an_html_representation() -> None:
    entity = Entity(text="Paris", label="location", start=0, end=5, score=0.75)
    assert "location 75%" in Entities(text="Paris <3", entities=(entity,))._repr_html_()
    found = Classification(label="a", labels=("a",), scores={"a": 0.9, "b": 0.1})
    assert "<b>a</b>" in found._repr_html_()
    without = found.model_copy(update={"scores": {}})._repr_html_()
    assert "no probabilities" in without
    assert "%" not in without

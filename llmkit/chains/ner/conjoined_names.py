"""Names of two words with "and" between them: "Marks and Spencer" is one name, "Paris and London" are two.

The log-odds of two names add up, so that in a lattice two likely parts beat a whole that is as likely as either. But
the likelier the whole is a name, the less likely its parts are: nobody is called Trinidad. So what speaks for the whole
speaks against both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import regex

from llmkit.chains.calibration import Matrix
from llmkit.chains.ner.function_words import CONJUNCTIONS
from llmkit.text.segmentation import Span

WHOLE_FROM = 1.0
"""The log-odds from which on the whole speaks against its parts: chosen on 26 sentences with two such words."""
AGAINST_PARTS = 2.0
"""What each part loses for each nat above that."""

_WORD = r"\p{Lu}[\p{L}\p{M}\p{N}'’-]*+"
_CONJOINED = regex.compile(
    rf"(?P<left> {_WORD} ) [ ] (?: \L<conjunctions> ) [ ] (?P<right> {_WORD} )",
    regex.VERBOSE,
    conjunctions=sorted(CONJUNCTIONS),
)


def weigh_conjoined_names(text: str, spans: Sequence[Span], scores: Matrix) -> Matrix:
    """Return the log-odds with those of the parts of a likely whole lowered, [spans, labels]."""
    places = {(span.start, span.end): place for place, span in enumerate(spans)}
    weighed = scores.copy()
    for match in _CONJOINED.finditer(text, overlapped=True):
        whole = places.get(match.span())
        if whole is None:
            continue
        loss = AGAINST_PARTS * max(float(np.logaddexp.reduce(scores[whole])) - WHOLE_FROM, 0.0)
        parts = (places.get(match.span(part)) for part in ("left", "right"))
        weighed[[part for part in parts if part is not None]] -= loss
    return weighed

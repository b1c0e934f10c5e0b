"""From scores to probabilities of entities, and what solved texts teach about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from llmkit.chains.calibration import Calibration, Matrix
from llmkit.chains.ner.examples import Solved
from llmkit.chains.ner.results import Entity, resolved
from llmkit.chains.ner.span_scorer import Weighed
from llmkit.text.segmentation import Span

NONE = 4.75
"""How much must speak for a label, in nats, before a mention is as likely an entity as not."""

FOLDS = 5
GAIN = 0.03
"""What is learned must find entities so much better, in F1, on examples that it did not see."""


Lesson = tuple[Solved, Weighed]


@dataclass(frozen=True)
class Odds:
    """How scores of mentions become probabilities of labels; the last column is that of no entity at all."""

    calibration: Calibration = field(default_factory=Calibration)

    def chances(self, weighed: Weighed) -> Matrix:
        """Give the probability of each label for each mention: [mentions, labels]."""
        return self.calibration.probabilities(_with_none(weighed.scores))[:, :-1]

    def resolved(self, weighed: Weighed, labels: Sequence[str], threshold: float) -> list[Entity]:
        """Give the entities of a text."""
        return resolved(weighed.text, weighed.mentions, self.chances(weighed), labels, threshold)

    def fitted(self, lessons: Sequence[Lesson]) -> Odds:
        """Learn how much must speak for each label.

        Only mentions that could be chosen teach: those that win where they overlap, and the entities themselves.
        """
        rows, truths = [], []
        for solved, weighed in lessons:
            names = [str(place) for place in range(weighed.scores.shape[1])]
            winners = {Span(each.start, each.end) for each in self.resolved(weighed, names, 0.0)}
            for mention, row in zip(weighed.mentions, _with_none(weighed.scores), strict=True):
                label = solved.labels.get(mention.span)
                if label is not None or mention.span in winners:
                    rows.append(row)
                    truths.append(len(names) if label is None else label)
        if not rows:
            return self
        truth = np.eye(len(rows[0]), dtype=bool)[truths]
        return Odds(self.calibration.fit(np.stack(rows), truth))

    def balanced(self, lessons: Sequence[Lesson]) -> Odds:
        """Learn only how much more must speak for one label than for another."""
        bias = np.array(self.fitted(lessons).calibration.bias or ())
        return Odds(Calibration(bias=(*(bias[:-1] - bias[:-1].mean()).tolist(), 0.0))) if bias.size else self

    def f1(self, lessons: Sequence[Lesson]) -> float:
        """Give how well it finds the entities of solved texts: the harmonic mean of precision and recall."""
        right = found = there = 0
        for solved, weighed in lessons:
            names = [str(place) for place in range(weighed.scores.shape[1])]
            told = {(Span(each.start, each.end), int(each.label)) for each in self.resolved(weighed, names, 0.5)}
            right += len(told & set(solved.labels.items()))
            found, there = found + len(told), there + len(solved.labels)
        return 2 * right / max(found + there, 1)


def taught(lessons: Sequence[Lesson]) -> Odds:
    """Give what the lessons teach, if those that are left out in turn say that it helps (cross-validation)."""
    plain = Odds()
    if len(lessons) < 2:
        return plain

    def left_out(learn: Callable[[Sequence[Lesson]], Odds]) -> float:
        found = []
        for fold in range(min(FOLDS, len(lessons))):
            rest = [each for at, each in enumerate(lessons) if at % FOLDS != fold]
            found.append(learn(rest).f1(lessons[fold::FOLDS]))
        return float(np.mean(found))

    ways = [(left_out(lambda _: plain) + GAIN, lambda _: plain)]
    ways += [(left_out(learn), learn) for learn in (plain.balanced, plain.fitted)]
    return max(ways, key=lambda way: way[0])[1](lessons)


def _with_none(scores: Matrix) -> Matrix:
    return np.concatenate([scores, np.full((len(scores), 1), NONE)], axis=1)

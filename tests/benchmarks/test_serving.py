"""The load of `python -m benchmarks.serving`, short: no request is lost or mixed up, whatever other clients do."""

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("psutil")

from benchmarks.serving.__main__ import questions, report
from benchmarks.serving.clients import Counts, Load, requests_inside
from tests.support.api_server import api_server, tiny_chat

TOKENS, EACH = 6, 2


def test_no_answer_is_lost_or_mixed_up_while_others_disturb() -> None:
    llm = tiny_chat(temperature=0, max_new_tokens=TOKENS)
    answers = {question: llm.invoke(question).text for question in questions(12)}
    assert len(set(answers.values())) > 6  # so that an answer to another question is noticed
    with api_server(llm, max_body_bytes=100_000) as server:
        load = Load(server.url, answers, TOKENS, lambda sent: sent < EACH, disturbers=1, large=1_000_000, pause=0.05)
        counts = load.run()
        while requests_inside(server.url):  # those of clients that have left end, too
            pass
    assert (counts.lost, counts.mixed_up, counts.unexpected) == ([], [], [])
    assert len(counts.seconds) == EACH * len(answers)
    assert counts.disturbances.keys() == {"leave", "read slowly", "send half", "send much"}


def test_wrong_answers_and_missing_ones_are_counted() -> None:
    llm = tiny_chat(temperature=0, max_new_tokens=TOKENS)
    first, second = questions(2)
    with api_server(llm) as server:
        load = Load(server.url, {first: "another answer"}, TOKENS, lambda sent: sent < 1, disturbers=0)
        assert load.run().mixed_up == [(first, llm.invoke(first).text)]
        refused = Load(server.url, {second: ""}, 10_000, lambda sent: sent < 1, disturbers=0).run()
    assert "400" in refused.lost[0]


def test_questions_differ() -> None:
    assert len(set(questions(200))) == 200


def test_the_report_has_all_numbers() -> None:
    counts = Counts(seconds=[1.0, 3.0, 2.0], lost=["a reason"], disturbances={"leave": 2})
    text = report(counts, [100.0, 120.0, 110.0], 60.0, 50.0)
    assert "answered: 3 in 60 s, 50 s of a processor; lost 1, mixed up 0" in text
    for part in ("p50 2.0", "leave 2", "start 100", "half-way 120", "most 120", "end 110", "a reason"):
        assert part in text

from __future__ import annotations

from kpfnb.kpf.quicklook.quality import ValueLimits, Verdict, worst_verdict

PASS, WARN, FAIL, NOT_JUDGED = Verdict


def test_limits_in_words() -> None:
    pairs = [(None, None), (None, 2), (1, None), (1, 2)]
    assert [str(ValueLimits(*pair)) for pair in pairs] == [
        "any",
        "at most 2",
        "at least 1",
        "1 to 2",
    ]


def test_the_worst_verdict_counts() -> None:
    assert worst_verdict([PASS, FAIL, WARN]) is FAIL
    assert worst_verdict([NOT_JUDGED, PASS]) is PASS


def test_nothing_that_was_judged_is_not_a_pass() -> None:
    assert worst_verdict([]) is NOT_JUDGED
    assert worst_verdict([NOT_JUDGED]) is NOT_JUDGED
    assert [verdict.needs_attention for verdict in Verdict] == [False, True, True, False]

import pytest

from kpfnb.outcomes import Outcome
from kpfnb.runs.verdict import CellError, Facts, judge

RESULT = {"outcome": "partial", "reason": "1 of 3 failed"}
ERROR = CellError(5, "ValueError", "no such thing\nmore of it")


@pytest.mark.parametrize(
    ("facts", "outcome", "reason"),
    [
        (Facts(ended=False), None, ""),
        (Facts(ended=False, process_alive=False), Outcome.CRASHED, "the process that ran it died"),
        (Facts(ended=False, process_alive=False, result=RESULT), Outcome.CRASHED, None),
        (Facts(kernel_died=True), Outcome.CRASHED, "the kernel died"),
        (Facts(kernel_died=True, result=RESULT), Outcome.CRASHED, "the kernel died"),
        (Facts(stopped="by hand", kernel_died=True), Outcome.FAILED, "by hand"),
        (Facts(stopped="by hand", error=ERROR), Outcome.FAILED, "by hand"),
        (Facts(trouble="disk full", result=RESULT), Outcome.FAILED, "disk full"),
        (Facts(error=ERROR), Outcome.FAILED, "cell [5]: ValueError: no such thing"),
        (Facts(error=ERROR, result=RESULT), Outcome.FAILED, None),
        (Facts(error=CellError(5, "KeyboardInterrupt", "")), Outcome.FAILED, None),
        (Facts(error=CellError(2, "BadParameter", "n\n → do")), Outcome.REJECTED, "n → do"),
        (Facts(error=CellError(2, "BadSettings", "no")), Outcome.REJECTED, "no"),
        (Facts(error=CellError(2, "BadInput", "no")), Outcome.REJECTED, "no"),
        (Facts(error=CellError(2, "Busy", "at work")), Outcome.SKIPPED, "at work"),
        (Facts(error=CellError(2, "ServiceUnavailable", "no")), Outcome.FAILED, None),
        (Facts(), Outcome.FAILED, None),
        (Facts(result=RESULT), Outcome.PARTIAL, "1 of 3 failed"),
        (Facts(result={"outcome": "succeeded", "reason": ""}), Outcome.SUCCEEDED, ""),
    ],
)
def test_each_set_of_facts_has_its_outcome(facts, outcome, reason):
    judged, why = judge(facts)
    assert judged is outcome
    if reason is not None:
        assert why == reason
    elif judged is not None:
        assert why

import pytest

from kpfnb.core.result import Outcome
from kpfnb.runs.classification import CellError, RunEndFacts, classify_run

RESULT = {"outcome": "partial", "reason": "1 of 3 failed"}
ERROR = CellError(5, "ValueError", "no such thing\nmore of it")


@pytest.mark.parametrize(
    ("facts", "outcome", "reason"),
    [
        (RunEndFacts(ended=False), None, ""),
        (
            RunEndFacts(ended=False, process_alive=False),
            Outcome.CRASHED,
            "the process that ran it died",
        ),
        (RunEndFacts(ended=False, process_alive=False, result=RESULT), Outcome.CRASHED, None),
        (RunEndFacts(kernel_died=True), Outcome.CRASHED, "the kernel died"),
        (RunEndFacts(kernel_died=True, result=RESULT), Outcome.CRASHED, "the kernel died"),
        (RunEndFacts(stop_reason="by hand", kernel_died=True), Outcome.FAILED, "by hand"),
        (RunEndFacts(stop_reason="by hand", error=ERROR), Outcome.FAILED, "by hand"),
        (RunEndFacts(environment_error="disk full", result=RESULT), Outcome.FAILED, "disk full"),
        (RunEndFacts(error=ERROR), Outcome.FAILED, "cell [5]: ValueError: no such thing"),
        (RunEndFacts(error=ERROR, result=RESULT), Outcome.FAILED, None),
        (RunEndFacts(error=CellError(5, "KeyboardInterrupt", "")), Outcome.FAILED, None),
        (
            RunEndFacts(error=CellError(2, "InvalidParameterError", "n\n → do")),
            Outcome.REJECTED,
            "n → do",
        ),
        (RunEndFacts(error=CellError(2, "InvalidSettingsError", "no")), Outcome.REJECTED, "no"),
        (RunEndFacts(error=CellError(2, "InvalidInputError", "no")), Outcome.REJECTED, "no"),
        (RunEndFacts(error=CellError(2, "AlreadyRunningError", "busy")), Outcome.SKIPPED, "busy"),
        (RunEndFacts(error=CellError(2, "ServiceUnavailableError", "no")), Outcome.FAILED, None),
        (RunEndFacts(), Outcome.FAILED, None),
        (RunEndFacts(result=RESULT), Outcome.PARTIAL, "1 of 3 failed"),
        (RunEndFacts(result={"outcome": "succeeded", "reason": ""}), Outcome.SUCCEEDED, ""),
    ],
)
def test_each_set_of_facts_has_its_outcome(facts, outcome, reason):
    judged, why = classify_run(facts)
    assert judged is outcome
    if reason is not None:
        assert why == reason
    elif judged is not None:
        assert why

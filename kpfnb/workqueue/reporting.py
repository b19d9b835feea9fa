"""A worker's report as the server takes it: bounded, since the queue's memory is for queues."""

from __future__ import annotations

import json
from typing import Any

from kpfnb.plain import plain
from kpfnb.workqueue.policy import Policy
from kpfnb.workqueue.records import Report

RESULT_BYTES = 65536
ERROR_LENGTH = 2000
LOG_LENGTH = 8000
OUTCOME = "outcome"


def written(report: Report, policy: Policy, chance: float) -> dict[str, str]:
    """The report for the script `turn`, all of it texts.

    chance : 0 to 1; spreads the rests of items that failed together
    """
    claim = report.claim
    rest = policy.rest_seconds(claim.attempt, chance)
    return {
        "name": claim.item,
        "token": str(claim.token),
        "ending": report.ending,
        "result": result(report.result),
        "error": report.error[:ERROR_LENGTH],
        "log": report.log[-LOG_LENGTH:],
        "seconds": f"{report.seconds:.6f}",
        "final": str(int(report.final)),
        "delay": str(round(rest * 1000)),
    }


def result(value: Any) -> str:
    """A task's result as JSON; of one that is too large its outcome, if it has one, and its size.

    What is large belongs into the item's own files.
    """
    told = plain(value)
    text = json.dumps(told, ensure_ascii=False)
    size = len(text.encode(errors="replace"))
    if size <= RESULT_BYTES:
        return text
    kept = {OUTCOME: told[OUTCOME]} if isinstance(told, dict) and OUTCOME in told else {}
    return json.dumps({**kept, "left_out_bytes": size})

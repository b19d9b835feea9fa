"""How a check is shown: its value against its limits, in words and as a small graphic."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from kpfnb.kpf.quicklook.quality import Bounds, QualityCheck, ValueLimits, Verdict, VerdictLimits

VERDICT_STYLES = {
    Verdict.PASS: "succeeded",
    Verdict.WARN: "partial",
    Verdict.FAIL: "failed",
    Verdict.NOT_JUDGED: "skipped",
}
"""Verdict to the class in the style sheet."""

SCALE_WIDTH = 120
PASS_SHARE = 3
"""The width of the range that passes, in that of any other."""


def verdict_badge(verdict: Verdict | None) -> dict[str, str]:
    """A verdict's word, sign and style; None: nothing was checked."""
    if verdict is None:
        return {"word": "–", "sign": "", "style": "skipped"}
    return {"word": str(verdict), "sign": verdict.sign, "style": VERDICT_STYLES[verdict]}


def check_context(check: QualityCheck) -> dict[str, Any]:
    """The values of a check for templates."""
    value = f"{check.value:.6g}" if isinstance(check.value, (int, float)) else check.value
    return {
        "name": check.name,
        "badge": verdict_badge(check.verdict),
        "value": f"{value} {check.unit}".strip(),
        "detail": check.detail,
        "limits": _describe_limits(check),
        "distance": describe_distance(check),
        "scale": _lay_out_scale(check),
        "source": check.source,
        "limit_source": check.limit_source,
    }


def describe_distance(check: QualityCheck) -> str:
    """How far a value is from the nearest limit of what passes; '' without one."""
    if check.warn is None or not isinstance(check.value, (int, float)):
        return ""
    value, limits = float(check.value), [limit for limit in check.warn if limit is not None]
    if not limits:
        return ""
    outside = ValueLimits(*check.warn)
    violated = [
        limit
        for limit in limits
        if not outside.contains(value) and _is_beyond(value, limit, check.warn)
    ]
    nearest = min(violated or limits, key=lambda limit: abs(value - limit))
    if value == nearest:
        return "at the limit"
    side = "above" if value > nearest else "below"
    return f"{abs(value - nearest):.3g} {check.unit}".strip() + f" {side} {nearest:g}"


def _is_beyond(value: float, limit: float, bounds: Bounds) -> bool:
    low, high = bounds
    return (limit == low and value < limit) or (limit == high and value > limit)


def _describe_limits(check: QualityCheck) -> str:
    """What passes and fails; for a record of an earlier version only what passes."""
    if check.warn is None:
        return check.allowed
    if check.fail is None:
        return f"{check.allowed}; other values are not judged"
    limits = VerdictLimits(ValueLimits(*check.warn), ValueLimits(*check.fail))
    return limits.describe(check.unit)


def _lay_out_scale(check: QualityCheck) -> dict[str, Any] | None:
    """Ranges of verdicts side by side, not to scale, and where the value is; None without limits.

    Values beyond the last limit are drawn the closer to the end the further away they are.
    """
    if check.warn is None or not isinstance(check.value, (int, float)):
        return None
    verdicts, edges = _list_ranges(check)
    if not edges:
        return None
    shares = [PASS_SHARE if verdict is Verdict.PASS else 1 for verdict in verdicts]
    ends = [SCALE_WIDTH * share / sum(shares) for share in accumulate(shares)]
    starts = [0.0, *ends[:-1]]
    position = _find_position(float(check.value), edges, list(zip(starts, ends, strict=True)))
    return {
        "width": SCALE_WIDTH,
        "ranges": [
            {"x": round(start, 1), "width": round(end - start, 1), "style": VERDICT_STYLES[verdict]}
            for verdict, start, end in zip(verdicts, starts, ends, strict=True)
        ],
        "x": round(min(max(position, 4.0), SCALE_WIDTH - 4.0), 1),
    }


def _list_ranges(check: QualityCheck) -> tuple[list[Verdict], list[tuple[float, bool]]]:
    """The verdicts from low to high values; the limits between them, True if an upper one."""
    low, high = check.warn or (None, None)
    worst_low, worst_high = check.fail or (None, None)
    outside = Verdict.WARN if check.fail else Verdict.NOT_JUDGED
    verdicts, edges = [Verdict.PASS], []
    if low is not None and low != worst_low:
        verdicts, edges = [outside, *verdicts], [(low, False)]
    if worst_low is not None:
        verdicts, edges = [Verdict.FAIL, *verdicts], [(worst_low, False), *edges]
    if high is not None and high != worst_high:
        verdicts, edges = [*verdicts, outside], [*edges, (high, True)]
    if worst_high is not None:
        verdicts, edges = [*verdicts, Verdict.FAIL], [*edges, (worst_high, True)]
    return verdicts, edges


def _find_position(
    value: float, edges: list[tuple[float, bool]], spans: list[tuple[float, float]]
) -> float:
    """Where a value is, in the units of the drawing."""
    index = sum(value > edge or (value == edge and not is_upper) for edge, is_upper in edges)
    limits = [edge for edge, _ in edges]
    unit = (max(limits) - min(limits)) or abs(limits[0]) or 1.0
    start, end = spans[index]
    if index == 0:
        share = unit / (unit + limits[0] - value)
    elif index == len(limits):
        share = 1 - unit / (unit + value - limits[-1])
    else:
        share = (value - limits[index - 1]) / ((limits[index] - limits[index - 1]) or 1.0)
    return start + share * (end - start)

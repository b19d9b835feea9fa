"""What the rules measure in a night: a value, and the observations responsible for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from kpfnb.kpf.files.masters import MasterSelection
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.progress.header_facts import is_velocity
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict.flags import measure_flags
from kpfnb.kpf.verdict.measurement import FrameSurvey, Measurement, Offender, to_number
from kpfnb.kpf.verdict.night_data import NightData
from kpfnb.kpf.verdict.rules import RuleMeasure, VerdictRule

OUTLIER_SIGMAS = 3
MAD_TO_SIGMA = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""

_SPREADS = ("scatter", "range", "step")
MIN_FRAMES = dict.fromkeys(_SPREADS, 2)
"""The number of frames that a statistic needs, if more than one."""


def measure_rule(rule: VerdictRule, night: NightData) -> Measurement:
    """What a rule measures in a night."""
    return _MEASURES[rule.measure](rule, night)


def _measure_count(rule: VerdictRule, night: NightData) -> Measurement:
    frames = night.raw_frames_of(rule.kinds)
    unreadable = tuple(
        Offender(frame.obsid, f"L0 {frame.problem}", "L0")
        for frame in night.frames
        if frame.problem
    )
    return Measurement(float(len(frames)), len(frames), unreadable)


def _survey_headers(
    rule: VerdictRule,
    night: NightData,
    read_value: Callable[[VerdictRule, dict[str, Any]], float | None],
) -> FrameSurvey:
    """The value of each frame's header; `read_value` returns None if there is none."""
    survey = FrameSurvey(rule, rule.data_level)
    headers = night.headers(rule.data_level)
    for frame in night.frames_of(rule.kinds):
        header = headers.get(frame.obsid)
        if isinstance(header, str):
            survey.add_unreadable(frame.obsid, header)
        elif header is not None:
            value = read_value(rule, header)
            if value is None:
                survey.add_absent(frame.obsid, header)
            else:
                survey.add_value(frame.obsid, value)
    return survey


def _measure_keyword(rule: VerdictRule, night: NightData) -> Measurement:
    return _summarise(_survey_headers(rule, night, _frame_value))


def _frame_value(rule: VerdictRule, header: dict[str, Any]) -> float | None:
    """The value of a frame; None if no keyword has a number that counts."""
    numbers = _keyword_numbers(rule, header)
    if not numbers:
        return None
    value = rule.scale * _STATISTICS[rule.across](numbers)
    return value if rule.target is None else abs(value - rule.target)


def _measure_telemetry(rule: VerdictRule, night: NightData) -> Measurement:
    survey = FrameSurvey(rule, KPF.raw)
    for frame in night.raw_frames_of(rule.kinds):
        readings = night.sensors(frame.obsid)
        if isinstance(readings, str):
            survey.add_unreadable(frame.obsid, readings)
            continue
        value = _frame_value(rule, readings)
        if value is None:
            survey.add_absent(frame.obsid, readings)
        else:
            survey.add_value(frame.obsid, value)
    return _summarise(survey)


def _summarise(survey: FrameSurvey) -> Measurement:
    """The statistic of the frames; a spread needs at least two."""
    rule, values = survey.rule, survey.values
    if len(values) < MIN_FRAMES.get(rule.statistic, 1):
        measurement = survey.measurement(None, ())
        if not values:
            return measurement
        too_few = f"too few frames: {len(values)} of {MIN_FRAMES[rule.statistic]}"
        note = "; ".join(filter(None, [too_few, measurement.note]))
        return replace(measurement, note=note)
    value = _STATISTICS[rule.statistic]([number for _, number in values])
    return survey.measurement(value, _find_outliers(rule, values))


def _measure_valid(rule: VerdictRule, night: NightData) -> Measurement:
    survey = _survey_headers(rule, night, _count_invalid)
    offenders = [
        Offender(obsid, f"{rule.data_level} has no valid {', '.join(rule.names)}", rule.data_level)
        for obsid, invalid in survey.values
        if invalid
    ]
    # A product that can't be read has no value either
    count = len(survey.values) + len(survey.lacking)
    valid = len(survey.values) - len(offenders)
    measurement = survey.measurement(_percent_of(valid, count), offenders)
    return replace(measurement, frame_count=count, is_incomplete=False)


def _count_invalid(rule: VerdictRule, header: dict[str, Any]) -> float | None:
    """The number of keywords without a finite number other than 0; None if all are absent."""
    if not any(name in header for name in rule.names):
        return None
    return float(sum(not is_velocity(header.get(name)) for name in rule.names))


def _keyword_numbers(rule: VerdictRule, header: dict[str, Any]) -> list[float]:
    """The numbers of the rule's keywords, without the one that means none."""
    numbers = (to_number(header.get(name)) for name in rule.names)
    return [number for number in numbers if number is not None and number != rule.ignore]


def _find_outliers(rule: VerdictRule, values: Sequence[tuple[str, float]]) -> list[Offender]:
    """The frames outside the rule's limits; for a spread the frames that cause it."""
    if rule.statistic in _SPREADS:
        numbers = [number for _, number in values]
        median, sigma = statistics.median(numbers), _robust_scatter(numbers)
        outliers = [
            (obsid, number)
            for obsid, number in values
            if abs(number - median) > OUTLIER_SIGMAS * sigma
        ]
        if not outliers:
            ordered = sorted(values, key=lambda pair: pair[1])
            outliers = list(dict.fromkeys([ordered[0], ordered[-1]]))
    else:
        outliers = [pair for pair in values if not rule.limits.warn.contains(pair[1])]
    level = rule.data_level or KPF.raw
    return [
        Offender(obsid, f"{number:.4g} {rule.unit}".strip(), level) for obsid, number in outliers
    ]


def _measure_products(rule: VerdictRule, night: NightData) -> Measurement:
    frames = night.raw_frames_of(rule.kinds)
    offenders = []
    for frame in frames:
        defects = {
            level: defect
            for level, defect in night.incomplete.get(frame.obsid, {}).items()
            if level in rule.names
        }
        if defects:
            why = ", ".join(f"{level} {defect}" for level, defect in defects.items())
            offenders.append(Offender(frame.obsid, why, next(iter(defects))))
    complete = len(frames) - len(offenders)
    note = "" if frames else f"no L0 of {', '.join(rule.kinds)}"
    return Measurement(_percent_of(complete, len(frames)), len(frames), tuple(offenders), note=note)


def _measure_masters(rule: VerdictRule, night: NightData) -> Measurement:
    defects = night.master_defects([MasterSelection.parse(name) for name in rule.names])
    offenders = tuple(Offender(name, defect) for name, defect in defects.items() if defect)
    return Measurement(float(len(defects) - len(offenders)), len(defects), offenders)


def _measure_quicklook(rule: VerdictRule, night: NightData) -> Measurement:
    count, offenders = 0, []
    for frame in night.frames_of(rule.kinds):
        found = [night.quicklook_record(frame.obsid, level) for level in rule.names]
        records = [record for record in found if record]
        count += any(record.verdict is not Verdict.NOT_JUDGED for record in records)
        failed = next((record for record in records if record.verdict is Verdict.FAIL), None)
        if failed:
            names = [check.name for check in failed.checks if check.verdict is Verdict.FAIL]
            why = "; ".join(names) or failed.error
            offenders.append(Offender(frame.obsid, why, failed.level))
    note = "" if count else f"no quicklook verdict of {', '.join(rule.kinds)}"
    return Measurement(_percent_of(len(offenders), count), count, tuple(offenders), note=note)


def _percent_of(count: int, total: int) -> float | None:
    return 100 * count / total if total else None


def _robust_scatter(numbers: Sequence[float]) -> float:
    """Robust standard deviation."""
    middle = statistics.median(numbers)
    return MAD_TO_SIGMA * statistics.median(abs(number - middle) for number in numbers)


def _value_range(numbers: Sequence[float]) -> float:
    return max(numbers) - min(numbers)


def _largest_step(numbers: Sequence[float]) -> float:
    """The largest change from one frame to the next."""
    return max(abs(later - earlier) for earlier, later in pairwise(numbers))


_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "mean": statistics.fmean,
    "min": min,
    "max": max,
    "scatter": _robust_scatter,
    "range": _value_range,
    "step": _largest_step,
}
_MEASURES: dict[RuleMeasure, Callable[[VerdictRule, NightData], Measurement]] = {
    RuleMeasure.COUNT: _measure_count,
    RuleMeasure.KEYWORD: _measure_keyword,
    RuleMeasure.TELEMETRY: _measure_telemetry,
    RuleMeasure.VALID: _measure_valid,
    RuleMeasure.FLAGS: measure_flags,
    RuleMeasure.PRODUCTS: _measure_products,
    RuleMeasure.MASTERS: _measure_masters,
    RuleMeasure.QUICKLOOK: _measure_quicklook,
}

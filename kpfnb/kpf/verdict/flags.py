"""The rule about QC keywords: the share of frames in which any of them is 0."""

from __future__ import annotations

from collections.abc import Mapping

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.files.exposure import source_type
from kpfnb.kpf.files.keywords import was_written
from kpfnb.kpf.files.quality_flags import read_quality_flags
from kpfnb.kpf.verdict.measurement import FrameSurvey, Measurement, Offender, to_number
from kpfnb.kpf.verdict.night_data import NightData
from kpfnb.kpf.verdict.rules import VERSION_KEYWORD, VerdictRule


def measure_flags(rule: VerdictRule, night: NightData) -> Measurement:
    """The percentage of frames in which a flag is 0.

    A frame is judged by the flags that it has. One that its DRP version writes for this kind of
    exposure, and that is absent, is a frame without a value.
    """
    survey, offenders = FrameSurvey(rule, rule.data_level), []
    headers = night.headers(rule.data_level)
    for frame in night.frames_of(rule.kinds):
        header = headers.get(frame.obsid)
        if header is None:
            continue
        if isinstance(header, str):
            survey.add_unreadable(frame.obsid, header)
            continue
        present = [name for name in rule.names if _is_flag(header.get(name))]
        down = [name for name in present if not header[name]]
        odd = [f"number in {n}" for n in rule.names if n in header and n not in present]
        written = _absent_flags(rule, header)
        missed = [name for name, is_written in written.items() if is_written]
        if present:
            survey.add_value(frame.obsid, float(len(down)))
        if odd or missed:
            survey.add_lacking(frame.obsid, ", ".join(odd + missed))
        elif not present:
            survey.add_unjudged(header, is_certain=None not in written.values())
        if down:
            why = f"{', '.join(down)} = 0"
            offenders.append(Offender(frame.obsid, why, rule.data_level))
    count = len(survey.values)
    return survey.measurement(100 * len(offenders) / count if count else None, offenders)


def _absent_flags(rule: VerdictRule, header: Mapping[str, HeaderValue]) -> dict[str, bool | None]:
    """The flags that a header lacks, and whether its version writes them for such exposures."""
    flags, spectrum = read_quality_flags(), source_type(header)
    version = str(header.get(VERSION_KEYWORD) or "")
    return {
        name: was_written(name, rule.data_level, version)
        for name in rule.names
        if name not in header and (name not in flags or flags[name].applies_to(spectrum))
    }


def _is_flag(value: HeaderValue) -> bool:
    """Whether a value says yes or no: a finite number, or a truth value."""
    return isinstance(value, bool) or to_number(value) is not None

"""The verdict of a night: made, kept, and read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import obsid_list
from kpfnb.kpf.files.obsid import list_nights
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import (
    criteria_file,
    rule_results,
    rules,
)
from kpfnb.kpf.verdict.night_data import INDEX_NAME, NightData, NightFrame
from kpfnb.kpf.verdict.result import VERDICT_SIGNS, NightVerdict
from kpfnb.kpf.verdict.rule_results import RuleResult
from kpfnb.kpf.verdict.rules import Override, RuleMeasure, VerdictLevel
from kpfnb.notebook.display import html
from kpfnb.notebook.parameters import check_night

NIGHTS_DIR = "nights"
"""Below the work directory: a folder for each night, with its verdict and the overrides."""

VERDICT_FILE = "verdict.json"


def assess_night(night: str, *, accept: Verdict | str = Verdict.FAIL) -> NightVerdict:
    """Judge a night by what is on disk now; nothing is written but the index of headers.

    Parameters
    ----------
    night : YYYYMMDD (UT)
    accept : the result's outcome is good with a verdict that is no worse

    Raises
    ------
    InvalidParameterError : no such night, no such verdict
    InvalidInputError : a wrong rule, with its line; no L0 directory in the data root; a damaged override
    ServiceUnavailableError : a directory of products can't be listed
    """
    here = settings.load_settings()
    _check_night(night)
    accepted = _parse_verdict(accept)
    criteria = criteria_file.load_criteria(criteria_file.criteria_path(here))
    list_nights(here.kpf_root, night, night)
    said = rules.read_overrides(night_dir(here, night))
    with HeaderIndex(here.work_dir / INDEX_NAME) as index:
        look = cache(lambda name: NightData(name, criteria, here, index))
        in_force = rules.active_overrides(said)
        findings = tuple(
            replace(rule_results.evaluate_rule(rule, night, look), override=in_force.get(rule.name))
            for rule in criteria.rules
        )
        tonight = look(night)
        return NightVerdict(
            night=night,
            root=here.kpf_root,
            results=findings,
            observations=len(tonight.observations),
            junk=tonight.junk_count,
            arrivals={kind: _obsids(tonight.frames_of((kind,))) for kind in criteria.kinds},
            last_l0=tonight.newest_l0(),
            assessed_at=datetime.now(UTC),
            zone=here.zone,
            criteria=f"{criteria.path.name}, {criteria_file.criteria_version(criteria.path)}",
            overrides=tuple(said),
            notes=(*obsid_list.read_junk_list(here.junk_path).notes, *index.notes),
            accept=accepted,
        )


def override_rule(
    night: str, rule: str, to: str, why: str, *, who: str = "", dry_run: bool = False
) -> Override:
    """Record what a person says of a rule; `InvalidParameterError` for a rule that there is not."""
    here = settings.load_settings()
    rules.check_override(to, why)
    judged = assess_night(night)
    found = {one.rule.name: one for one in judged.results}
    if rule not in found:
        raise InvalidParameterError(f"no rule {rule!r}", f"the rules are {', '.join(found)}")
    measured = str(found[rule].measured)
    said = rules.new_override(
        night, rule, to, why, who=who, instead_of=measured, criteria=judged.criteria
    )
    if not dry_run:
        rules.save_override(night_dir(here, night), said)
    return said


def save_verdict(judged: NightVerdict) -> bool:
    """Write the verdict where it differs from the one that is kept; True where it does."""
    path = night_dir(settings.load_settings(), judged.night) / VERDICT_FILE
    values = judged.to_dict()
    if _read_verdict(path) == values:
        return False
    atomic.write_json(path, values)
    return True


def load_history(here: Settings | None = None) -> dict[str, dict[str, Any]]:
    """Night to the verdict that is kept, oldest first; a damaged one is passed over."""
    here = here or settings.load_settings()
    paths = sorted((here.work_dir / NIGHTS_DIR).glob(f"*/{VERDICT_FILE}"))
    found = {path.parent.name: load_verdict(here, path.parent.name) for path in paths}
    return {night: one for night, one in found.items() if one}


def load_verdict(here: Settings, night: str) -> dict[str, Any] | None:
    """The verdict of a night as it was kept last; None where there is none, or it is damaged."""
    found = _read_verdict(night_dir(here, night) / VERDICT_FILE)
    return found if found and found.get("verdict") in set(Verdict) else None


def night_dir(here: Settings, night: str) -> Path:
    """Where the verdict of a night and its overrides are."""
    return here.work_dir / NIGHTS_DIR / night


def _obsids(frames: Iterable[NightFrame]) -> tuple[str, ...]:
    return tuple(frame.obsid for frame in frames)


def _read_verdict(path: Path) -> dict[str, Any] | None:
    try:
        found = atomic.read_json(path)
    except (OSError, InvalidInputError):
        return None
    return found if isinstance(found, dict) else None


def _check_night(night: str) -> None:
    try:
        if not check_night(night):
            raise ValueError("a night is wanted")
    except ValueError as error:
        raise InvalidParameterError(
            f"night: {error}, not {night!r}", "for example 20240131"
        ) from None


def _parse_verdict(word: str) -> Verdict:
    try:
        return Verdict(word)
    except ValueError:
        raise InvalidParameterError(
            f"accept: {word!r}", f"it is one of {', '.join(Verdict)}"
        ) from None


# Counts of frames filling towards their minimum: what is watched while a night goes on.


class FrameCount(NamedTuple):
    """The frames of one kind: so many, of so many that are wanted; `night` is whose they are."""

    title: str
    present: int
    required: int
    night: str
    verdict: Verdict

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.present} of at least {self.required}"


def count_frames(findings: Iterable[RuleResult]) -> list[FrameCount]:
    """What the rules that count frames say."""
    return [
        FrameCount(
            one.rule.title,
            round(one.measurement.value or 0),
            round(one.rule.warn.low or one.rule.fail.low or 0),
            one.night,
            one.verdict,
        )
        for one in findings
        if one.rule.measure is RuleMeasure.COUNT
    ]


def frame_counts_html(judged: NightVerdict) -> str:
    """The counts as bars, which screen readers know, then each level and what it lacks."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(one.title)}</th>"
        f"<td><progress aria-label='{escape(one.title, quote=True)}' "
        f"value='{min(one.present, one.required)}' max='{max(one.required, 1)}'></progress></td>"
        f"<td>{one.text}{'' if one.night == judged.night else f' ({one.night})'}</td></tr>"
        for one in count_frames(judged.results)
    )
    clock = f"{judged.assessed_at.astimezone(judged.zone):%H:%M:%S}"
    last = judged.last_l0 and f"{judged.last_l0.astimezone(judged.zone):%Y-%m-%d %H:%M}"
    return (
        f"<p>{judged.observations} observations, the last L0 written {last or 'never'}; "
        f"looked at {clock} ({escape(judged.zone.key)})</p>"
        f"<table><tbody>{rows}</tbody></table>"
        f"<p><strong>{VERDICT_SIGNS[judged.verdict]} {judged.verdict} {escape(judged.night)}</strong></p>"
        f"<ul>{''.join(_level_html(judged, level) for level in judged.levels)}</ul>"
        f"<ul>{''.join(f'<li>{escape(remark)}</li>' for remark in judged.remarks)}</ul>"
    )


def _level_html(judged: NightVerdict, level: VerdictLevel) -> str:
    """A level, and its rules that do not pass."""
    own = [one for one in judged.results if one.rule.level is level]
    bad = [one for one in judged.not_passed if one.rule.level is level]
    lacking = "".join(
        f"<li>{VERDICT_SIGNS[one.verdict]} {escape(one.rule.title)}: {escape(one.value)} "
        f"({escape(one.threshold)})</li>"
        for one in bad
    )
    verdict = judged.levels[level]
    passed = f"{len(own) - len(bad)} of {len(own)} rules pass"
    head = f"<strong>{VERDICT_SIGNS[verdict]} {verdict} {escape(str(level))}</strong>"
    return f"<li>{head}: {escape(level.question)} {passed}<ul>{lacking}</ul></li>"


def show_live(judged: NightVerdict, *, refresh_seconds: float) -> None:
    """Show it; in JupyterLab it looks again by itself, for as long as the kernel lives."""

    def again() -> str:
        return frame_counts_html(replace(assess_night(judged.night), accept=judged.accept))

    html.display_refreshing(judged, frame_counts_html(judged), again, every_seconds=refresh_seconds)

"""The assessment of a night by the criteria: made, stored, loaded, and shown live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from kpfnb.core import atomic, settings
from kpfnb.core.clock import check_night, utc_now
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.settings import Settings
from kpfnb.core.text import format_count
from kpfnb.kpf.files.data_root import check_data_root, describe_empty_nights
from kpfnb.kpf.files.exposure import read_junk_list
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.quicklook.quality import JUDGED_VERDICTS, Verdict
from kpfnb.kpf.verdict import criteria_file, freshness, rules
from kpfnb.kpf.verdict.night_data import INDEX_NAME, NightData
from kpfnb.kpf.verdict.result import NightVerdict, split_results
from kpfnb.kpf.verdict.rule_results import count_frames, evaluate_rule
from kpfnb.kpf.verdict.rules import Override, VerdictCriteria, VerdictLevel
from kpfnb.notebook.display import html

NIGHTS_DIR = "nights"
"""In the work directory; it has a directory per night with its verdict and overrides."""

VERDICT_FILE = "verdict.json"


def assess_night(night: str, *, accept: Verdict | str = Verdict.FAIL) -> NightVerdict:
    """Assess a night by its files on disk; writes nothing except the index of headers.

    Parameters
    ----------
    night : YYYYMMDD (UT)
    accept : the worst verdict that still counts as success

    Raises
    ------
    InvalidParameterError : not a valid night or verdict
    InvalidInputError : a mistake in a rule, with its line; no L0 directory in the data root; a
        damaged override
    ServiceUnavailableError : a directory of products can't be listed
    """
    site_settings = settings.load_settings()
    _check_night(night)
    accepted = _parse_verdict(accept)
    criteria = criteria_file.load_criteria(criteria_file.criteria_path(site_settings))
    check_data_root(site_settings.kpf_root)
    overrides = rules.read_overrides(night_dir(site_settings, night))
    # Before the files are read, so that later changes show
    files = freshness.survey_files(night, site_settings)
    with HeaderIndex(site_settings.work_dir / INDEX_NAME) as index:
        load_night = cache(lambda name: NightData(name, criteria, site_settings, index))
        active = rules.active_overrides(overrides)
        results = tuple(
            replace(evaluate_rule(rule, night, load_night), override=active.get(rule.name))
            for rule in criteria.rules
        )
        night_data = load_night(night)
        return NightVerdict(
            night=night,
            root=site_settings.kpf_root,
            results=results,
            observations=len(night_data.observations),
            junk=night_data.junk_count,
            arrivals={
                kind: tuple(frame.obsid for frame in night_data.raw_frames_of((kind,)))
                for kind in criteria.kinds
            },
            last_l0=night_data.newest_l0(),
            assessed_at=utc_now(),
            zone=site_settings.zone,
            criteria=f"{criteria.path.name}, {criteria_file.criteria_version(criteria.path)}",
            overrides=tuple(overrides),
            notes=(
                *read_junk_list(site_settings.junk_path).notes,
                *index.notes,
                *_notes(criteria, night_data),
            ),
            accept=accepted,
            files=files,
            empty_reason=describe_empty_nights(site_settings.kpf_root, night)
            if freshness.is_empty(files)
            else "",
        )


def _notes(criteria: VerdictCriteria, night_data: NightData) -> Iterator[str]:
    """What a reader of the verdict should know."""
    if night_data.without_raw:
        count = format_count(len(night_data.without_raw), "observation")
        yield (
            f"{count} with products and without an L0, first {night_data.without_raw[0]}:"
            " judged by the products, not counted as frames"
        )
    yield from criteria_file.find_keyword_mistakes(criteria)


def override_rule(
    night: str, rule: str, to: str, why: str, *, who: str = "", dry_run: bool = False
) -> Override:
    """Record a person's verdict of a rule; `InvalidParameterError` for an unknown rule."""
    rules.check_override(to, why)
    night_verdict = assess_night(night)
    results = {result.rule.name: result for result in night_verdict.results}
    if rule not in results:
        raise InvalidParameterError(f"no rule {rule!r}", f"the rules are {', '.join(results)}")
    measured = str(results[rule].measured)
    override = rules.new_override(
        night, rule, to, why, who=who, instead_of=measured, criteria=night_verdict.criteria
    )
    if not dry_run:
        rules.save_override(night_dir(settings.load_settings(), night), override)
    return override


def save_verdict(night_verdict: NightVerdict) -> bool:
    """Store the verdict if it differs from the stored one in more than its time; True if so."""
    path = night_dir(settings.load_settings(), night_verdict.night) / VERDICT_FILE
    values = night_verdict.to_dict()
    stored = _read_verdict(path)
    if stored and stored | {freshness.TIME_KEY: values[freshness.TIME_KEY]} == values:
        return False
    atomic.write_json(path, values)
    return True


def load_history(site_settings: Settings | None = None) -> dict[str, dict[str, Any]]:
    """Night to its stored verdict, oldest first; damaged ones are skipped."""
    site_settings = site_settings or settings.load_settings()
    paths = sorted((site_settings.work_dir / NIGHTS_DIR).glob(f"*/{VERDICT_FILE}"))
    verdicts = {path.parent.name: load_verdict(site_settings, path.parent.name) for path in paths}
    return {night: values for night, values in verdicts.items() if values}


def load_verdict(site_settings: Settings, night: str) -> dict[str, Any] | None:
    """The stored verdict of a night; None if there is none, or it is damaged."""
    values = _read_verdict(night_dir(site_settings, night) / VERDICT_FILE)
    return values if values and values.get("verdict") in set(Verdict) else None


def night_dir(site_settings: Settings, night: str) -> Path:
    """The directory with the verdict and the overrides of a night."""
    return site_settings.work_dir / NIGHTS_DIR / night


def _read_verdict(path: Path) -> dict[str, Any] | None:
    try:
        values = atomic.read_json(path)
    except (OSError, InvalidInputError):
        return None
    return values if isinstance(values, dict) else None


def _check_night(night: str) -> None:
    try:
        if not check_night(night):
            raise ValueError("a night is required")
    except ValueError as error:
        raise InvalidParameterError(
            f"night: {error}, not {night!r}", "for example 20240131"
        ) from None


def _parse_verdict(word: str) -> Verdict:
    if word not in JUDGED_VERDICTS:
        raise InvalidParameterError(
            f"accept: {word!r}", f"it is one of {', '.join(JUDGED_VERDICTS)}"
        )
    return Verdict(word)


def show_live(night_verdict: NightVerdict, *, refresh_seconds: float) -> None:
    """Show a verdict; in JupyterLab the night is assessed again at every refresh."""

    def render_again() -> str:
        again = assess_night(night_verdict.night)
        return live_html(replace(again, accept=night_verdict.accept))

    html.display_refreshing(
        night_verdict, live_html(night_verdict), render_again, every_seconds=refresh_seconds
    )


def live_html(night_verdict: NightVerdict) -> str:
    """Frame counts as progress bars (accessible to screen readers), then each level's problems."""
    if night_verdict.empty_reason:
        return f"<p><strong>{escape(night_verdict.reason)}</strong></p>"
    zone = night_verdict.zone
    rows = "".join(
        f"<tr><th scope='row'>{escape(count.title)}</th>"
        f"<td><progress aria-label='{escape(count.title, quote=True)}' "
        f"value='{min(count.present, count.required)}' max='{max(count.required, 1)}'></progress>"
        f"</td><td>{count.text}"
        f"{'' if count.night == night_verdict.night else f' ({count.night})'}</td></tr>"
        for count in count_frames(night_verdict.results)
    )
    clock = f"{night_verdict.assessed_at.astimezone(zone):%H:%M:%S}"
    last_l0 = night_verdict.last_l0
    written = f"{last_l0.astimezone(zone):%Y-%m-%d %H:%M}" if last_l0 else "never"
    verdict = night_verdict.verdict
    return (
        f"<p>{format_count(night_verdict.observations, 'observation')}; last L0 written: {written};"
        f" assessed at {clock} ({escape(zone.key)})</p>"
        f"<table><tbody>{rows}</tbody></table>"
        f"<p><strong>{verdict.sign} {verdict} {escape(night_verdict.night)}</strong></p>"
        f"<ul>{''.join(_level_html(night_verdict, level) for level in night_verdict.levels)}</ul>"
        f"<ul>{''.join(f'<li>{escape(remark)}</li>' for remark in night_verdict.remarks)}</ul>"
    )


def _level_html(night_verdict: NightVerdict, level: VerdictLevel) -> str:
    """A level, its rules that do not pass, and the number of those not judged."""
    judged, not_judged = split_results(night_verdict.results, level)
    problems = [result for result in judged if result.verdict.needs_attention]
    items = "".join(
        f"<li>{result.verdict.sign} {escape(result.rule.title)}: {escape(result.value)} "
        f"({escape(result.threshold)})</li>"
        for result in sorted(problems, key=lambda result: -result.verdict.severity)
    )
    verdict = night_verdict.levels[level]
    passed = f"{len(judged) - len(problems)} of {len(judged)} rules pass"
    heading = f"<strong>{verdict.sign} {verdict} {escape(str(level))}</strong>"
    folded = "".join(
        f"<li>{escape(result.rule.title)}: {escape(result.value)}</li>" for result in not_judged
    )
    details = f"<details><summary>{format_count(len(not_judged), 'rule')} not judged</summary>"
    return (
        f"<li>{heading}: {escape(level.question)} {passed}<ul>{items}</ul>"
        f"{f'{details}<ul>{folded}</ul></details>' if not_judged else ''}</li>"
    )

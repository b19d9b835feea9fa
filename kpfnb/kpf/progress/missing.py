"""Why products are missing: the state of the L0, the last attempt of the DRP, its error.

Everything is cheap: the status of each L0, one query for the attempts, and, if the setting
`drp_log_dir` names them, the DRP's own logs of these observations. No FITS file is opened.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kpfnb.core.clock import parse_utc
from kpfnb.core.settings import Settings, load_settings
from kpfnb.core.text import format_size
from kpfnb.kpf.files import drp_log
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import attempts
from kpfnb.kpf.progress.attempts import Attempt, AttemptSource
from kpfnb.kpf.progress.completeness import IncompleteReason, MissingLevel

TIME_FORMAT = "%Y-%m-%d %H:%M"
CLOCK_SKEW_SECONDS = 60.0
"""A file that is dated later than this from now is dated in the future."""

NO_ATTEMPT = "no attempt known"

_PRODUCT_STATES = {
    IncompleteReason.MISSING: "",
    IncompleteReason.OLDER: "{level} exists but is older than its L0",
    IncompleteReason.OLD_VERSION: "{level} is of DRP version {detail}",
    IncompleteReason.UNKNOWN_VERSION: "the DRP version of {level} is unknown: {detail}",
    IncompleteReason.CAMERA_MISSING: "{level} has {detail}",
    IncompleteReason.NO_VELOCITY: "{level} has no velocity: {detail}",
    IncompleteReason.UNREADABLE: "{level} can't be read: {detail}",
    IncompleteReason.L0_UNREADABLE: "its L0 can't be read: {detail}; transfer it again",
}


class RawState(NamedTuple):
    """The L0 file of an observation; `problem` says why it has no size and time."""

    size: int = 0
    modified: float = 0.0
    problem: str = ""

    def describe(self, zone: ZoneInfo) -> str:
        """The state in a few words."""
        if self.problem:
            return self.problem
        size = "empty" if not self.size else format_size(self.size)
        in_future = self.modified > time.time() + CLOCK_SKEW_SECONDS
        return f"{size}, {'DATED IN THE FUTURE' if in_future else 'written'} " + _format_time(
            datetime.fromtimestamp(self.modified, UTC), zone
        )


@dataclass(frozen=True)
class MissingProduct:
    """A level that is expected and not done, and why.

    Attributes
    ----------
    sentence : the reason in words
    cause : the reason without times, the same for all that have the same fault
    raw : the state of its L0
    attempt : the last attempt that kpfnb knows of
    log : the DRP's log of that attempt, or the DRP's own log of the observation
    excerpt : its lines about the observation, the error first
    """

    obsid: str
    level: str
    reason: IncompleteReason
    sentence: str
    cause: str
    raw: str
    attempt: Attempt | None = None
    log: Path | None = None
    excerpt: str = ""

    @property
    def night(self) -> str:
        """Its night."""
        return ObsID(self.obsid).night

    @property
    def error(self) -> str:
        """The line of the log that names the error; '' if there is none."""
        return drp_log.error_line(self.excerpt)


@dataclass(frozen=True)
class ObservationHistory:
    """What is known of the processing of one observation."""

    raw: RawState
    attempt: Attempt | None
    log: Path | None
    excerpt: str
    logged: datetime | None
    """When the DRP's own log was written, if it is later than the attempt."""


def explain_missing(
    missing: Iterable[MissingLevel], settings: Settings | None = None
) -> list[MissingProduct]:
    """Why each of these levels is missing, in their order."""
    settings = settings or load_settings()
    missing = list(missing)
    obsids = list(dict.fromkeys(item.obsid for item in missing))
    known = attempts.read_attempts(settings, obsids)
    histories = {obsid: load_history(obsid, known.get(obsid), settings) for obsid in obsids}
    return [_explain(item, histories[item.obsid], settings.zone) for item in missing]


def load_history(obsid: str, attempt: Attempt | None, settings: Settings) -> ObservationHistory:
    """What is known of an observation: its L0, the attempt, and the newer of the logs."""
    raw = _stat_raw(ObsID(obsid).path(settings.kpf_root, KPF.raw))
    own_log = drp_log.observation_log(obsid, settings)
    written = drp_log.modified(own_log)
    if own_log and written and (attempt is None or written > parse_utc(attempt.ended)):
        return ObservationHistory(raw, attempt, own_log, drp_log.read_excerpt(own_log), written)
    log = Path(attempt.log) if attempt and attempt.log else None
    excerpt = drp_log.error_first(attempt.excerpt) if attempt else ""
    return ObservationHistory(raw, attempt, log, excerpt, None)


def _explain(item: MissingLevel, history: ObservationHistory, zone: ZoneInfo) -> MissingProduct:
    state = _PRODUCT_STATES[item.reason].format(level=item.level, detail=item.detail)
    when, cause = _describe_attempt(item, history, zone)
    sentence = "; ".join(filter(None, [state, cause.replace("{when}", when)]))
    return MissingProduct(
        obsid=item.obsid,
        level=item.level,
        reason=item.reason,
        sentence=sentence,
        cause=_without_name("; ".join(filter(None, [state, cause.replace(" {when}", "")]))),
        raw=history.raw.describe(zone),
        attempt=history.attempt,
        log=history.log,
        excerpt=history.excerpt,
    )


def _describe_attempt(
    item: MissingLevel, history: ObservationHistory, zone: ZoneInfo
) -> tuple[str, str]:
    """When the last attempt was, and what came of it; `{when}` stands for the time."""
    raw, attempt = history.raw, history.attempt
    if item.reason is IncompleteReason.L0_UNREADABLE:
        return "", ""
    if raw.modified > time.time() + CLOCK_SKEW_SECONDS:
        return "", "its L0 is dated in the future, so no product can be newer"
    error = drp_log.error_line(history.excerpt)
    if history.logged:
        when = f"on {_format_time(history.logged, zone)}"
        return when, f"the DRP ran {{when}}: {error or 'its log has no error'}"
    if attempt is None:
        return "", NO_ATTEMPT
    when = f"on {_format_time(parse_utc(attempt.ended), zone)}"
    if raw.modified > parse_utc(attempt.ended).timestamp():
        return when, "its L0 was written after the last attempt {when}"
    by = "the DRP" if attempt.source == AttemptSource.REPROCESSING else "the watcher's DRP"
    if attempt.outcome == "done":
        return when, f"{by} made all products {{when}}, {item.level} was removed or changed since"
    if attempt.outcome == "failed":
        detail = error or f"its log has no error ({attempt.reason})"
        return when, f"{by} failed {{when}}: {detail}"
    return when, f"{by} did not reach it {{when}}: {attempt.reason}"


def _without_name(cause: str) -> str:
    """The cause without the names of observations, so that equal causes are equal texts."""
    return KPF.obsid_pattern.sub("…", cause)


def _stat_raw(path: Path) -> RawState:
    try:
        status = path.stat()
    except OSError as error:
        return RawState(problem=os.strerror(error.errno or 0).lower())
    return RawState(status.st_size, status.st_mtime)


def _format_time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):{TIME_FORMAT}}"
